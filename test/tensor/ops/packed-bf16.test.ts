import { beforeAll, describe, expect, it } from "vitest";
import {
  type AttentionOptions,
  attention,
  headMajor,
  packBf16,
  rng,
  type Tensor,
  tf,
  unpackBf16,
  useDevice,
} from "../../../src/index.ts";
import { engineBackend } from "../../../src/tensor/backend.ts";
import type { NativeEngine } from "../../../src/tensor/backend-native.ts";
import { hasBf16, setPrecision } from "../../../src/tensor/device.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);
const bitsOf = (x: Tensor): number[] => [...new Uint32Array(Float32Array.from(x.dataSync()).buffer)];
const floatOf = (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0]!;

/** The nearest number with 8 significant binary digits, ties to the even one: by comparing both neighbours. */
function nearest(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer)[0]!;
  const [low, high] = [bits & 0xffff0000, (bits & 0xffff0000) + 0x10000].map((b) => floatOf(b >>> 0));
  const [down, up] = [Math.abs(x - low!), Math.abs(high! - x)];
  return down < up || (down === up && (bits & 0x10000) === 0) ? low! : high!;
}

/** Runs with every instruction set of the engine in use. */
function onEveryIsa(run: () => void): void {
  const engine = engineBackend()?.engine;
  if (engine?.name !== "native") {
    run();
    return;
  }
  const native = engine as NativeEngine;
  const best = native.isa;
  try {
    for (const isa of native.isas) {
      native.useIsa(isa);
      run();
    }
  } finally {
    native.useIsa(best);
  }
}

describe.each(["cpu", "native", "wasm"] as const)("packed bf16 on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  it("rounds to the nearest, ties to even", () => {
    const ties = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8, 1 + 2 ** -8 + 2 ** -20, 2 ** -130 + 2 ** -139];
    const values = [...normal([1, 58], 1).dataSync(), ...ties, -0];
    const packed = packBf16(tf.tensor2d(values, [4, 16]));
    expect([packed.dtype, packed.shape]).toEqual(["int32", [4, 8]]);
    onEveryIsa(() => {
      const again = unpackBf16(packBf16(tf.tensor2d(values, [4, 16])));
      expect([again.dtype, again.shape]).toEqual(["float32", [4, 16]]);
      expect(bitsOf(again)).toEqual(
        bitsOf(tf.tensor1d(values.map((x) => nearest(Math.fround(x))))).map((bits) => bits >>> 0),
      );
    });
  });

  it("keeps what is not finite, and the largest number becomes infinite", () => {
    const largest = floatOf(0x7f7fffff);
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, largest];
    expect([...unpackBf16(packBf16(tf.tensor1d(values))).dataSync()]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ]);
    // Not a number in the lower half alone: cut off it would be an infinity.
    const quiet = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer);
    expect([...unpackBf16(packBf16(tf.tensor1d(quiet))).dataSync()]).toEqual([Number.NaN, Number.NaN]);
  });

  it.each([[[0, 4]], [[2, 0]], [[1, 2]], [[3, 7, 38]]])("takes the shape %j", (shape) => {
    const x = normal(shape, 3);
    const packed = packBf16(x);
    expect(packed.size).toBe(x.size / 2);
    const back = unpackBf16(packed);
    expect(back.shape).toEqual(shape);
    expect([...back.dataSync()]).toEqual([...x.dataSync()].map(nearest));
  });

  it("refuses what it cannot pack", () => {
    expect(() => packBf16(tf.zeros([2, 3]))).toThrow(
      "Cannot pack in bf16 as x must be float32 with an even last dimension: got float32 [2,3]. Pad or cast it.",
    );
    expect(() => packBf16(tf.zeros([2, 2], "int32"))).toThrow("got int32 [2,2]");
    expect(() => unpackBf16(tf.zeros([2, 2]))).toThrow(
      "Cannot unpack bf16 as words must be int32, as packBf16 makes them: got float32 [2,2].",
    );
    expect(() => tf.grad((x: Tensor) => unpackBf16(packBf16(x)).sum())(tf.zeros([2]))).toThrow(
      "Cannot pack in bf16 while a gradient is recorded as rounding has none. Keep what is trained in float32.",
    );
  });
});

