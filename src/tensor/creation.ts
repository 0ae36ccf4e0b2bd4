/**
 * All of tfjs, with the functions that make a tensor of a given size asking for room first: tfjs writes their values into
 * an array of JavaScript, which refuses an absurd size with a message of its own, or takes the machine's memory with it.
 */
import * as tfjs from "@tensorflow/tfjs";
import { requireMemory } from "./memory-limit.ts";

export * from "@tensorflow/tfjs";

const BYTES = { float32: 4, int32: 4, bool: 1, complex64: 8, string: 8 } as const;

function requireRoom(shape: readonly number[], dtype: keyof typeof BYTES = "float32"): void {
  // What is no shape is for tfjs to say.
  if (!Array.isArray(shape) || !shape.every((n) => Number.isInteger(n) && n >= 0)) return;
  requireMemory(
    shape.reduce((a, b) => a * b, BYTES[dtype] ?? 4),
    shape,
  );
}

/** `make`, once there is room for its result. */
function withRoom<F extends (...args: never[]) => unknown>(
  make: F,
  shapeOf: (...args: Parameters<F>) => readonly [shape: readonly number[], dtype?: string],
): F {
  return ((...args: Parameters<F>) => {
    const [shape, dtype] = shapeOf(...args);
    requireRoom(shape, dtype as keyof typeof BYTES | undefined);
    return make(...args);
  }) as F;
}

/** A tensor of zeros: `tf.zeros([2, 3])`; `dtype` is float32 unless given. */
export const zeros: typeof tfjs.zeros = withRoom(tfjs.zeros, (shape, dtype) => [shape, dtype]);
/** A tensor of ones: `tf.ones([2, 3])`; `dtype` is float32 unless given. */
export const ones: typeof tfjs.ones = withRoom(tfjs.ones, (shape, dtype) => [shape, dtype]);
/** A tensor of one value: `tf.fill([2, 3], 0.5)`. */
export const fill: typeof tfjs.fill = withRoom(tfjs.fill, (shape, _value, dtype) => [shape, dtype]);
/** Values to write one by one: `tf.buffer([2, 3])`, then `set(value, row, column)` and `toTensor()`. */
export const buffer: typeof tfjs.buffer = withRoom(tfjs.buffer, (shape, dtype, values) => [
  // Given values are there already.
  values ? [] : shape,
  dtype,
]);
/** The identity matrix of so many rows (and columns), one for each entry of `batchShape`. */
export const eye: typeof tfjs.eye = withRoom(tfjs.eye, (rows, columns = rows, batch, dtype = "float32") => [
  [...(batch ?? []), rows, columns],
  dtype,
]);
/** `num` values from `start` to `stop`, both included, equally far apart. */
export const linspace: typeof tfjs.linspace = withRoom(tfjs.linspace, (_start, _stop, count) => [[count]]);
/** The values from `start` to before `stop`, a `step` apart: 1 unless given, -1 where `stop` is smaller. */
export const range: typeof tfjs.range = withRoom(tfjs.range, (start, stop, step = start < stop ? 1 : -1) => [
  [step === 0 ? 0 : Math.max(Math.ceil((stop - start) / step), 0)],
]);
/** A tensor whose values a function gives, one after the other. */
export const rand: typeof tfjs.rand = withRoom(tfjs.rand, (shape) => [shape]);
/**
 * Normal noise of a mean (0) and a standard deviation (1); with `seed` the same each time. (`randn` gives the same noise on
 * every device.)
 */
export const randomNormal: typeof tfjs.randomNormal = withRoom(tfjs.randomNormal, (shape) => [shape]);
/** Uniform noise in [minval, maxval), [0, 1) unless given; with `seed` the same each time. */
export const randomUniform: typeof tfjs.randomUniform = withRoom(tfjs.randomUniform, (shape) => [shape]);
/** Uniform whole numbers in [minval, maxval); with `seed` the same each time. */
export const randomUniformInt: typeof tfjs.randomUniformInt = withRoom(tfjs.randomUniformInt, (shape) => [
  shape,
]);
/** Normal noise of mean 0 and standard deviation 1; with `seed` the same each time. */
export const randomStandardNormal: typeof tfjs.randomStandardNormal = withRoom(
  tfjs.randomStandardNormal,
  (shape) => [shape],
);
/** Noise of the gamma distribution with shape `alpha` and rate `beta`; with `seed` the same each time. */
export const randomGamma: typeof tfjs.randomGamma = withRoom(tfjs.randomGamma, (shape) => [shape]);
/** Normal noise, drawn anew where it lies more than two standard deviations from the mean. */
export const truncatedNormal: typeof tfjs.truncatedNormal = withRoom(tfjs.truncatedNormal, (shape) => [
  shape,
]);
