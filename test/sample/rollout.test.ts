import { beforeAll, describe, expect, test } from "vitest";
import { meter } from "../../src/diffusion/nfe.ts";
import { heun, sdeDpmSolver } from "../../src/diffusion/solvers.ts";
import { routing, slidingWindow } from "../../src/model/history-policy.ts";
import { routingRecorder } from "../../src/model/routing-recorder.ts";
import { chunkNoise } from "../../src/sample/noise.ts";
import { generateClip, rollout, rolloutClip } from "../../src/sample/rollout.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { prompts, tinyClip, tinyModel } from "../model/tiny-model.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const difference = (a: Tensor, b: Tensor) => tf.tidy(() => a.sub(b).abs().max().dataSync()[0]!);
const rowOf = (x: Tensor, row: number) => x.slice([row], [1]);

describe("a row does not depend on what shares its batch", () => {
  const model = tinyModel({ history: slidingWindow({ chunks: 2 }) });
  for (const [name, options] of Object.entries({
    euler: {},
    heun: { solver: heun() },
    "sde, guided": { solver: sdeDpmSolver({ order: 2 }), guidanceScale: 2 },
  })) {
    test(name, async () => {
      const together = await rolloutClip(model, { prompts, chunks: 4, seeds: [5, 9], steps: 3, ...options });
      const alone = await rolloutClip(model, {
        prompts: prompts[1],
        chunks: 4,
        seeds: [9],
        steps: 3,
        ...options,
      });
      expect(together.latents.shape).toEqual([2, 8, 2, 2, 4]);
      expect(difference(rowOf(together.latents, 1), alone.latents)).toBe(0);
      expect(difference(rowOf(together.latents, 0), alone.latents)).toBeGreaterThan(0.1);
    });
  }
});

test("merged cache writes change nothing", async () => {
  const options = { prompts, chunks: 4, steps: 3, guidanceScale: 1.5 };
  const merged = await rolloutClip(tinyModel(), options);
  const separate = await rolloutClip(tinyModel(), { ...options, mergeWrites: false });
  expect(difference(merged.latents, separate.latents)).toBeLessThan(1e-4);
});

test("continuing a rollout from its own first chunks repeats it", async () => {
  const model = tinyModel();
  const whole = await rolloutClip(model, { prompts, chunks: 4, steps: 3 });
  const given = whole.latents.slice([0, 0, 0, 0, 0], [-1, 4, -1, -1, -1]);
  const continued = await rolloutClip(model, { prompts, chunks: 4, steps: 3, given });
  expect(difference(whole.latents, continued.latents)).toBeLessThan(1e-4);
  expect(continued.perChunk.map(({ isGiven }) => isGiven)).toEqual([true, true, false, false]);
});

test("one chunk is the solver's answer for its noise, and the meter counts", async () => {
  const model = tinyModel();
  const cost = meter();
  const clip = await rolloutClip(model, {
    prompts,
    chunks: 3,
    steps: 2,
    shift: 1,
    guidanceScale: 2,
    meter: cost,
  });
  // 3 chunks x 2 steps x 2 rows x 2 latent frames; guidance doubles forwards, not NFE.
  expect(cost.read()).toMatchObject({ nfe: 24, calls: 12, forwards: 24, cacheWrites: 4 });
  const condition = model.encode(prompts);
  const noise = chunkNoise(model.chunkShape, [0, 1], 0);
  const unguided = await generateClip(model, { prompts, steps: 1 });
  const expected = noise.sub(model.velocity(noise, 1, model.emptyHistory(2), condition));
  expect(difference(unguided.latents, expected)).toBeLessThan(1e-6);
  expect(clip.perChunk).toHaveLength(3);
});

test("routing is recorded per layer, head, step and chunk; shares sum to topK", async () => {
  const recorder = routingRecorder();
  await rolloutClip(tinyModel(), { prompts, chunks: 5, steps: 2, history: routing({ topK: 2 }), recorder });
  const rows = await recorder.rows();
  expect(new Set(rows.map(({ layer, head, step }) => `${layer}.${head}.${step}`)).size).toBe(2 * 2 * 2);
  for (const [chunk, sum] of [
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 2],
  ] as const) {
    const one = rows.filter(
      (row) => row.chunk === chunk && row.layer === 1 && row.head === 0 && row.step === 1,
    );
    expect(one.map(({ picked }) => picked)).toEqual(Array.from({ length: chunk }, (_, i) => i));
    expect(one.reduce((total, { frequency }) => total + frequency, 0)).toBeCloseTo(sum, 5);
  }
});

test("stopping frees memory and keeps what was finished", async () => {
  const model = tinyModel();
  await rolloutClip(model, { prompts, chunks: 2, steps: 2 });
  const stop = new AbortController();
  const start = tf.memory().numTensors;
  const finished: Tensor[] = [];
  const run = async () => {
    for await (const { latents } of rollout(model, { prompts, chunks: 50, steps: 2, signal: stop.signal })) {
      finished.push(latents);
      if (finished.length === 2) stop.abort();
    }
  };
  await expect(run()).rejects.toThrow("aborted");
  expect(finished).toHaveLength(2);
  expect(tf.memory().numTensors - start).toBeLessThanOrEqual(2 + 2);
});

test("routing rows add up, whole or averaged over axes", async () => {
  const recorder = routingRecorder();
  await rolloutClip(tinyModel(), { prompts, chunks: 5, steps: 2, history: routing({ topK: 2 }), recorder });
  const [rows, byLayer] = [await recorder.rows(), await recorder.rows({ by: ["layer"] })];
  const heads = new Set(rows.map(({ head }) => head)).size;
  expect(byLayer).toHaveLength(rows.length / heads / new Set(rows.map(({ step }) => step)).size);
  expect(byLayer[0]).not.toHaveProperty("head");
  const total = byLayer.filter(({ layer, chunk }) => layer === 0 && chunk === 4);
  expect(total.reduce((sum, { frequency }) => sum + frequency, 0)).toBeCloseTo(2, 5);
  recorder.dispose();
});

test("bad input is named", async () => {
  const model = tinyModel();
  const first = (options: object) => rollout(model, { prompts, chunks: 2, ...options }).next();
  await expect(first({ prompts: [] })).rejects.toThrow("Cannot roll out without prompts: got none.");
  await expect(first({ chunks: 1.5 })).rejects.toThrow(
    '"chunks" must be a positive integer: got 1.5. A chunk is 2 latent frames.',
  );
  await expect(first({ seeds: [1] })).rejects.toThrow("one seed per prompt: got 1 seeds and 2 prompts");
  await expect(first({ schedule: [1, 0.5] })).rejects.toThrow('"schedule" must decrease from at most 1 to 0');
  await expect(
    first({ given: tinyClip(model, 1, 0).slice([0, 0, 0, 0, 0], [-1, 1, -1, -1, -1]) }),
  ).rejects.toThrow('"given" must be [2 or 1, a multiple of 2 frames, ...]: got [2,1,2,2,4]');
});