const upTo = (n: number): number[] => [...Array(n).keys()];
/** One chunk of queries behind `chunks` others. */
const routed = (heads: number, chunkTokens: number, chunks: number, topK: number): AttentionOptions => ({
  heads,
  chunkTokens,
  visible: [[chunks]],
  route: { topK, candidates: [upTo(chunks)] },
});
const cases: readonly [string, width: number, queries: number, keys: number, AttentionOptions][] = [
  ["every key", 64, 40, 300, { heads: 2 }],
  ["a prefix of the keys", 40, 7, 30, { heads: 2, keyTokens: 21 }],
  ["heads of odd width", 42, 5, 10, { heads: 6, chunkTokens: 5, visible: [[0, 1]] }],
  ["a window", 64, 32, 7 * 32, { heads: 2, chunkTokens: 32, visible: [[1, 3, 4, 6]] }],
  ["chosen chunks of whole vectors", 64, 32, 41 * 32, routed(2, 32, 40, 5)],
  ["few chosen chunks, all queries alike", 64, 32, 9 * 32, routed(2, 32, 8, 1)],
  ["more chosen chunks than fit in registers", 96, 16, 41 * 16, routed(3, 16, 40, 11)],
  ["chosen chunks of half vectors", 48, 6, 25 * 6, routed(2, 6, 24, 3)],
  ["chosen chunks of odd length", 40, 5, 25 * 5, routed(2, 5, 24, 3)],
  ["chunks longer than a block, the widest heads", 512, 304, 3 * 304, routed(1, 304, 2, 1)],
  ["heads wider than a vector", 160, 16, 17 * 16, routed(2, 16, 16, 2)],
];

describe.each(["cpu", "native", "wasm"] as const)("attention to packed keys on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  it.each(cases)(
    "is attention to what they unpack to, bit for bit, and so head-major: %s",
    (name, width, queries, keys, options) => {
      const [alike, batch] = [name.endsWith("alike"), width < 512 ? 2 : 1];
      const all = normal([batch, alike ? 1 : queries, width], 1);
      const q = alike ? all.tile([1, queries, 1]) : all;
      const [k, v] = [packBf16(normal([batch, keys, width], 2)), packBf16(normal([batch, keys, width], 3))];
      onEveryIsa(() => {
        const precisions =
          hasBf16() && engineBackend() ? (["float32", "bf16"] as const) : (["float32"] as const);
        for (const precision of precisions) {
          setPrecision(precision);
          try {
            const expected = attention(q, unpackBf16(k), unpackBf16(v), options);
            expect(attention(q, k, v, options).dataSync()).toEqual(expected.dataSync());
            for (const stored of (width / options.heads) % 2
              ? [unpackBf16]
              : [unpackBf16, (x: Tensor) => x]) {
              const [keys, values] = [k, v].map((x) => headMajor(stored(x), options.heads)) as [
                Tensor,
                Tensor,
              ];
              expect(attention(q, keys, values, options).dataSync()).toEqual(expected.dataSync());
            }
          } finally {
            setPrecision("float32");
          }
        }
      });
    },
  );

  it("refuses mixed and misshapen keys, and gradients", () => {
    const [x, packed] = [normal([1, 4, 8], 1), packBf16(normal([1, 4, 8], 2))];
    expect(() => attention(x, packed, x, { heads: 2 })).toThrow(
      "Cannot attend as k and v must both be float32 [1, tokens, 8], or int32 [1, tokens, 4] from packBf16, or the same head-major, [2, tokens, 4] or [2, tokens, 2]: got int32 [1,4,4] and float32 [1,4,8].",
    );
    const mixed = headMajor(x, 4);
    expect(() => attention(x, mixed, mixed, { heads: 2 })).toThrow("got float32 [4,4,2]");
    expect(() => attention(x, x.cast("int32"), x.cast("int32"), { heads: 2 })).toThrow("got int32 [1,4,8]");
    expect(() => tf.grad((q: Tensor) => attention(q, packed, packed, { heads: 2 }).sum())(x)).toThrow(
      "Cannot attend to keys in bf16 while a gradient is recorded as rounding has none.",
    );
  });
});
