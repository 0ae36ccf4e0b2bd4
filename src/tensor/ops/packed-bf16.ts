/**
 * Numbers kept in bf16, half the memory of float32: for what is written once and read often, such as keys and values of
 * finished chunks. tfjs has no such type, so two neighbours share a word of an int32 tensor, the first in its lower half:
 *
 *   float32 [..., D]  <->  int32 [..., D/2]
 *
 * Rounding is to the nearest, ties to even; an infinity or what is not a number stays so. Only `attention` computes with them.
 */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, isRecording, require, runFused } from "./fused.ts";

/** The upper half of a float, rounded. */
function roundedHalf(bits: number): number {
  const isNotANumber = (bits & 0x7fffffff) > 0x7f800000;
  return (isNotANumber ? bits | 0x400000 : bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Packing number by number. */
export function packBf16Composition(x: Tensor): Tensor {
  const bits = new Uint32Array(Float32Array.from(x.dataSync()).buffer);
  const words = Int32Array.from(
    { length: bits.length / 2 },
    (_, i) => roundedHalf(bits[2 * i]!) | (roundedHalf(bits[2 * i + 1]!) << 16),
  );
  return tf.tensor(words, packedShape(x.shape), "int32");
}

/** Unpacking number by number. */
export function unpackBf16Composition(words: Tensor): Tensor {
  const packed = words.dataSync();
  const bits = Uint32Array.from({ length: 2 * packed.length }, (_, i) =>
    i % 2 === 0 ? packed[i >> 1]! << 16 : packed[i >> 1]! & 0xffff0000,
  );
  return tf.tensor(new Float32Array(bits.buffer), unpackedShape(words.shape), "float32");
}

export const packedShape = (shape: readonly number[]): number[] => resized(shape, shape.at(-1)! / 2);
export const unpackedShape = (shape: readonly number[]): number[] => resized(shape, shape.at(-1)! * 2);
const resized = (shape: readonly number[], last: number): number[] => [...shape.slice(0, -1), last];

/** Whether a tensor is taken to be packed: nothing else that keys could be is int32. */
export const isPackedBf16 = ({ dtype }: TensorInfo): boolean => dtype === "int32";

function requireNoTape(action: string): void {
  require(!isRecording(), () =>
    `Cannot ${action} while a gradient is recorded as rounding has none. Keep what is trained in float32.`);
}

/**
 * Rounds numbers to bf16, two to a word.
 * @param x float32 [..., D], D even
 * @returns int32 [..., D/2]
 * @throws RangeError for another type or an odd D, or where a gradient is recorded
 */
export function packBf16(x: Tensor): Tensor {
  requireNoTape("pack in bf16");
  require(x.dtype === "float32" && x.rank > 0 && x.shape.at(-1)! % 2 === 0, () =>
    `Cannot pack in bf16 as x must be float32 with an even last dimension: got ${x.dtype} [${x.shape}]. Pad or cast it.`);
  if (!hasKernel("Fused.PackBf16")) return packBf16Composition(x);
  return runFused("Fused.PackBf16", { x })[0]!;
}

/**
 * The numbers that `packBf16` kept.
 * @param words int32 [..., D/2]
 * @returns float32 [..., D]
 * @throws RangeError for another type, or where a gradient is recorded
 */
export function unpackBf16(words: Tensor): Tensor {
  requireNoTape("unpack bf16");
  require(isPackedBf16(words) && words.rank > 0, () =>
    `Cannot unpack bf16 as words must be int32, as packBf16 makes them: got ${words.dtype} [${words.shape}].`);
  if (!hasKernel("Fused.UnpackBf16")) return unpackBf16Composition(words);
  return runFused("Fused.UnpackBf16", { x: words })[0]!;
}

/** The numbers of x, packed or not. */
export const floatsOf = (x: Tensor): Tensor => (isPackedBf16(x) ? unpackBf16(x) : x);

defineKernel<{ x: TensorInfo }, Record<string, never>>("Fused.PackBf16", (backend, { x }) => {
  const out = backend.output(packedShape(x.shape), "int32");
  const size = sizeOf(x.shape);
  if (size > 0) backend.call("pack_bf16", size, size, x, out);
  return out;
});

defineKernel<{ x: TensorInfo }, Record<string, never>>("Fused.UnpackBf16", (backend, { x }) => {
  const out = backend.output(unpackedShape(x.shape), "float32");
  const size = sizeOf(out.shape);
  if (size > 0) backend.call("unpack_bf16", size, size, x, out);
  return out;
});
