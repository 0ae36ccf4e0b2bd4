import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openJournal } from "../../src/search/journal-file.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

test("a search killed twice in the middle of a line ends as if never killed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "journal-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "new", "search.jsonl");
  const run = () => {
    const space = searchSpace(fakeDenoiser(), { prompt: "red", chunks: 2, steps: 3, batchSize: 2 });
    return search(space, linearSearch({ n: 6 }), { verifier: redVerifier(), ...openJournal(path) });
  };
  const whole = await run();
  const length = readFileSync(path).length;
  for (const share of [0.7, 0.4]) {
    truncateSync(path, Math.floor(length * share));
    const resumed = await run();
    expect(resumed.best.video.data).toEqual(whole.best.video.data);
    expect(resumed.cost.nfe).toBe(whole.cost.nfe);
    expect(
      readFileSync(path, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).kind),
    ).toContain("score");
  }
  appendFileSync(path, "not json\n{}\n");
  expect(() => openJournal(path)).toThrow("is not JSON");
});
