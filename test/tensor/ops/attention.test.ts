import { beforeAll, describe, expect, it } from "vitest";
import {
  type AttentionOptions,
  attention,
  headMajor,
  packBf16,
  poolKeys,
  rng,
  type Tensor,
  tf,
  tokenMajor,
  useDevice,
} from "../../../src/index.ts";
import { blockCausal, dualSequence, windowMask } from "../../../src/tensor/ops/chunk-masks.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);

/** One loop per index of the definition: [B, S, D] in plain arrays. */
function naive(
  q: number[][][],
  k: number[][][],
  v: number[][][],
  { heads, chunkTokens, visible, route }: AttentionOptions & { chunkTokens: number },
): { out: number[][][]; picks: number[][][][] } {
  const d = q[0]![0]!.length / heads;
  const picks = q.map(() => Array.from({ length: heads }, () => q[0]!.map(() => [] as number[])));
  const out = q.map((rows, b) =>
    rows.map((row, s) => {
      const chunk = Math.floor(s / chunkTokens);
      const result: number[] = [];
      for (let h = 0; h < heads; h++) {
        const dot = (key: number[]): number => {
          let sum = 0;
          for (let j = 0; j < d; j++) sum += row[h * d + j]! * key[h * d + j]!;
          return sum;
        };
        const gate = (c: number): number => {
          const mean = Array.from({ length: row.length }, (_, j) => {
            let sum = 0;
            for (let i = 0; i < chunkTokens; i++) sum += k[b]![c * chunkTokens + i]![j]!;
            return sum / chunkTokens;
          });
          return dot(mean);
        };
        const chosen = (route?.candidates[chunk] ?? [])
          .map((c) => ({ c, score: gate(c) }))
          .sort((x, y) => y.score - x.score || x.c - y.c)
          .slice(0, route?.topK ?? 0)
          .map(({ c }) => c);
        picks[b]![h]![s] = chosen;
        const tokens = [...visible![chunk]!, ...chosen].flatMap((c) =>
          Array.from({ length: chunkTokens }, (_, i) => c * chunkTokens + i),
        );
        const scores = tokens.map((t) => dot(k[b]![t]!) / Math.sqrt(d));
        const top = Math.max(...scores);
        const weights = scores.map((x) => Math.exp(x - top));
        const total = weights.reduce((x, y) => x + y, 0);
        for (let j = 0; j < d; j++) {
          result.push(tokens.reduce((sum, t, i) => sum + (weights[i]! / total) * v[b]![t]![h * d + j]!, 0));
        }
      }
      return result;
    }),
  );
  return { out, picks };
}

const flat = (x: number[][][]): number[] => x.flat(2);
const arrays = (x: Tensor): number[][][] => x.arraySync() as number[][][];

function expectClose(actual: Tensor, expected: number[], tolerance = 1e-5): void {
  const values = actual.dataSync();
  expect(values.length).toBe(expected.length);
  for (const [i, x] of expected.entries()) expect(Math.abs(values[i]! - x)).toBeLessThan(tolerance);
}

