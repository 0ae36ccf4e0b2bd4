import { beforeAll, describe, expect, it } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

/**
 * Gradients that tfjs lacks or has wrong, against central differences. Functions are at most quadratic (or smooth with
 * bounded third derivative), so that with step h = 0.02 the truncation is far below the float32 noise of eps / h ~ 1e-5
 * times the value: 2e-3 is a bound with room.
 */
function check(name: string, shapes: number[][], f: (...x: Tensor[]) => Tensor): void {
  it(name, () => {
    const inputs = shapes.map((shape, i) => {
      const n = shape.reduce((a, b) => a * b, 1);
      return tf.tensor(rng(3).at(name, i).normal(n), shape);
    });
    const weight = tf.tidy(() => {
      const y = f(...inputs);
      return tf.tensor(rng(4).normal(y.size), y.shape);
    });
    const scalar = (...x: Tensor[]): tf.Scalar => tf.sum(tf.mul(f(...x), weight));
    const gradients = tf.grads(scalar)(inputs);
    const h = 0.02;
    inputs.forEach((x, i) => {
      const values = x.dataSync().slice();
      const actual = gradients[i]!.dataSync();
      for (let j = 0; j < values.length; j += Math.max(1, Math.floor(values.length / 12))) {
        const at = (delta: number) =>
          tf.tidy(() => {
            const moved = values.slice();
            moved[j] = moved[j]! + delta;
            return scalar(...inputs.map((t, k) => (k === i ? tf.tensor(moved, x.shape) : t))).dataSync()[0]!;
          });
        const numeric = (at(h) - at(-h)) / (2 * h);
        expect(
          Math.abs(actual[j]! - numeric),
          `input ${i} element ${j}: ${actual[j]} and ${numeric}`,
        ).toBeLessThan(2e-3 * (1 + Math.abs(numeric)));
      }
    });
  });
}

describe("gradients that tfjs lacks or has wrong", () => {
  beforeAll(async () => {
    await useDevice("native");
  });
  check(
    "einsum matrix",
    [
      [3, 4],
      [4, 5],
    ],
    (a, b) => tf.einsum("ab,bc->ca", a!, b!),
  );
  check(
    "einsum attention",
    [
      [2, 3, 2, 4],
      [2, 5, 2, 4],
    ],
    (a, b) => tf.einsum("bqhd,bkhd->bhqk", a!, b!),
  );
  check(
    "einsum with a summed letter",
    [
      [2, 3, 4],
      [2, 5],
    ],
    (a, b) => tf.einsum("bqd,bk->bk", a!, b!),
  );
  check("einsum of one tensor", [[2, 3, 4]], (a) => tf.einsum("abc->ca", a!));
  check("topk values", [[3, 9]], (x) => tf.topk(x!, 4).values);
  check("gatherND", [[3, 4, 2]], (x) =>
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
  );
  check("scatterND", [[3, 4]], (x) =>
    tf.scatterND(tf.tensor2d([[1], [5], [1]], [3, 1], "int32"), x!, [6, 4]),
  );
  check("stridedSlice", [[6, 7]], (x) => tf.stridedSlice(x!, [5, 1], [0, 7], [-2, 3]));
  check("stridedSlice with masks", [[4, 5, 3]], (x) =>
    tf.stridedSlice(x!, [1, 0, 1], [2, 0, 3], [1, 1, 1], 0, 2, 0, 0, 1),
  );
  check("maximum with broadcasting", [[3, 5], [5]], (a, b) => tf.maximum(a!, b!));
  check("minimum with broadcasting", [[9], [4, 9]], (a, b) => tf.minimum(a!, b!));
  check("squaredDifference with broadcasting", [[4, 1], [9]], (a, b) => tf.squaredDifference(a!, b!));
  check("prod over a negative axis", [[3, 4]], (x) => tf.prod(x!, -1));
  check("prod over two axes", [[3, 2, 2]], (x) => tf.prod(x!, [0, 2]));
  check("cumsum over the first axis", [[4, 3]], (x) => tf.cumsum(x!, 0, true, false));
  check("where with a condition computed from x", [[4, 5]], (x) =>
    tf.where(tf.greater(x!, 0.1), tf.square(x!), tf.mul(x!, 3)),
  );
  check("gather (routing)", [[5, 4]], (x) =>
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
  );
  check(
    "conv2d",
    [
      [1, 5, 5, 2],
      [3, 3, 2, 3],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 2, "same"),
  );
});
