import { beforeAll, describe, expect, it } from "vitest";
import {
  appendCache,
  attention,
  headMajor,
  readCache,
  rng,
  type Tensor,
  tf,
  tokenMajor,
  useDevice,
} from "../../../src/index.ts";
import { collectRows, collectRowsComposition, type RowSource } from "../../../src/tensor/ops/cache.ts";

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

  it("splits the tokens of a head-major cache by heads, and reads them back as they were", () => {
    const before = normal([2, 7, 12], 1);
    const kv = normal([2, 3, 12], 2);
    const after = appendCache(headMajor(before, 3).clone(), kv, 2);
    expect(after.shape).toEqual([6, 7, 4]);
    expect(tokenMajor(after, 3).dataSync()).toEqual(appendCache(before.clone(), kv, 2).dataSync());
    expect(readCache(after, 2, 3, 3).dataSync()).toEqual(kv.dataSync());
    expect(readCache(after, 1, 5, 3).dataSync()).toEqual(
      tokenMajor(after, 3).slice([0, 1, 0], [2, 5, 12]).dataSync(),
    );
    expect(readCache(after, 7, 0, 3).shape).toEqual([2, 0, 12]);
    const flags = appendCache(tf.zeros([2, 3, 1], "bool"), tf.ones([1, 1, 2], "bool"), 1);
    expect([...readCache(flags, 0, 3, 2).dataSync()]).toEqual([0, 0, 1, 1, 0, 0]);
    const words = tf.tensor([1, -2, 3, 1 << 30, 5, 6, 7, -1], [1, 2, 4], "int32");
    const packed = appendCache(tf.zeros([2, 3, 2], "int32"), words, 1);
    expect(readCache(packed, 1, 2, 2).dataSync()).toEqual(words.dataSync());
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
    const [dSplit, dTokens] = tf.grads((cache: Tensor, kv: Tensor) =>
      readCache(appendCache(cache, kv, 1), 1, 3, 2)
        .square()
        .sum(),
    )([tf.ones([2, 4, 2]), tf.ones([1, 2, 4])]);
    expect([...dSplit!.dataSync()]).toEqual([0, 0, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 2, 2]);
    expect([...dTokens!.dataSync()]).toEqual(new Array(8).fill(2));
  });

  it("refuses tokens that do not fit", () => {
    expect(() => appendCache(tf.zeros([1, 4, 2]), tf.zeros([1, 3, 2]), 2)).toThrow(
      "Cannot append 3 tokens at 2 as the cache holds 4: got an end of 5. Make a larger cache or drop old chunks.",
    );
    expect(() => appendCache(tf.zeros([1, 4, 2]), tf.zeros([1, 1, 2], "int32"), 2)).toThrow(
      "Cannot append to a cache of float32 as the new tokens must be of the same type: got int32. Cast them.",
    );
    expect(() => appendCache(tf.zeros([6, 4, 2]), tf.zeros([2, 1, 4]), 0)).toThrow(
      "Cannot append to the cache [6,4,2] as the new tokens must be [6, n, 2], or [6 / heads, n, heads times 2] for a head-major cache: got [2,1,4].",
    );
  });

  it("refuses to read what is not there", () => {
    expect(() => readCache(tf.zeros([6, 4, 2]), 3, 2, 3)).toThrow(
      "Cannot read 2 tokens at 3 as the cache holds 4: got an end of 5. Ask for tokens that are there.",
    );
    expect(() => readCache(tf.zeros([6, 4, 2]), 0, 1, 4)).toThrow(
      "Cannot read the cache as it must be [batch times 4 heads, capacity, features]: got [6,4,2].",
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

/** Two sources of two tensors, the second with one token a slot; the second source has more slots and a gap. */
const sources = (): RowSource[] => [
  { tensors: [normal([3, 4 * 2, 5], 1), normal([3, 4, 7], 2)], slots: 4, runs: [[0, 3]] },
  {
    tensors: [normal([2, 6 * 2, 5], 3), normal([2, 6, 7], 4)],
    slots: 6,
    runs: [
      [0, 1],
      [3, 2],
    ],
  },
];
const chosen = [
  { source: 1, row: 1 },
  { source: 0, row: 2 },
  { source: 0, row: 0 },
  { source: 0, row: 2 },
];

describe.each(["cpu", "native", "wasm"] as const)("collectRows on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  it("gives what slices joined by hand give, and what the composition gives", () => {
    const [a, b] = sources() as [RowSource, RowSource];
    const collected = collectRows([a, b], chosen, 5);
    expect(collected.map(({ shape }) => shape)).toEqual([
      [4, 10, 5],
      [4, 5, 7],
    ]);
    const reference = collectRowsComposition([a, b], chosen, 5);
    for (const [i, tokens] of [2, 1].entries()) {
      const used = (x: Tensor) => x.slice([0, 0, 0], [-1, 3 * tokens, -1]).dataSync();
      expect(used(collected[i]!)).toEqual(used(reference[i]!));
      const ofA = a.tensors[i]!.slice([0, 0, 0], [-1, 3 * tokens, -1]);
      const ofB = tf.concat(
        [
          b.tensors[i]!.slice([0, 0, 0], [-1, tokens, -1]),
          b.tensors[i]!.slice([0, 3 * tokens, 0], [-1, 2 * tokens, -1]),
        ],
        1,
      );
      const byHand = tf.concat([
        ofB.slice([1, 0, 0], [1, -1, -1]),
        ofA.slice([2, 0, 0], [1, -1, -1]),
        ofA.slice([0, 0, 0], [1, -1, -1]),
        ofA.slice([2, 0, 0], [1, -1, -1]),
      ]);
      expect(used(collected[i]!)).toEqual(byHand.dataSync());
    }
  });

  it("takes tensors of any rank, and nothing but room where no slot is wanted", () => {
    const x = normal([3, 2, 4, 4, 5], 6);
    const rows = [2, 0].map((row) => ({ source: 0, row }));
    const [picked] = collectRows([{ tensors: [x], slots: 1, runs: [[0, 1]] }], rows, 1) as [Tensor];
    expect(picked.shape).toEqual([2, 2, 4, 4, 5]);
    expect(picked.dataSync()).toEqual(tf.gather(x, tf.tensor1d([2, 0], "int32")).dataSync());
    const [room] = collectRows([{ ...sources()[0]!, runs: [] }], rows, 2);
    expect(room!.shape).toEqual([2, 4, 5]);
  });

  it.each(["int32", "bool"] as const)("keeps the type %s", (dtype) => {
    const x = tf.tensor2d([0, 1, 1, 0, 0, 1], [3, 2], dtype);
    const rows = [2, 0].map((row) => ({ source: 0, row }));
    const [picked] = collectRows([{ tensors: [x], slots: 1, runs: [[0, 1]] }], rows, 1) as [Tensor];
    expect(picked.dtype).toBe(dtype);
    expect([...picked.dataSync()]).toEqual([0, 1, 0, 1]);
  });

  it("leaves its sources alone, and passes gradients to them", () => {
    const [a] = sources() as [RowSource];
    const before = a.tensors[0]!.dataSync();
    const [mine] = collectRows([a], [{ source: 0, row: 1 }], 3) as [Tensor];
    appendCache(mine, tf.zeros([1, 6, 5]), 0);
    expect(a.tensors[0]!.dataSync()).toEqual(before);
    const gradient = tf.grad((x: Tensor) =>
      collectRows([{ tensors: [x], slots: 2, runs: [[1, 1]] }], [{ source: 0, row: 1 }], 2)[0]!.sum(),
    )(tf.ones([2, 2, 3]));
    expect([...gradient.dataSync()]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
  });

  it("refuses sources whose slots differ", () => {
    const [a, b] = sources() as [RowSource, RowSource];
    const packed = { ...b, tensors: [b.tensors[0]!.cast("int32"), b.tensors[1]!] };
    expect(() => collectRows([a, packed], chosen, 5)).toThrow(
      "Cannot collect rows of different kinds as a slot must be the same in every source: got [10 float32, 7 float32] and [10 int32, 7 float32]. Join caches of one model and one precision.",
    );
    expect(() => collectRows([a, { ...b, tensors: b.tensors.slice(1) }], chosen, 5)).toThrow(
      "and [7 float32]",
    );
  });

  it("refuses rows and slots that are not there, and more than fits", () => {
    const [a] = sources() as [RowSource];
    const one = (row: number) => [{ source: 0, row }];
    expect(() => collectRows([a], one(3), 4)).toThrow(
      "Cannot collect row 3 as its source has 3 rows of 4 slots and the result room for 4: got the runs [[0,3]]. Ask for rows and slots that are there.",
    );
    expect(() => collectRows([a], one(0), 2)).toThrow("room for 2: got the runs [[0,3]]");
    expect(() => collectRows([{ ...a, runs: [[2, 3]] }], one(0), 4)).toThrow("got the runs [[2,3]]");
  });
});
