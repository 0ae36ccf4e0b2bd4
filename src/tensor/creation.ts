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

export const zeros: typeof tfjs.zeros = withRoom(tfjs.zeros, (shape, dtype) => [shape, dtype]);
export const ones: typeof tfjs.ones = withRoom(tfjs.ones, (shape, dtype) => [shape, dtype]);
export const fill: typeof tfjs.fill = withRoom(tfjs.fill, (shape, _value, dtype) => [shape, dtype]);
export const buffer: typeof tfjs.buffer = withRoom(tfjs.buffer, (shape, dtype, values) => [
  // Given values are there already.
  values ? [] : shape,
  dtype,
]);
export const eye: typeof tfjs.eye = withRoom(tfjs.eye, (rows, columns = rows, batch, dtype = "float32") => [
  [...(batch ?? []), rows, columns],
  dtype,
]);
export const linspace: typeof tfjs.linspace = withRoom(tfjs.linspace, (_start, _stop, count) => [[count]]);
export const range: typeof tfjs.range = withRoom(tfjs.range, (start, stop, step = start < stop ? 1 : -1) => [
  [step === 0 ? 0 : Math.max(Math.ceil((stop - start) / step), 0)],
]);
export const rand: typeof tfjs.rand = withRoom(tfjs.rand, (shape) => [shape]);
export const randomNormal: typeof tfjs.randomNormal = withRoom(tfjs.randomNormal, (shape) => [shape]);
export const randomUniform: typeof tfjs.randomUniform = withRoom(tfjs.randomUniform, (shape) => [shape]);
export const randomUniformInt: typeof tfjs.randomUniformInt = withRoom(tfjs.randomUniformInt, (shape) => [
  shape,
]);
export const randomStandardNormal: typeof tfjs.randomStandardNormal = withRoom(
  tfjs.randomStandardNormal,
  (shape) => [shape],
);
export const randomGamma: typeof tfjs.randomGamma = withRoom(tfjs.randomGamma, (shape) => [shape]);
export const truncatedNormal: typeof tfjs.truncatedNormal = withRoom(tfjs.truncatedNormal, (shape) => [
  shape,
]);
