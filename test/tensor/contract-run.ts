/** Runs a case of the contract on the active backend: its value and the gradient of every input. */
import { expect } from "vitest";
import { rng, type Tensor, tf } from "../../src/index.ts";
import type { OpCase } from "./contract-cases.ts";

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export interface Outcome {
  readonly shape: readonly number[];
  readonly value: Float32Array;
  readonly grads: readonly Float32Array[];
}

const drawn = new WeakMap<OpCase, Float32Array[]>();

export function caseInputs(op: OpCase): Float32Array[] {
  let inputs = drawn.get(op);
  if (inputs === undefined) {
    inputs = drawInputs(op);
    drawn.set(op, inputs);
  }
  return inputs;
}

function drawInputs(op: OpCase): Float32Array[] {
  return op.shapes.map((shape, i) =>
    rng(11)
      .at(op.name, i)
      .normal(size(shape))
      .map((x) => x * (op.scale ?? 1)),
  );
}

/** The scalar that is differentiated: the sum of the value under fixed random weights. */
export function weightedSum(op: OpCase, inputs: readonly Tensor[]): tf.Scalar {
  const y = op.run(...inputs);
  const weights = tf.tensor(rng(12).at(op.name).normal(y.size), y.shape);
  return tf.sum(y.mul(weights)) as tf.Scalar;
}

export async function runCase(op: OpCase): Promise<Outcome> {
  const inputs = caseInputs(op).map((data, i) => tf.tensor(data, [...op.shapes[i]!]));
  const y = tf.tidy(() => op.run(...inputs));
  const value = (await y.data()) as Float32Array;
  const grads: Float32Array[] = [];
  if (inputs.length > 0 && op.hasGradient !== false) {
    const tensors = tf.tidy(() => tf.grads((...xs: Tensor[]) => weightedSum(op, xs))(inputs));
    for (const t of tensors) grads.push((await t.data()) as Float32Array);
    tf.dispose(tensors);
  }
  const shape = y.shape;
  tf.dispose([y, ...inputs]);
  return { shape, value: value.slice(), grads: grads.map((g) => g.slice()) };
}

/**
 * Largest distance in units of the tolerance: 2e-5 of the reference's root mean square plus 2e-5 of the value. Sums of
 * a hundred products differ by about 1e-6 of their size between orders of summation; the reciprocal square roots and
 * exponentials of shaders by 1e-6 to 1e-5.
 */
export function distance(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const rms = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / Math.max(expected.length, 1));
  let worst = 0;
  for (const [i, x] of expected.entries()) {
    const off = Math.abs(actual[i]! - x) / (2e-5 * (Math.abs(x) + rms) + 1e-7);
    if (!(off <= worst)) worst = off;
  }
  return worst;
}
