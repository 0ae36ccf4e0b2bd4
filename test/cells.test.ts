/** The cells that the README and the design show, run as a newcomer would: in the kernel, type-checked, to the last output. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runToEnd } from "../kernel/client/run-notebook.ts";
import { codeCell, isCodeCell, notebook } from "../kernel/nbformat/notebook.ts";
import { packageRoot } from "../src/tensor/package-root.ts";

const scratch = mkdtempSync(join(tmpdir(), "zoetrope-cells-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Media types of everything that the cells showed. */
async function shownBy(...sources: readonly string[]): Promise<string[]> {
  const {
    status,
    failure,
    notebook: executed,
  } = await runToEnd(notebook(sources.map((source, i) => codeCell(source, { id: `cell-${i}` }))), {
    cwd: packageRoot,
    env: { ZOETROPE_RUNS: scratch },
    timeout: 120_000,
  });
  expect(failure?.traceback.join("\n")).toBeUndefined();
  expect(status).toBe("ok");
  return executed.cells
    .filter(isCodeCell)
    .flatMap(({ outputs }) =>
      outputs.flatMap((output) => ("data" in output ? Object.keys(output.data) : [])),
    );
}

it("the README's first snippet ends in a video", async () => {
  const readme = readFileSync(join(packageRoot, "README.md"), "utf8");
  const [first] = readme.match(/(?<=```ts\n)[\s\S]*?(?=```)/)!;
  expect(await shownBy(first!)).toEqual(expect.arrayContaining(["text/html", "image/png"]));
}, 120_000);

it("the design's cell: a world, a training into a run, three searches, one curve", async () => {
  const media = await shownBy(
    `import { CausalWan, colorProxy, ensemble, evoSearch, linearSearch, openRun, oracle, plot, resamplingForcing, routing, search, searchSpace, switchAt, teacherForcing, train, treeOfFrames, world, worldCodec } from "zoetrope";
const codec = worldCodec();`,
    `const clips = world({ scenes: ["bounce", "pour"], numClips: 512, seed: 0 });
const model = CausalWan.mini({ codec, seed: 1 });
const run = await openRun("rf-mini", { model, forcing: resamplingForcing({ shift: 0.6 }) });
for await (const step of train(model, clips, { forcing: switchAt(1, teacherForcing(), resamplingForcing({ shift: 0.6 })), codec, steps: 2, batchSize: 2, run }))
  display(plot.loss(run), { id: "loss" });`,
    `const space = searchSpace(model, { prompt: "a red ball bounces on the floor", chunks: 4, steps: 2, history: routing({ topK: 3 }), codec });
for (const strategy of [linearSearch({ n: 2 }), treeOfFrames({ roots: 2, branch: [2, 1, 1], keep: 1 }), evoSearch({ schedule: [0], population: [2, 2], elites: 1 })])
  await search(space, strategy, { verifier: ensemble([oracle(), colorProxy()]), run });
display(plot.nfeVersusScore(run, { band: "ci95" }));`,
  );
  expect(media.filter((type) => type === "application/vnd.vegalite.v5+json").length).toBeGreaterThanOrEqual(
    2,
  );
}, 180_000);
