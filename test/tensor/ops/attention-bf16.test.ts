import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { hasBf16, setPrecision, setThreads, useDevice } from "../../../src/tensor/device.ts";
import { type AttentionOptions, attention } from "../../../src/tensor/ops/attention.ts";
import { blockCausal, dualSequence } from "../../../src/tensor/ops/chunk-masks.ts";
import { rng } from "../../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../../src/tensor/tf.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);

interface Case {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly options: AttentionOptions;
}
const before = (chunks: number) => Array.from({ length: chunks }, (_, i) => [...Array(i).keys()]);
const own = (chunks: number) => Array.from({ length: chunks }, (_, i) => [i]);
const cases: Record<string, Case> = {
  "dual sequence": {
    batch: 2,
    queries: 8 * 32,
    keys: 8 * 32,
    width: 64,
    options: { heads: 2, chunkTokens: 32, visible: dualSequence(4) },
  },
  "to a text of odd length": {
    batch: 2,
    queries: 40,
    keys: 15,
    width: 48,
    options: { heads: 3 },
  },
  "chunks of six, heads of 20": {
    batch: 1,
    queries: 30,
    keys: 30,
    width: 40,
    options: { heads: 2, chunkTokens: 6, visible: blockCausal(5) },
  },
  "chunks of five": {
    batch: 1,
    queries: 20,
    keys: 20,
    width: 40,
    options: { heads: 2, chunkTokens: 5, visible: blockCausal(4) },
  },
  "more keys than a block": {
    batch: 1,
    queries: 70,
    keys: 700,
    width: 32,
    options: { heads: 1 },
  },
  routed: {
    batch: 2,
    queries: 9 * 16,
    keys: 9 * 16,
    width: 64,
    options: {
      heads: 2,
      chunkTokens: 16,
      visible: own(9),
      route: { topK: 2, candidates: before(9) },
    },
  },
};

/** Value and the three gradients. */
function outcome({ batch, queries, keys, width, options }: Case, rows = batch): Float32Array[] {
  return tf.tidy(() => {
    const [q, k, v, g] = [queries, keys, keys, queries].map((n, i) =>
      normal([batch, n, width], i + 1).slice([0, 0, 0], [rows, -1, -1]),
    ) as [Tensor, Tensor, Tensor, Tensor];
    const y = attention(q, k, v, options);
    const grads = tf.grads((a, b, c) => attention(a!, b!, c!, options).mul(g))([q, k, v]);
    return [y, ...grads].map((t) => t.dataSync<"float32">());
  });
}

describe("attention in bf16", () => {
  beforeAll(async () => {
    await useDevice("auto");
  });
  afterEach(() => {
    setPrecision("float32");
    setThreads(2);
  });

  for (const [name, given] of Object.entries(cases)) {
    it(`follows float32, to the bit on any threads and in any batch: ${name}`, () => {
      const exact = outcome(given);
      if (!hasBf16()) {
        expect(() => setPrecision("bf16")).toThrow(/^Cannot use precision bf16/);
        return;
      }
      setPrecision("bf16");
      setThreads(1);
      const rounded = outcome(given);
      for (const [i, values] of rounded.entries()) {
        const size = exact[i]!.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
        // Inputs are off by 2^-9 of themselves; a gradient passes three products, each with two rounded inputs.
        const worst = values.reduce((m, v, j) => Math.max(m, Math.abs(v - exact[i]![j]!)), 0);
        expect(worst, `output ${i}`).toBeLessThan(6 * 2 ** -8 * size);
      }
      for (const threads of [2, 4]) {
        setThreads(threads);
        expect(outcome(given)).toEqual(rounded);
      }
      const alone = outcome(given, 1);
      for (const [i, values] of alone.entries()) expect(values).toEqual(rounded[i]!.slice(0, values.length));
    });
  }

  it("sees nothing of a cache beyond keyTokens, not even a NaN", () => {
    if (!hasBf16()) return expect(() => setPrecision("bf16")).toThrow(/^Cannot use precision bf16/);
    setPrecision("bf16");
    const [q, k, v] = [1, 2, 3].map((seed) => normal([1, 14, 32], seed)) as [Tensor, Tensor, Tensor];
    const padded = (x: Tensor) => tf.concat([x, tf.fill([1, 18, 32], Number.NaN)], 1);
    const lists = { heads: 2, chunkTokens: 14, visible: [[0]] };
    const clean = attention(q, k, v, lists).dataSync();
    const cached = attention(q, padded(k), padded(v), {
      ...lists,
      keyTokens: 14,
    });
    expect(cached.dataSync()).toEqual(clean);
    const broken = tf.tensor(k.dataSync().fill(Number.NaN, 0, 1), k.shape);
    expect(attention(q, broken, v, lists).dataSync().some(Number.isNaN)).toBe(true);
  });
});
