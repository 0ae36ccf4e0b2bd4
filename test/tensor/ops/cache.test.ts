import { beforeAll, describe, expect, it } from "vitest";
import { appendCache, attention, rng, type Tensor, tf, useDevice } from "../../../src/index.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);

describe.each(["cpu", "native", "wasm"] as const)("appendCache on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  it("puts the tokens where they belong and leaves the others", () => {
    const before = normal([2, 7, 5], 1);
    const kv = normal([2, 3, 5], 2);
    const expected = tf.concat(
      [before.slice([0, 0, 0], [2, 2, 5]), kv, before.slice([0, 5, 0], [2, 2, 5])],
      1,
    );
    expect(appendCache(before, kv, 2).dataSync()).toEqual(expected.dataSync());
  });

  it("builds up a cache that attention reads chunk by chunk", () => {
    const k = normal([2, 12, 8], 3);
    let cache = tf.fill([2, 20, 8], Number.NaN) as Tensor;
    for (let at = 0; at < 12; at += 3) cache = appendCache(cache, k.slice([0, at, 0], [2, 3, 8]), at);
    const q = normal([2, 3, 8], 4);
    expect(attention(q, cache, cache, { heads: 2, keyTokens: 12 }).dataSync()).toEqual(
      attention(q, k, k, { heads: 2 }).dataSync(),
    );
  });

  it("passes gradients to the cache and the new tokens", () => {
    const [dCache, dKv] = tf.grads((cache: Tensor, kv: Tensor) => appendCache(cache, kv, 1).square().sum())([
      tf.ones([1, 4, 2]),
      tf.ones([1, 2, 2]),
    ]);
    expect([...dCache!.dataSync()]).toEqual([2, 2, 0, 0, 0, 0, 2, 2]);
    expect([...dKv!.dataSync()]).toEqual([2, 2, 2, 2]);
  });

  it("refuses tokens that do not fit", () => {
    expect(() => appendCache(tf.zeros([1, 4, 2]), tf.zeros([1, 3, 2]), 2)).toThrow(
      "Cannot append 3 tokens at 2 as the cache holds 4: got an end of 5. Make a larger cache or drop old chunks.",
    );
  });
});

describe("appendCache on native", () => {
  it("writes the cache itself and shares its memory", async () => {
    await useDevice("native");
    const cache = tf.zeros([2, 4, 2]);
    const after = appendCache(cache, tf.ones([2, 1, 2]), 3);
    expect(after.dataId).toBe(cache.dataId);
    expect([...cache.dataSync()]).toEqual([0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
  });
});
