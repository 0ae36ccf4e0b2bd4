/**
 * How a cache keeps keys and values. Mean keys, which routing reads, are float32 in every format: they are few. They are
 * taken before keys are rounded, but for those that are turned later, which were kept rounded.
 */
import type { Precision } from "../tensor/device.ts";
import { packBf16, unpackBf16 } from "../tensor/ops/packed-bf16.ts";
import type { Tensor } from "../tensor/tf.ts";

export interface KeyFormat {
  readonly precision: Precision;
  readonly dtype: "float32" | "int32";
  /** Elements of a stored row of `dim` numbers. */
  width(dim: number): number;
  /** float32 [B, S, D] as it is stored; x itself where nothing changes. */
  pack(x: Tensor): Tensor;
  /** What was stored as float32 [B, S, D]. */
  unpack(stored: Tensor): Tensor;
}

const formats: Readonly<Record<Precision, KeyFormat>> = Object.freeze({
  float32: Object.freeze({
    precision: "float32",
    dtype: "float32",
    width: (dim: number) => dim,
    pack: (x: Tensor) => x,
    unpack: (stored: Tensor) => stored,
  }),
  bf16: Object.freeze({
    precision: "bf16",
    dtype: "int32",
    width: (dim: number) => dim / 2,
    pack: packBf16,
    unpack: unpackBf16,
  }),
});

/** @throws RangeError for an unknown precision */
export function keyFormat(precision: Precision): KeyFormat {
  const format = Object.hasOwn(formats, precision) ? formats[precision] : undefined;
  if (!format) {
    throw new RangeError(
      `Cannot keep keys in "${precision}" as a cache is float32 or bf16. Give cachePrecision one of those.`,
    );
  }
  return format;
}
