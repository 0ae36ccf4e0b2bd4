import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openRun } from "../../src/lab/run.ts";
import type { CausalWan } from "../../src/model/causal-wan.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { arms, clips, prompts } from "../../src/train/recipes/mini.ts";
import { averagedAfter, newestCheckpoint, startFrom, trainStage } from "../../src/train/recipes/stage.ts";
import { world } from "../../src/video/world/world.ts";
import { tinyWorldModel } from "./tiny-world-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "zoetrope-recipes-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const few = world({ numClips: 64, numFrames: 6 });
const options = {
  stage: "warmup",
  forcing: arms["resampling-forcing"]!().forcing,
  steps: 6,
  batchSize: 2,
  logEvery: 1,
  every: 4,
} as const;

const weightsOf = (model: CausalWan) => [...model.weights.values()].map((x) => [...x.dataSync()]);

describe("a stage of a recipe", () => {
  test("records each row once, however often it is interrupted, and ends where an uninterrupted one does", async () => {
    const whole = await openRun("whole", { seed: 0 }, { root });
    const model = tinyWorldModel();
    for await (const _ of trainStage(whole, model, few, options));

    const broken = await openRun("broken", { seed: 0 }, { root });
    for await (const { step } of trainStage(broken, tinyWorldModel(), few, options)) if (step === 5) break;
    const resumed = tinyWorldModel();
    // Step 5 is trained again, from the checkpoint of step 4.
    for await (const _ of trainStage(broken, resumed, few, options));

    const curve = (run: typeof whole) =>
      run.rows("train").map(({ stage, step, loss }) => [stage, step, loss]);
    expect(curve(broken)).toEqual(curve(whole));
    expect(curve(broken).map(([, step]) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(weightsOf(resumed)).toEqual(weightsOf(model));
    for await (const _ of trainStage(broken, tinyWorldModel(), few, options))
      expect.unreachable("the stage is over");
  });

  test("the next stage starts from its weights; its averaged weights are what is evaluated", async () => {
    const run = await openRun("stages", { seed: 0 }, { root });
    const model = tinyWorldModel();
    await expect(startFrom(model, run, "warmup")).rejects.toThrow(
      /^Cannot go on from the stage warmup as it must have a checkpoint in .*: found none\. Train the stage first\.$/,
    );
    for await (const _ of trainStage(run, model, few, options));
    expect(await newestCheckpoint(run, "warmup")).toMatch(/step-000006$/);
    const next = tinyWorldModel({ seed: 8 });
    await startFrom(next, run, "warmup");
    expect(weightsOf(next)).toEqual(weightsOf(model));
    expect(weightsOf(await averagedAfter(next, run, "warmup"))).not.toEqual(weightsOf(model));
  });
});

describe("the mini recipe", () => {
  test("never trains on a held-out prompt, and draws the hard motions more often", () => {
    const drawn = clips(0);
    expect(drawn.prompts.filter((prompt) => prompts.heldOut.includes(prompt))).toEqual([]);
    const scenes = Array.from({ length: 400 }, (_, i) => drawn.clip(i).scene);
    // 5 of 8 clips glide; the standard error over 400 is .024.
    expect(scenes.filter((scene) => scene === "glide").length / 400).toBeCloseTo(5 / 8, 1);
  });

  test("compares every forcing, and routed history against the window", () => {
    expect(Object.values(arms).map((arm) => arm().forcing.name.replace(/\(.*/, ""))).toEqual([
      "resampling-forcing",
      "teacher-forcing",
      "noise-augmentation",
      "parallel-resampling",
      "resampling-forcing",
    ]);
    expect(arms["routed-resampling-forcing"]!().history!.topK).toBe(3);
  });
});

describe("obedience", { timeout: 120_000 }, () => {
  const command = join(packageRoot, "dist/src/train/recipes/obedience.js");
  const measured = (...args: string[]) => promisify(execFile)(process.execPath, [command, ...args]);

  test("gives shares of all rollouts and of each prompt's, of the same rollouts", async () => {
    const { stdout } = await measured("mini-resampling-forcing", "--per-prompt", "1");
    const { name, segments, byPrompt } = JSON.parse(stdout);
    expect(name).toBe("mini-resampling-forcing");
    expect(segments).toHaveLength(1);
    expect(segments[0].rollouts).toBe(prompts.heldOut.length);
    const shares = prompts.heldOut.map((prompt) => byPrompt[prompt]);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    expect(mean).toBeCloseTo(segments[0].objectColourMotion, 6);
  });

  test("refuses what it cannot measure", async () => {
    await expect(measured("--per-prompt", "0")).rejects.toThrow(/Give a whole number of at least 1\./);
    await expect(measured("mini-oracle")).rejects.toThrow(/not shipped/);
  });
});
