import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hasBf16, useDevice } from "../../src/tensor/device.ts";
import { tf } from "../../src/tensor/tf.ts";
import { listCheckpoints } from "../../src/train/checkpoint.ts";
import { replayedErrors } from "../../src/train/forcing/replayed-errors.ts";
import { teacherForcing } from "../../src/train/forcing/teacher-forcing.ts";
import { warmupCosine, warmupDecay } from "../../src/train/learning-rate.ts";
import { adamwOptimizer, muonOptimizer } from "../../src/train/optimizer.ts";
import { type Training, type TrainOptions, type TrainRow, train } from "../../src/train/trainer.ts";
import type { Dataset } from "../../src/video/dataset.ts";
import { worldCodec } from "../../src/video/pca-codec.ts";
import { world } from "../../src/video/world/world.ts";
import { tinyWorldModel } from "./tiny-world-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "zoetrope-train-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const codec = worldCodec();
const clips = world({ numClips: 64, numFrames: 6 });

const base = { forcing: teacherForcing(), codec, batchSize: 2, logEvery: 1 } satisfies Partial<TrainOptions>;

async function rowsOf(training: Training, stopAfter = Number.POSITIVE_INFINITY): Promise<TrainRow[]> {
  const rows: TrainRow[] = [];
  for await (const row of training) {
    rows.push(row);
    if (rows.length >= stopAfter) break;
  }
  return rows;
}

const losses = (rows: readonly TrainRow[]) => rows.map(({ loss }) => loss);

test("the loss falls on a fixed clip, and rows tell rate, throughput and time left", {
  timeout: 60_000,
}, async () => {
  const one = world({ numClips: 1, numFrames: 6 });
  const rows = await rowsOf(
    train(tinyWorldModel(), one, { ...base, steps: 60, logEvery: 20, rate: warmupDecay({ warmup: 5 }) }),
  );
  expect(rows.map(({ step }) => step)).toEqual([20, 40, 60]);
  expect(rows[2]!.loss).toBeLessThan(0.7 * rows[0]!.loss);
  expect(rows[0]!.etaSeconds).toBeGreaterThan(0);
  expect(rows[2]).toMatchObject({ steps: 60, etaSeconds: 0 });
  expect(rows[2]!.rate).toBeLessThan(rows[1]!.rate);
  // 2 clips x 3 chunks x 32 tokens a step.
  expect(rows[1]!.tokensPerSecond * rows[1]!.secondsPerStep).toBeCloseTo(192, 3);
});

test("training is a function of the seed", async () => {
  const run = (seed: number) =>
    rowsOf(train(tinyWorldModel(), clips, { ...base, steps: 3, seed })).then(losses);
  expect(await run(1)).toEqual(await run(1));
  expect(await run(1)).not.toEqual(await run(2));
});

test("micro-batches change rounding only", async () => {
  const run = (microBatches: number) =>
    rowsOf(
      train(tinyWorldModel(), clips, {
        ...base,
        steps: 3,
        batchSize: 4,
        microBatches,
        optimizer: adamwOptimizer(),
      }),
    ).then(losses);
  const [whole, split] = [await run(1), await run(3)];
  for (const [i, loss] of whole.entries()) expect(split[i]).toBeCloseTo(loss, 4);
});

test("averaged weights follow slowly", async () => {
  const model = tinyWorldModel();
  const training = train(model, clips, { ...base, steps: 4 });
  const name = "blocks.0.ffn.0.weight";
  const start = model.weights.get(name)!.clone();
  await rowsOf(training);
  const distance = (x: tf.Tensor) => x.sub(start).abs().mean().dataSync()[0]!;
  expect(distance(model.weights.get(name)!)).toBeGreaterThan(0);
  expect(distance(training.averaged.weights.get(name)!)).toBeGreaterThan(0);
  expect(distance(training.averaged.weights.get(name)!)).toBeLessThan(distance(model.weights.get(name)!));
});

describe("precision", () => {
  test("30 steps in bf16 follow the loss of float32, which is untouched after them", async () => {
    const options = { ...base, steps: 30 };
    const exact = losses(await rowsOf(train(tinyWorldModel(), clips, options)));
    if (!hasBf16()) {
      await expect(rowsOf(train(tinyWorldModel(), clips, { ...options, precision: "bf16" }))).rejects.toThrow(
        /^Cannot use precision bf16/,
      );
      return;
    }
    const rounded = losses(await rowsOf(train(tinyWorldModel(), clips, { ...options, precision: "bf16" })));
    expect(rounded).not.toEqual(exact);
    // An input is off by 2^-9 of itself at most, a loss by that of its parts; steps add up.
    for (const [i, loss] of rounded.entries()) expect(Math.abs(loss / exact[i]! - 1)).toBeLessThan(0.01);
    const again = losses(await rowsOf(train(tinyWorldModel(), clips, { ...options, steps: 3 })));
    expect(again).toEqual(exact.slice(0, 3));
  });
});

