import { beforeAll, describe, expect, test } from "vitest";
import type { History } from "../../src/diffusion/denoiser.ts";
import type { CausalWan, CausalWanOptions } from "../../src/model/causal-wan.ts";
import { dense, routing, sinkWindow, slidingWindow } from "../../src/model/history-policy.ts";
import { type KeyFormat, keyFormat } from "../../src/model/key-format.ts";
import { kvCache } from "../../src/model/kv-cache.ts";
import type { KvHistory } from "../../src/model/kv-history.ts";
import { rolloutClip } from "../../src/sample/rollout.ts";
import { type Precision, useDevice } from "../../src/tensor/device.ts";
import { readCache } from "../../src/tensor/ops/cache.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { resamplingForcing } from "../../src/train/forcing/resampling-forcing.ts";
import { prompts, tinyClip, tinyModel } from "./tiny-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});

const largest = (x: Tensor): number => tf.tidy(() => x.abs().max().dataSync()[0]!);

function chunkOf(model: CausalWan, clip: Tensor, i: number): Tensor {
  const frames = model.chunkShape[0];
  return clip.slice([0, i * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
}

/** The velocity of the chunk behind `chunks` others, and that history. */
function behind(model: CausalWan, chunks: number): { velocity: Tensor; history: KvHistory } {
  const clip = tinyClip(model, chunks + 1, 1);
  const condition = model.encode(prompts);
  let history: History = model.emptyHistory(2);
  for (let i = 0; i < chunks; i++) history = model.append(chunkOf(model, clip, i), history, condition);
  const velocity = model.velocity(chunkOf(model, clip, chunks), 0.6, history, condition);
  return { velocity, history: history as KvHistory };
}

const views: Readonly<Record<string, CausalWanOptions>> = {
  dense: { history: dense() },
  window: { history: slidingWindow({ chunks: 2 }) },
  "sink and window": { history: sinkWindow({ sink: 1, window: 1 }) },
  routed: { history: routing({ topK: 2 }) },
  "routed before rotation": { history: routing({ topK: 2, keys: "pre-rope" }) },
  "beyond a largest distance": { history: dense(), maxDistance: 2 },
  "routed beyond a largest distance": { history: routing({ topK: 2 }), maxDistance: 2 },
  "written at once": { history: dense(), mergeWrites: false },
};

describe.each(["native", "wasm", "cpu"] as const)("a cache in bf16 on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  test.each(Object.keys(views))("moves a velocity by less than a hundredth: %s", (name) => {
    const run = (cachePrecision: Precision) => behind(tinyModel({ ...views[name], cachePrecision }), 5);
    const [exact, rounded] = [run("float32").velocity, run("bf16").velocity];
    const error = largest(exact.sub(rounded)) / largest(exact);
    expect(error).toBeLessThan(0.01);
    expect(error).toBeGreaterThan(1e-6);
  });

  test("takes half the memory; mean keys stay as they are", () => {
    const bytes = (options: CausalWanOptions) => behind(tinyModel(options), 5).history.cache.bytes;
    expect(bytes({ history: dense(), cachePrecision: "bf16" })).toBe(bytes({ history: dense() }) / 2);
    const [exact, rounded] = (["float32", "bf16"] as const).map((cachePrecision) =>
      behind(tinyModel({ history: routing({ topK: 1 }), cachePrecision }), 5),
    );
    const means = (run: typeof exact) => run!.history.cache.pooled(0)!.dataSync();
    expect(means(rounded)).toEqual(means(exact));
  });
});

test("a cache stores what the format makes of keys and values, and moves it as it is", () => {
  const format: KeyFormat = keyFormat("bf16");
  const shape = { layers: 1, dim: 12, heads: 2, chunkTokens: 2, averagesKeys: false, format };
  const [k, v] = [randn([1, 40, 12], rng(1).at("k")), randn([1, 40, 12], rng(1).at("v"))];
  const cache = kvCache(shape, dense(), 1);
  for (let chunk = 0; chunk < 20; chunk++) {
    cache.reserve(1);
    const at = (x: Tensor) => x.slice([0, 2 * chunk, 0], [1, 2, 12]);
    cache.write(0, at(k), at(v));
    cache.commit(1);
  }
  const stored = (x: Tensor) => readCache(x, 0, 40, 2).dataSync();
  expect(stored(cache.keys(0))).toEqual(format.pack(k).dataSync());
  expect(stored(cache.values(0))).toEqual(format.pack(v).dataSync());
});

test("training does not look at the format, and the past that it makes itself may use it", () => {
  const passes = (["float32", "bf16"] as const).map((cachePrecision) => {
    const model = tinyModel({ cachePrecision });
    const [past, xt] = [tinyClip(model, 3, 1), tinyClip(model, 3, 2)];
    return model.dualVelocity(past, xt, tf.fill([2, 3], 0.5), model.encode(prompts)).dataSync();
  });
  expect(passes[1]).toEqual(passes[0]);
  const [exact, rounded] = (["float32", "bf16"] as const).map((cachePrecision) => {
    const model = tinyModel({ cachePrecision });
    const given = { x0: tinyClip(model, 4, 1), condition: model.encode(prompts), step: 0 };
    return resamplingForcing().makePast({ ...given, model, rowRng: (row) => rng(5).at(row) }).history!;
  }) as [Tensor, Tensor];
  const error = largest(exact.sub(rounded)) / largest(exact);
  expect(error).toBeLessThan(0.01);
  expect(error).toBeGreaterThan(1e-6);
});

test("rollouts take it as an option", async () => {
  const model = tinyModel({ history: dense() });
  const options = { prompts, chunks: 4, steps: 3 };
  const exact = await rolloutClip(model, options);
  const rounded = await rolloutClip(model, { ...options, cachePrecision: "bf16" });
  const difference = largest(exact.latents.sub(rounded.latents)) / largest(exact.latents);
  expect(difference).toBeLessThan(0.02);
  expect(difference).toBeGreaterThan(1e-6);
  const bytes = (clip: typeof exact) => clip.perChunk.at(-1)!.historyBytes;
  expect(bytes(rounded)).toBeLessThan(0.6 * bytes(exact));
});

test("an unknown precision is refused", () => {
  expect(() => tinyModel({ cachePrecision: "fp8" as Precision })).toThrow(
    'Cannot keep keys in "fp8" as a cache is float32 or bf16. Give cachePrecision one of those.',
  );
});
