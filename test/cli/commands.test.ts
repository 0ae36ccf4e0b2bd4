/** The package's own program: what its commands read out of notebooks, refuse, and print. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { bench, benchParts } from "../../src/cli/bench.ts";
import { chosenNotebooks, figureOf } from "../../src/cli/notebooks.ts";
import { headline } from "../../src/cli/start.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";

const run = promisify(execFile);
const program = join(packageRoot, "dist", "src", "cli", "main.js");
const scratch = mkdtempSync(join(tmpdir(), "zoetrope-cli-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Standard output and exit status, whatever the status. */
async function zoetrope(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  try {
    return {
      ...(await run(process.execPath, [program, ...args], {
        env: { ...process.env, ZOETROPE_RUNS: scratch },
      })),
      code: 0,
    };
  } catch (error) {
    const {
      stdout = "",
      stderr = "",
      code = 1,
    } = error as { stdout?: string; stderr?: string; code?: number };
    return { stdout, stderr, code };
  }
}

const cell = (tag: string, ...outputs: Record<string, string | string[]>[]) => ({
  cell_type: "code",
  metadata: { tags: [tag] },
  outputs: outputs.map((data) => ({ data })),
});

describe("what commands read out of a notebook", () => {
  it("headline: the text of the tagged cells, joined lines and all", () => {
    const cells = [
      cell("other", { "text/plain": "no" }),
      cell("headline", { "text/plain": ["a\n", "b"] }, {}, { "text/plain": "c" }),
    ];
    expect(headline(cells)).toBe("a\nb\n\nc");
    expect(headline([])).toBe("");
  });

  it("figure: the last picture of the tagged cells, or none", () => {
    const png = (text: string) => Buffer.from(text).toString("base64");
    expect(
      figureOf([cell("figure", { "image/png": png("first") }, { "image/png": [png("last")] })])?.toString(),
    ).toBe("last");
    expect(figureOf([cell("figure", { "text/plain": "x" })])).toBeUndefined();
  });

  it("notebooks are named by number, stem or file, and unknown ones are refused", () => {
    expect(chosenNotebooks(["07"])).toEqual(chosenNotebooks(["07-linear-search-and-tree-of-frames.ipynb"]));
    expect(chosenNotebooks([]).length).toBeGreaterThanOrEqual(12);
    expect(() => chosenNotebooks(["99"])).toThrow(/Cannot find the notebook "99": there are 01-quickstart/);
  });
});

describe("the program", () => {
  it("scores a VBench file as a JSON array in row order", async () => {
    const { stdout, code } = await zoetrope(
      "vbench",
      "score",
      join(packageRoot, "data/vbench/published.csv"),
    );
    const rows = JSON.parse(stdout) as {
      model: string;
      quality: number;
      semantic: number;
      total: number;
      lint: unknown[];
    }[];
    expect(code).toBe(0);
    expect(rows[0]!.model).toBe("LaVie");
    expect(rows[0]!.total).toBeCloseTo(77.08, 1);
    expect(Object.keys(rows[0]!).sort()).toEqual(["lint", "model", "quality", "semantic", "total"]);
  });

  it("refuses what it cannot do in one sentence and with a status", async () => {
    const missing = await zoetrope("vbench", "score", join(scratch, "none.csv"));
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^zoetrope: Cannot score .*none\.csv/),
    });
    writeFileSync(join(scratch, "page.html"), "<p>hello</p>");
    const foreign = await zoetrope("verify", join(scratch, "page.html"), "--no-execute");
    expect(foreign).toMatchObject({ code: 1, stderr: expect.stringMatching(/not a Zoetrope report/) });
    await expect(bench(["speed"], { json: true })).rejects.toThrow(`the parts are ${benchParts.join(", ")}`);
  });

  it("lists no claims in an empty store, and says where they come from", async () => {
    const { stderr, code } = await zoetrope("claims");
    expect({ stderr, code }).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/No claims in the run store/),
    });
  });
});
