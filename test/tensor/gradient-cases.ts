/** Gradients that tfjs lacks or has wrong, as cases that run on every backend. */
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import type { OpCase } from "./contract-cases.ts";

const gradientCase = (name: string, shapes: number[][], run: (...x: Tensor[]) => Tensor): OpCase => ({
  name,
  shapes,
  run,
});

export const gradientCases: readonly OpCase[] = [
  gradientCase(
    "einsum matrix",
    [
      [3, 4],
      [4, 5],
    ],
    (a, b) => tf.einsum("ab,bc->ca", a!, b!),
  ),
  gradientCase(
    "einsum attention",
    [
      [2, 3, 2, 4],
      [2, 5, 2, 4],
    ],
    (a, b) => tf.einsum("bqhd,bkhd->bhqk", a!, b!),
  ),
  gradientCase(
    "einsum with a summed letter",
    [
      [2, 3, 4],
      [2, 5],
    ],
    (a, b) => tf.einsum("bqd,bk->bk", a!, b!),
  ),
  gradientCase("einsum of one tensor", [[2, 3, 4]], (a) => tf.einsum("abc->ca", a!)),
  gradientCase("topk values", [[3, 9]], (x) => tf.topk(x!, 4).values),
  gradientCase("gatherND", [[3, 4, 2]], (x) =>
    tf.gatherND(
      x!,
      tf.tensor2d(
        [
          [2, 3],
          [0, 0],
          [2, 3],
        ],
        [3, 2],
        "int32",
      ),
    ),
  ),
  gradientCase("scatterND", [[3, 4]], (x) =>
    tf.scatterND(tf.tensor2d([[1], [5], [1]], [3, 1], "int32"), x!, [6, 4]),
  ),
  gradientCase("stridedSlice", [[6, 7]], (x) => tf.stridedSlice(x!, [5, 1], [0, 7], [-2, 3])),
  gradientCase("stridedSlice with masks", [[4, 5, 3]], (x) =>
    tf.stridedSlice(x!, [1, 0, 1], [2, 0, 3], [1, 1, 1], 0, 2, 0, 0, 1),
  ),
  gradientCase("maximum with broadcasting", [[3, 5], [5]], (a, b) => tf.maximum(a!, b!)),
  gradientCase("minimum with broadcasting", [[9], [4, 9]], (a, b) => tf.minimum(a!, b!)),
  gradientCase("squaredDifference with broadcasting", [[4, 1], [9]], (a, b) => tf.squaredDifference(a!, b!)),
  gradientCase("prod over a negative axis", [[3, 4]], (x) => tf.prod(x!, -1)),
  gradientCase("prod over two axes", [[3, 2, 2]], (x) => tf.prod(x!, [0, 2])),
  gradientCase("cumsum over the first axis", [[4, 3]], (x) => tf.cumsum(x!, 0, true, false)),
  gradientCase("where with a condition computed from x", [[4, 5]], (x) =>
    tf.where(tf.greater(x!, 0.1), tf.square(x!), tf.mul(x!, 3)),
  ),
  gradientCase("gather (routing)", [[5, 4]], (x) =>
    tf.gather(
      x!,
      tf.tensor2d(
        [
          [4, 0],
          [4, 2],
        ],
        [2, 2],
        "int32",
      ),
    ),
  ),
  gradientCase(
    "conv2d",
    [
      [1, 5, 5, 2],
      [3, 3, 2, 3],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 2, "same"),
  ),
];
