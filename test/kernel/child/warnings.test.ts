/** Warnings of code: on the standard error of the cell that they come from. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RawClient } from "../raw-client.ts";

let client: RawClient;
beforeAll(async () => {
  client = await RawClient.start();
});
afterAll(() => client.stop());

/** A warning is emitted behind the synchronous code, so the cell waits for a turn. */
const stderrOf = async (code: string): Promise<string> =>
  (await client.execute(`${code}\nawait new Promise((done) => setTimeout(done));`)).stderr;

describe("a warning", () => {
  it("is shown with its name, once a cell", async () => {
    const warn = 'process.emitWarning("is cold", "SoupWarning");';
    expect(await stderrOf(warn + warn)).toBe("SoupWarning: is cold\n");
    expect(await stderrOf(warn)).toBe("SoupWarning: is cold\n");
    expect(await stderrOf(`${warn} process.emitWarning("too salty")`)).toBe(
      "SoupWarning: is cold\nWarning: too salty\n",
    );
  });

  it("that is for the authors of libraries is not shown", async () => {
    expect(
      await stderrOf(
        'process.emitWarning("is old", "DeprecationWarning"); process.emitWarning("is new", "ExperimentalWarning");',
      ),
    ).toBe("");
  });

  it("of a prompt with unknown words tells the known ones", async () => {
    const stderr = await stderrOf('import { tokenize } from "zoetrope"; tokenize("a purple elephant");');
    expect(stderr).toMatch(
      /^PromptWarning: Prompt "a purple elephant" has words outside the world's vocabulary: elephant\. Known words: .*\bmagenta\b/,
    );
  });
});
