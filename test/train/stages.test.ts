import { readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { type StageRow, stagedRecipe, trainStages } from "../../src/train/stages.ts";
import { world } from "../../src/video/world/world.ts";
import { tinyWorldModel } from "./tiny-world-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "zoetrope-stages-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const clips = world({ numClips: 8, numFrames: 6 });
const longClips = world({ numClips: 8, numFrames: 10 });

test("the paper's proportions", () => {
  const stages = stagedRecipe({ clips, longClips, steps: 630 });
  expect(stages.map(({ name, steps }) => [name, steps])).toEqual([
    ["teacher-forcing", 200],
    ["resampling", 300],
    ["long-clips", 100],
    ["routing", 30],
  ]);
  expect(stages[3]!.history!.name).toBe("routing 5");
  expect(() => stagedRecipe({ clips, longClips, steps: 10 })).toThrow("stages of 20 : 30 : 10 : 3");
  expect(() => stagedRecipe({ clips, longClips: clips, steps: 63 })).toThrow("got 6 and 6 frames");
});

test("stages follow each other on the same weights and resume where they stopped", {
  timeout: 60_000,
}, async () => {
  const stages = stagedRecipe({ clips, longClips, steps: 63, topK: 2 }).map((stage) => ({
    ...stage,
    steps: 2,
  }));
  const common = { batchSize: 2, logEvery: 1, checkpoint: { folder } };
  const rows: StageRow[] = [];
  for await (const row of trainStages(tinyWorldModel({ dim: 16 }), stages, common)) {
    rows.push(row);
    if (rows.length === 5) break;
  }
  expect(readdirSync(folder).sort()).toEqual(["resampling", "teacher-forcing"]);
  const rest: StageRow[] = [];
  for await (const row of trainStages(tinyWorldModel({ dim: 16 }), stages, common)) rest.push(row);
  // The interrupted stage had not saved yet: it starts over from the stage before.
  expect(rest.map(({ stage, step }) => `${stage} ${step}`)).toEqual([
    "long-clips 1",
    "long-clips 2",
    "routing 1",
    "routing 2",
  ]);
  expect(rest[0]!.loss).toBe(rows[4]!.loss);
});
