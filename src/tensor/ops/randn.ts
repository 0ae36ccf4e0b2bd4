/** Standard normals of an addressable generator as a tensor: the same bits on every backend. */
import type { Rng } from "../rng.ts";
import { type Tensor, tf } from "../tf.ts";

/** @example randn([4, 16], rng(0).at("noise")) */
export function randn(shape: readonly number[], rng: Rng): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(rng.normal(size), [...shape], "float32");
}
