import { beforeAll, describe, expect, it } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import type { OpCase } from "./contract-cases.ts";
import { gradientCases } from "./gradient-cases.ts";

/**
 * Gradients that tfjs lacks or has wrong, against central differences. Functions are at most quadratic (or smooth with
 * bounded third derivative), so that with step h = 0.02 the truncation is far below the float32 noise of eps / h ~ 1e-5
 * times the value: 2e-3 is a bound with room.
 */
function check({ name, shapes, run: f }: OpCase): void {
  it(name, () => {
    const inputs = shapes.map((shape, i) => {
      const n = shape.reduce((a, b) => a * b, 1);
      return tf.tensor(rng(3).at(name, i).normal(n), [...shape]);
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
  for (const op of gradientCases) check(op);
});