describe("checkpoints", () => {
  const forcings = {
    "teacher forcing": teacherForcing,
    "replayed errors": () => replayedErrors({ odds: 1 }),
  };
  for (const [name, forcing] of Object.entries(forcings)) {
    test(`interrupting saves; resuming continues to the bit (${name})`, async () => {
      const whole = await rowsOf(train(tinyWorldModel(), clips, { ...base, forcing: forcing(), steps: 6 }));
      const stop = new AbortController();
      const options = { ...base, steps: 6, checkpoint: { folder, every: 100 } };
      const first = train(tinyWorldModel(), clips, { ...options, forcing: forcing(), signal: stop.signal });
      const seen: TrainRow[] = [];
      const interrupted = async () => {
        for await (const row of first) {
          seen.push(row);
          if (seen.length === 3) stop.abort();
        }
      };
      await expect(interrupted()).rejects.toThrow("aborted");
      expect(await listCheckpoints(folder)).toEqual([3]);
      const model = tinyWorldModel();
      const rest = await rowsOf(train(model, clips, { ...options, forcing: forcing() }));
      expect([...losses(seen), ...losses(rest)]).toEqual(losses(whole));
    });
  }

  test("the newest and the best are kept", async () => {
    await rowsOf(
      train(tinyWorldModel(), clips, { ...base, steps: 12, checkpoint: { folder, every: 2, keep: 2 } }),
    );
    const best = JSON.parse(await readFile(join(folder, "best.json"), "utf8")) as { step: number };
    const kept = await listCheckpoints(folder);
    expect(kept.slice(-2)).toEqual([10, 12]);
    expect(kept).toContain(best.step);
    expect(kept.length).toBeLessThanOrEqual(3);
  });

  test("another config is refused with the differing fields, another start with resume: false", async () => {
    const options = { ...base, steps: 2, checkpoint: { folder } };
    await rowsOf(train(tinyWorldModel(), clips, options));
    await expect(
      rowsOf(train(tinyWorldModel(), clips, { ...options, batchSize: 4, seed: 9 })),
    ).rejects.toThrow(
      "as it must come from the same config: got batchSize: 2 -> 4; seed: 0 -> 9. Use the old options or another folder.",
    );
    await expect(
      rowsOf(train(tinyWorldModel(), clips, { ...options, checkpoint: { folder, resume: false } })),
    ).rejects.toThrow("it must hold no checkpoints: found 1. Pass resume: true or another folder.");
  });
});

test("a loss that is not finite stops, names the batch and keeps the last good checkpoint", async () => {
  const bad: Dataset = {
    ...clips,
    batch(indices) {
      const batch = clips.batch(indices);
      return steps++ < 2 ? batch : { ...batch, videos: tf.fill(batch.videos.shape, Number.NaN) };
    },
  };
  let steps = 0;
  const training = train(tinyWorldModel(), bad, { ...base, steps: 5, checkpoint: { folder, every: 1 } });
  await expect(rowsOf(training)).rejects.toThrow(
    /^Cannot go on training as the loss of step 2 must be finite: got NaN on clips \[\d+, \d+\] \(".*"\)\. The last good checkpoint is .*step-000002\./,
  );
  expect(existsSync(join(folder, "step-000002", "model.safetensors"))).toBe(true);
  expect(await listCheckpoints(folder)).not.toContain(3);
});

test("bad input is named", () => {
  const model = tinyWorldModel();
  const start =
    (data: Dataset, options: object = {}) =>
    () =>
      train(model, data, { ...base, steps: 1, ...options } as TrainOptions);
  expect(start({ ...clips, length: 0 })).toThrow("is empty: got 0 clips. Add clips or another folder.");
  expect(start(world({ numClips: 2, numFrames: 5 }))).toThrow(
    "clips must be whole chunks of [2,4,4,64] latents",
  );
  expect(start(clips, { steps: 0 })).toThrow('"steps" must be a positive integer: got 0.');
  expect(start(clips, { forcing: undefined })).toThrow(
    'Pass "forcing", e.g. teacherForcing(), or "objective".',
  );
  expect(start(clips, { promptDropout: 2 })).toThrow('"promptDropout" must lie in [0, 1]: got 2.');
  expect(start(clips, { emaDecay: Number.NaN })).toThrow('"emaDecay" must lie in [0, 1): got NaN.');
  expect(start(clips, { logEvery: 0 })).toThrow('"logEvery" must be a positive integer: got 0.');
});

test("bad settings of optimisers, rates and checkpoints are named", async () => {
  expect(() => muonOptimizer({ momentum: 1 })).toThrow('"momentum" must lie in [0, 1): got 1.');
  expect(() => adamwOptimizer({ betas: [0.9, 1.5] })).toThrow('"betas[1]" must lie in [0, 1): got 1.5.');
  expect(() => adamwOptimizer({ maxGradNorm: 0 })).toThrow(
    '"maxGradNorm" must be positive or Infinity: got 0. Infinity clips nothing.',
  );
  expect(() => adamwOptimizer({ maxGradNorm: Number.POSITIVE_INFINITY })).not.toThrow();
  expect(() => warmupDecay({ decay: 2 })).toThrow(
    'Cannot set the rate as "decay" must lie in [0, 1]: got 2.',
  );
  expect(() => warmupCosine({ warmup: 1.5 })).toThrow('"warmup" must be an integer of at least 0: got 1.5.');
  const rows = train(tinyWorldModel(), clips, {
    ...base,
    steps: 1,
    checkpoint: { folder: "never", keep: 0 },
  });
  await expect(rows.next()).rejects.toThrow(
    'Cannot keep checkpoints in never as "keep" must be a positive integer or Infinity: got 0.',
  );
  expect(existsSync("never")).toBe(false);
});
