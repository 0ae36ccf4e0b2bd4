/** Searches, rollouts, trainings and studies charge the run they are given, or the open run of the notebook; once each. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { chargeCells, uncharged } from "../../src/diffusion/account.ts";
import { meter } from "../../src/diffusion/nfe.ts";
import { attachRun, openRun, type Run } from "../../src/lab/run.ts";
import { scalingStudy } from "../../src/lab/scaling-study.ts";
import { deleteRun } from "../../src/lab/store.ts";
import { rollout, rolloutClip } from "../../src/sample/rollout.ts";
import type { JournalRecord } from "../../src/search/journal.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { evoToy } from "../../src/search/toy/evo-toy.ts";
import { teacherForcing } from "../../src/train/forcing/teacher-forcing.ts";
import { train } from "../../src/train/trainer.ts";
import { world } from "../../src/video/world/world.ts";
import { fakeDenoiser, redVerifier } from "../search/fake-denoiser.ts";
import { tinyWorldModel } from "../train/tiny-world-model.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-charging-"));
  return () => rmSync(root, { recursive: true, force: true });
});

// Stands in for the kernel: inside a cell there is a stop signal.
const globals = globalThis as unknown as Record<string, unknown>;
beforeEach(() => {
  globals["kernel"] = { signal: new AbortController().signal };
});
afterEach(() => {
  delete globals["kernel"];
  chargeCells(undefined);
});

const verifier = redVerifier();
const strategy = linearSearch({ n: 3 });
const space = () => searchSpace(fakeDenoiser(), { prompt: "red", chunks: 2, steps: 4, batchSize: 2 });
const ledger = (run: Run) => run.rows("@ledger").map(({ purpose, nfe }) => [purpose, nfe]);
// 3 candidates x 2 chunks x 4 steps x 2 frames.
const searchNfe = 48;

it("charges a notebook's open run without being told, and nobody outside of a notebook", async () => {
  const run = await openRun("ambient", {}, { root });
  await search(space(), strategy, { verifier });
  await rolloutClip(fakeDenoiser(), { prompts: ["red", "blue"], chunks: 3, steps: 4 });
  for await (const _ of train(tinyWorldModel(), world({ numClips: 4, numFrames: 6 }), {
    forcing: teacherForcing(),
    steps: 3,
    batchSize: 1,
    logEvery: 2,
  }));
  // Rollout: 2 rows x 3 chunks x 4 steps x 2 frames. Training: the rows of steps 2 and 3.
  expect(ledger(run)).toEqual([
    ["search", searchNfe],
    ["rollout", 48],
    ["train", undefined],
    ["train", undefined],
  ]);
  const cost = run.cost();
  // Remembered: the first chunk of 3 candidates, two chunks of 2 rows.
  expect(cost).toMatchObject({ verifierCalls: 3, calls: 48, cacheWrites: 7 });
  expect(cost.seconds).toBeGreaterThan(0);
  expect(run.kinds().filter((kind) => !kind.startsWith("@"))).toEqual([]);

  delete globals["kernel"];
  await search(space(), strategy, { verifier });
  expect(run.rows("@ledger")).toHaveLength(4);
});

it("charges a run that is given, in place of the open one, and appends its rows", async () => {
  const own = await openRun("given", {}, { root });
  const open = await openRun("open", {}, { root });
  await search(space(), strategy, { verifier, run: own });
  await rolloutClip(fakeDenoiser(), { prompts: "red", chunks: 1, steps: 4, run: own });
  await search(space(), strategy, { verifier, run: uncharged });
  expect(ledger(own)).toEqual([
    ["search", searchNfe],
    ["rollout", 8],
  ]);
  expect(own.rows("search").length).toBeGreaterThan(0);
  expect(ledger(open)).toEqual([]);
});

it("charges once where one work is inside of another", async () => {
  const run = await openRun("nested", {}, { root });
  await run.metered("evaluation", (cost) =>
    rolloutClip(fakeDenoiser(), { prompts: "red", chunks: 1, steps: 4, meter: cost }),
  );
  const own = meter();
  await rolloutClip(fakeDenoiser(), { prompts: "red", chunks: 1, steps: 4, meter: own });
  expect(own.read().nfe).toBe(8);
  const study = scalingStudy({
    space,
    prompts: ["red"],
    seeds: [0, 1],
    contenders: [{ strategy, n: 3 }],
    verifier,
    metric: { name: "zero", source: "test", measure: () => 0 },
    run,
  });
  for await (const _ of study);
  expect(ledger(run)).toEqual([
    ["evaluation", 8],
    ["search", searchNfe],
    ["search", searchNfe],
  ]);
  expect(run.rows("search")).toHaveLength(2);
});

it("charges the toy's methods by name, searches inside of them not again", async () => {
  const run = await openRun("toy", {}, { root });
  const toy = evoToy({ budget: 60, points: 10, steps: 6, field: "exact" });
  let next = await toy.next();
  while (!next.done) next = await toy.next();
  expect(ledger(run)).toEqual(next.value.rows.map(({ method, nfe }) => [method, nfe]));
});

it("charges an inner run while it is open, then the outer one again", async () => {
  const outer = await openRun("outer", {}, { root });
  const inner = await openRun("inner", {}, { root });
  await search(space(), strategy, { verifier });
  // Looking at a run, or keeping a list by name, does not make it the one that is charged.
  await openRun("outer", undefined, { root });
  await openRun("a list", undefined, { root });
  attachRun(inner.id, { root }).finish();
  await search(space(), strategy, { verifier });
  expect([inner.cost().nfe, outer.cost().nfe]).toEqual([searchNfe, searchNfe]);

  const doomed = await openRun("doomed", {}, { root });
  deleteRun(doomed.id, { root });
  await search(space(), strategy, { verifier });
  expect(outer.cost().nfe).toBe(2 * searchNfe);
});

it("charges what was spent until it was stopped, and of a resumed search only the rest", async () => {
  const run = await openRun("stopped", {}, { root });
  const stop = new AbortController();
  const records: JournalRecord[] = [];
  const stopped = search(space(), strategy, {
    verifier,
    signal: stop.signal,
    onRecord: (record) => records.push(record),
    onEvent: ({ nfe }) => nfe >= searchNfe / 3 && stop.abort(),
  });
  await expect(stopped).rejects.toThrow("abort");
  const { nfe: first } = run.cost();
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThan(searchNfe);
  await search(space(), strategy, { verifier, resume: records });
  expect(run.cost().nfe).toBe(searchNfe);

  for await (const { chunk, latents } of rollout(fakeDenoiser(), { prompts: "red", chunks: 9, steps: 4 })) {
    latents.dispose();
    if (chunk === 1) break;
  }
  expect(run.cost().nfe).toBe(searchNfe + 16);

  const halt = new AbortController();
  const forcing = teacherForcing();
  const training = train(tinyWorldModel(), world({ numClips: 4, numFrames: 6 }), {
    steps: 50,
    batchSize: 1,
    signal: halt.signal,
    forcing: {
      name: "stops",
      makePast(task) {
        if (task.step === 1) halt.abort();
        return forcing.makePast(task);
      },
    },
  });
  await expect(training.next()).rejects.toThrow();
  expect(run.rows("@ledger").at(-1)).toMatchObject({ purpose: "train", seconds: expect.any(Number) });
});