describe.each(["cpu", "native", "wasm"] as const)("attention on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  it.each([
    ["block-causal", blockCausal(5)],
    ["window and sink", windowMask(5, { window: 1, sink: 1 })],
    ["arbitrary lists", [[4], [0, 2], [1, 2, 3, 4], [3], [0, 4]]],
  ] as const)("follows the definition: %s", (_, visible) => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([2, 15, 12], seed)) as [Tensor, Tensor, Tensor];
    const options = { heads: 3, chunkTokens: 3, visible };
    expectClose(attention(q, k, v, options), flat(naive(arrays(q), arrays(k), arrays(v), options).out));
  });

  it.each([0, 1, 2, 3, 7])("follows the definition with the top %i chunks of history", (topK) => {
    const [q, k, v] = [4, 5, 6].map((seed) => normal([2, 24, 8], seed)) as [Tensor, Tensor, Tensor];
    let counts: number[][][][] = [];
    const options = {
      heads: 2,
      chunkTokens: 4,
      visible: Array.from({ length: 6 }, (_, i) => [i]),
      route: {
        topK,
        candidates: Array.from({ length: 6 }, (_, i) => [...Array(i).keys()]),
        onCounts: (c: Tensor) => {
          counts = c.arraySync() as number[][][][];
        },
      },
    };
    const expected = naive(arrays(q), arrays(k), arrays(v), options);
    expectClose(attention(q, k, v, options), flat(expected.out));
    for (const [b, perHead] of expected.picks.entries()) {
      for (const [h, perToken] of perHead.entries()) {
        const table = Array.from({ length: 6 }, () => new Array<number>(6).fill(0));
        for (const [s, picks] of perToken.entries()) for (const c of picks) table[Math.floor(s / 4)]![c]!++;
        expect(counts[b]![h]).toEqual(table);
      }
    }
  });

  it.each([
    [2, [1, 1, 2], [0, 2]],
    [2, [1, 1, 2, 2, 3], [2, 4]],
    [3, [5, 1, 1, 1, 7, 1, 6], [0, 4, 6]],
    [9, [1, 1, 1, 1, 1, 1, 1, 1, 1, 2], [0, 1, 2, 3, 4, 5, 6, 7, 9]],
  ])("keeps the lower of equal chunks when a better one comes: top %i of %j", (topK, scores, picked) => {
    // One number a head: the score of a chunk is that of its keys.
    const k = tf.tensor3d(
      [...scores, 0].flatMap((score) => [score, score]),
      [1, 2 * scores.length + 2, 1],
    );
    let counts: readonly number[] = [];
    attention(tf.ones([1, 2, 1]), k, k, {
      heads: 1,
      chunkTokens: 2,
      visible: [[scores.length]],
      route: {
        topK,
        candidates: [[...scores.keys()]],
        onCounts: (c) => {
          counts = [...c.dataSync()];
        },
      },
    });
    expect([...counts.keys()].filter((chunk) => counts[chunk] === 2)).toEqual(picked);
  });

  it("breaks ties by the lowest chunk and never picks more than topK", () => {
    // Four equal chunks of history: every gate score is the same to the last bit.
    const k = tf.concat(
      Array.from({ length: 5 }, () => normal([1, 2, 8], 7)),
      1,
    );
    const v = tf
      .range(0, 5)
      .reshape([1, 5, 1, 1])
      .mul(tf.ones([1, 5, 2, 8]))
      .reshape([1, 10, 8]);
    let counts: Float32Array | undefined;
    attention(normal([1, 2, 8], 8), k, v, {
      heads: 2,
      chunkTokens: 2,
      visible: [[4]],
      route: {
        topK: 2,
        candidates: [[0, 1, 2, 3]],
        onCounts: (c) => {
          counts = c.dataSync() as Float32Array;
        },
      },
    });
    expect([...counts!]).toEqual([2, 2, 0, 0, 0, 2, 2, 0, 0, 0]);
  });

  it("uses given mean keys, and a longer table of them", () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([2, 12, 8], seed)) as [Tensor, Tensor, Tensor];
    const route = { topK: 1, candidates: [[], [0], [0, 1], [0, 1, 2]] };
    const options = { heads: 2, chunkTokens: 3, visible: [[0], [1], [2], [3]] };
    const pooled = tf.concat([poolKeys(k, 3), tf.fill([2, 5, 8], Number.NaN)], 1);
    const given = attention(q, k, v, { ...options, route: { ...route, pooledKeys: pooled } });
    const computed = attention(q, k, v, { ...options, route });
    expectClose(given, [...computed.dataSync()], 1e-6);
  });

  it("routes by other queries than it attends with", () => {
    const [q, k, v, gateQueries, keys] = [1, 2, 3, 4, 5].map((seed) => normal([2, 12, 8], seed)) as Tensor[];
    const lists = { heads: 2, chunkTokens: 3, visible: [[0], [1], [2], [3]] };
    const candidates = [[], [0], [0, 1], [0, 1, 2]];
    const pooledKeys = poolKeys(keys!, 3);
    const counts: number[][] = [];
    const onCounts = (c: Tensor) => counts.push([...c.dataSync()]);
    const route = { topK: 1, candidates, pooledKeys, onCounts };
    attention(gateQueries!, k!, v!, { ...lists, route });
    attention(q!, k!, v!, { ...lists, route: { ...route, gateQueries: gateQueries! } });
    attention(q!, k!, v!, { ...lists, route });
    expect(counts[1]).toEqual(counts[0]);
    expect(counts[2]).not.toEqual(counts[0]);
    // Where every candidate is chosen, the gate does not matter.
    const all = { topK: 3, candidates, pooledKeys, gateQueries: gateQueries! };
    const dense = { ...lists, visible: [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]] };
    expectClose(attention(q!, k!, v!, { ...lists, route: all }), [
      ...attention(q!, k!, v!, dense).dataSync(),
    ]);
  });

  it("reads head-major keys, values and mean keys, packed or not, to the same bits", () => {
    // Heads of 16 numbers in chunks of 16 are read where they lie, others are packed; the last chunk is not valid.
    for (const [heads, width, tokens] of [
      [2, 32, 16],
      [3, 12, 2],
      [1, 8, 3],
    ] as const) {
      const chunks = 9;
      const q = normal([2, tokens, width], 1);
      const [k, v] = [2, 3].map((seed) => normal([2, (chunks + 1) * tokens, width], seed)) as [
        Tensor,
        Tensor,
      ];
      const visible = [[chunks - 1]];
      const candidates = [[0, 1, 2, 3, 4, 5, 6]];
      const counts: number[][] = [];
      const route = (pooledKeys: Tensor) => ({
        topK: 2,
        candidates,
        pooledKeys,
        onCounts: (c: Tensor) => counts.push([...c.dataSync()]),
      });
      const lists = { heads, chunkTokens: tokens, keyTokens: chunks * tokens, visible };
      const means = poolKeys(k, tokens);
      for (const stored of [(x: Tensor) => x, packBf16]) {
        const both = [(x: Tensor) => x, (x: Tensor) => headMajor(x, heads)].map((layout) => {
          const [keys, values] = [layout(stored(k)), layout(stored(v))];
          return [
            attention(q, keys, values, { heads, keyTokens: chunks * tokens }),
            attention(q, keys, values, { ...lists, route: { topK: 2, candidates } }),
            attention(q, keys, values, { ...lists, route: route(layout(means)) }),
          ].map((out) => out.dataSync());
        });
        expect(both[1]).toEqual(both[0]);
      }
      expect(counts).toEqual(new Array(4).fill(counts[0]));
    }
  });

  it("passes gradients to head-major keys and values", () => {
    const [heads, tokens] = [2, 16];
    const q = normal([2, 2 * tokens, 32], 1);
    const [k, v] = [2, 3].map((seed) => normal([2, 4 * tokens, 32], seed)) as [Tensor, Tensor];
    const options = {
      heads,
      chunkTokens: tokens,
      visible: [[2], [3]],
      route: {
        topK: 1,
        candidates: [
          [0, 1],
          [0, 1, 2],
        ],
      },
    };
    const loss = (q: Tensor, k: Tensor, v: Tensor) => attention(q, k, v, options).square().sum();
    const [dq, dk, dv] = tf.grads(loss)([q, k, v]);
    const split = tf.grads(loss)([q, headMajor(k, heads), headMajor(v, heads)]);
    const whole = [split[0]!, ...split.slice(1).map((x) => tokenMajor(x, heads))];
    expect(whole.map((x) => x.dataSync())).toEqual([dq, dk, dv].map((x) => x!.dataSync()));
  });

  it("sees nothing of a cache beyond keyTokens, not even a NaN", () => {
    const q = normal([2, 3, 8], 1);
    const [k, v] = [2, 3].map((seed) => normal([2, 6, 8], seed)) as [Tensor, Tensor];
    const larger = (x: Tensor): Tensor => tf.concat([x, tf.fill([2, 5, 8], Number.NaN)], 1);
    const expected = [...attention(q, k, v, { heads: 2 }).dataSync()];
    expect([...attention(q, larger(k), larger(v), { heads: 2, keyTokens: 6 }).dataSync()]).toEqual(expected);
    const lists = { heads: 2, chunkTokens: 3, visible: [[0, 1]] };
    expectClose(attention(q, larger(k), larger(v), { ...lists, keyTokens: 6 }), expected, 1e-6);
  });

  it("gives the last chunk of a causal pass the same values from a cache", () => {
    const [q, k, v] = [1, 2, 3].map((seed) => normal([2, 12, 8], seed)) as [Tensor, Tensor, Tensor];
    const whole = attention(q, k, v, { heads: 2, chunkTokens: 3, visible: blockCausal(4) });
    const last = attention(q.slice([0, 9, 0], [2, 3, 8]), k, v, { heads: 2 });
    expectClose(last, [...whole.slice([0, 9, 0], [2, 3, 8]).dataSync()], 1e-6);
  });

  it("gives the noisy half of a dual sequence what a sequential pass gives", () => {
    const clean = [1, 2, 3].map((seed) => normal([1, 12, 8], seed)) as [Tensor, Tensor, Tensor];
    const noisy = [4, 5, 6].map((seed) => normal([1, 12, 8], seed)) as [Tensor, Tensor, Tensor];
    const both = clean.map((x, i) => tf.concat([x, noisy[i]!], 1)) as [Tensor, Tensor, Tensor];
    const out = attention(...both, { heads: 2, chunkTokens: 3, visible: dualSequence(4) });
    for (let i = 0; i < 4; i++) {
      const at = (x: Tensor): Tensor => x.slice([0, 3 * i, 0], [1, 3, 8]);
      const keys = tf.concat([clean[1].slice([0, 0, 0], [1, 3 * i, 8]), at(noisy[1])], 1);
      const values = tf.concat([clean[2].slice([0, 0, 0], [1, 3 * i, 8]), at(noisy[2])], 1);
      const alone = attention(at(noisy[0]), keys, values, { heads: 2 });
      expectClose(alone, [...out.slice([0, 12 + 3 * i, 0], [1, 3, 8]).dataSync()], 1e-6);
    }
  });

  it("gives finite values for scores of a thousand, and NaN only where a key is NaN", () => {
    const q = normal([1, 4, 8], 1).mul(1000);
    const k = normal([1, 4, 8], 2);
    const v = normal([1, 4, 8], 3);
    expect(attention(q, k, v, { heads: 1 }).isFinite().all().dataSync()[0]).toBe(1);
    const spoiled = tf.concat([tf.fill([1, 2, 8], Number.NaN), k.slice([0, 2, 0], [1, 2, 8])], 1);
    const out = attention(q, spoiled, v, { heads: 1, chunkTokens: 2, visible: [[0], [1]] });
    expect(out.isNaN().any(2).arraySync()).toEqual(device === "cpu" ? [[1, 1, 1, 1]] : [[1, 1, 0, 0]]);
  });

  it("says what does not fit", () => {
    const x = normal([1, 6, 8], 1);
    expect(() => attention(x, x, x, { heads: 3 })).toThrow(
      "Cannot attend as q must be [batch, tokens, features] with features a multiple of 3 heads: got [1,6,8].",
    );
    expect(() => attention(x, x, x, { heads: 2, chunkTokens: 2, visible: [[0]] })).toThrow(
      "Cannot attend as visible must have one list per query chunk (3): got 1. Check chunkTokens and the length of q.",
    );
    expect(() => attention(x, x, x, { heads: 2, chunkTokens: 2, visible: [[0], [1, 0], [2]] })).toThrow(
      "Cannot attend as visible[1] must hold increasing chunk indices below 3: got [1,0].",
    );
    expect(() =>
      attention(x, x, x, {
        heads: 2,
        chunkTokens: 2,
        visible: [[0], [1], [2]],
        route: { topK: 1, candidates: [[], [1], []] },
      }),
    ).toThrow("Cannot route query chunk 1 as its candidates must not be visible already: got 1 in both.");
    expect(() => attention(x, x, x, { heads: 2, keyTokens: 7 })).toThrow(
      "Cannot attend to 7 keys as k holds 6: keyTokens must lie in 0..6.",
    );
  });
});
