import { beforeAll, describe, expect, it } from "vitest";
import {
  attention,
  flowMatchingLoss,
  layerNormModulate,
  linear,
  rng,
  type Tensor,
  tf,
  useDevice,
} from "../../../src/index.ts";
import { hasKernel, together, withGradient, withoutGradient } from "../../../src/tensor/ops/fused.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);

describe("the tape", () => {
  beforeAll(async () => {
    await useDevice("native");
  });

  it("computes only the gradients that are wanted", () => {
    const asked: string[] = [];
    const product = (a: Tensor, b: Tensor): Tensor =>
      withGradient(
        { a, b },
        () => a.mul(b),
        (dy) => ({
          a: () => {
            asked.push("a");
            return dy.mul(b);
          },
          b: () => {
            asked.push("b");
            return dy.mul(a);
          },
        }),
      );
    const b = tf.scalar(3);
    expect(
      tf
        .grad((a: Tensor) => product(a, b))(tf.scalar(2))
        .dataSync()[0],
    ).toBe(3);
    expect(asked).toEqual(["a"]);
  });

  it("runs a kernel of several gradients once", () => {
    let runs = 0;
    const sum = (a: Tensor, b: Tensor): Tensor =>
      withGradient(
        { a, b },
        () => a.add(b),
        (dy) => {
          const both = together(() => {
            runs++;
            return [dy.clone(), dy.mul(2)];
          });
          return { a: both(0), b: both(1) };
        },
      );
    const [da, db] = tf.grads(sum)([tf.scalar(1), tf.scalar(1)]);
    expect([da!.dataSync()[0], db!.dataSync()[0], runs]).toEqual([1, 2, 1]);
  });

  it("takes what is wrapped for a constant", () => {
    const gradient = tf.grad((x: Tensor) => x.mul(withoutGradient(() => x.square())))(tf.scalar(3));
    expect(gradient.dataSync()[0]).toBe(9);
  });

  it("leaves no tensors behind, step after step", () => {
    expect(hasKernel("Fused.Attention")).toBe(true);
    const x = normal([2, 12, 8], 1);
    const weight = tf.variable(normal([8, 8], 2));
    const modulation = tf.variable(normal([2, 3, 8], 3));
    const step = () =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(() => {
          const h = layerNormModulate(
            linear(x, weight, null, { activation: "gelu" }),
            modulation,
            modulation,
          );
          const options = { heads: 2, chunkTokens: 4, visible: [[0], [1], [2]] };
          const route = { topK: 1, candidates: [[], [0], [0, 1]] };
          return flowMatchingLoss(attention(h, h, h, { ...options, route }), x) as tf.Scalar;
        });
        return [value, ...Object.values(grads)].map((t) => t.dataSync()[0]);
      });
    const first = step();
    step();
    const before = tf.memory().numTensors;
    for (let i = 0; i < 5; i++) expect(step()).toEqual(first);
    expect(tf.memory().numTensors).toBe(before);
  });
});
