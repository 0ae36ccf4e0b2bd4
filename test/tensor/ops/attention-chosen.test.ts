/** Attention to chosen chunks of whole vectors, the path of sampling with a long history, on every instruction set. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attention, rng, type Tensor, tf, useDevice } from "../../../src/index.ts";
import { engineBackend } from "../../../src/tensor/backend.ts";
import type { NativeEngine } from "../../../src/tensor/backend-native.ts";
import { attentionComposition } from "../../../src/tensor/ops/attention-composition.ts";

const chunkTokens = 32;
const heads = 2;
const width = 64;

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);

interface Run {
  readonly out: Float32Array;
  /** [heads, key chunks] */
  readonly counts: Float32Array;
}

/** One new chunk behind `chunks` of history, all of which it may choose from. */
function run(
  of: typeof attention,
  [q, k, v]: readonly [Tensor, Tensor, Tensor],
  topK: number,
  candidates: readonly number[],
): Run {
  const chunks = k.shape[1]! / chunkTokens - 1;
  let counts = new Float32Array();
  const out = of(q, k, v, {
    heads,
    chunkTokens,
    visible: [[chunks]],
    route: {
      topK,
      candidates: [candidates],
      onCounts: (c) => {
        counts = c.dataSync() as Float32Array<ArrayBuffer>;
      },
    },
  });
  return { out: out.dataSync() as Float32Array, counts };
}

function inputs(chunks: number, seed: number, batch = 1): [Tensor, Tensor, Tensor] {
  const tokens = (chunks + 1) * chunkTokens;
  return [
    normal([batch, chunkTokens, width], seed),
    normal([batch, tokens, width], seed + 1),
    normal([batch, tokens, width], seed + 2),
  ];
}

const upTo = (n: number): number[] => [...Array(n).keys()];
/** All queries alike: all choose the same chunks. */
const alike = (q: Tensor): Tensor => q.slice([0, 0, 0], [1, 1, width]).tile([1, chunkTokens, 1]);

describe.each(["native", "wasm"] as const)("attention to chosen chunks on %s", (device) => {
  let best = "";
  const isas = (): readonly string[] => {
    const engine = engineBackend()!.engine;
    return engine.name === "native" ? (engine as NativeEngine).isas : [engine.isa];
  };
  const use = (isa: string): void => {
    const engine = engineBackend()!.engine;
    if (engine.name === "native") (engine as NativeEngine).useIsa(isa);
  };

  beforeAll(async () => {
    await useDevice(device);
    best = engineBackend()!.engine.isa;
  });
  afterAll(() => use(best));

  // 1 to 8 picks are kept in registers, more in memory; 40 chunks are more than one block of scores.
  it.each([
    ["scattered", 1, 40],
    ["scattered", 5, 40],
    ["scattered", 8, 70],
    ["scattered", 11, 40],
    ["alike", 5, 40],
    ["no more than there are", 6, 5],
  ] as const)("is what the composition computes: %s, top %i of %i", (kind, topK, chunks) => {
    const [q, k, v] = inputs(chunks, topK);
    const tensors = [kind === "alike" ? alike(q) : q, k, v] as const;
    // With gaps: the candidates need not be all chunks.
    const candidates = upTo(chunks).filter((chunk) => chunks < 8 || chunk % 5 !== 3);
    const expected = run(attentionComposition, tensors, topK, candidates);
    for (const isa of isas()) {
      use(isa);
      const actual = run(attention, tensors, topK, candidates);
      expect([...actual.counts]).toEqual([...expected.counts]);
      for (const [i, x] of expected.out.entries()) expect(Math.abs(actual.out[i]! - x)).toBeLessThan(1e-5);
    }
  });

  it("gives ties to the lower chunk, wherever they arrive", () => {
    const [q, , v] = inputs(40, 3);
    // Three kinds of chunks, each many times: kind of chunk c is c % 3.
    const kinds = [7, 8, 9].map((seed) => normal([1, chunkTokens, width], seed));
    const k = tf.concat([...upTo(40).map((c) => kinds[c % 3]!), normal([1, chunkTokens, width], 1)], 1);
    for (const isa of isas()) {
      use(isa);
      const { counts } = run(attention, [alike(q), k, v], 5, upTo(40));
      for (let head = 0; head < heads; head++) {
        const picked = upTo(41).filter((c) => counts[head * 41 + c] === chunkTokens);
        // The five lowest of one kind.
        expect(picked).toEqual(upTo(5).map((i) => picked[0]! + 3 * i));
        expect(picked[0]).toBeLessThan(3);
      }
    }
  });

  it("never picks a chunk whose score is not a number, and the lowest score only where places are free", () => {
    const [q, k, v] = inputs(12, 5);
    const spoiled = tf.tidy(() => {
      const values = k.dataSync();
      values.fill(Number.NaN, 2 * chunkTokens * width, 3 * chunkTokens * width);
      return tf.tensor(values, k.shape);
    });
    for (const isa of isas()) {
      use(isa);
      const { out, counts } = run(attention, [q, spoiled, v], 4, upTo(12));
      expect([counts[2], counts[13 + 2]]).toEqual([0, 0]);
      expect(counts.reduce((a, b) => a + b)).toBe(heads * chunkTokens * 4);
      expect(out.every(Number.isFinite)).toBe(true);
    }
  });

  it("gives a row the same bits in a batch, with one thread and with several, and whichever chunks lie between", () => {
    const [q, k, v] = inputs(40, 11, 3);
    const row = (x: Tensor, b: number): Tensor => x.slice([b, 0, 0], [1, -1, -1]);
    const engine = engineBackend()!.engine;
    const threads = engine.threads;
    const together = run(attention, [q, k, v], 5, upTo(40)).out;
    engine.setThreads(1);
    const alone = run(attention, [row(q, 1), row(k, 1), row(v, 1)], 5, upTo(40)).out;
    engine.setThreads(threads);
    const size = chunkTokens * width;
    expect([...together.subarray(size, 2 * size)]).toEqual([...alone]);
    // A chunk that cannot be chosen changes nothing but the places of the others.
    const wider = [k, v].map((x) => {
      const one = row(x, 1);
      return tf.concat([one.slice([0, 0, 0], [1, chunkTokens, -1]), one], 1);
    }) as [Tensor, Tensor];
    const moved = run(
      attention,
      [row(q, 1), ...wider],
      5,
      upTo(40).map((c) => c + 1),
    ).out;
    expect([...moved]).toEqual([...alone]);
  });
});
