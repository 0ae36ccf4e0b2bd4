import { beforeAll, describe, expect, it } from "vitest";
import { linear, rng, type Tensor, tf, useDevice } from "../../../src/index.ts";
import { takeSum } from "../../../src/tensor/ops/backward.ts";
import { withGradient } from "../../../src/tensor/ops/fused.ts";

const values = (x: Tensor | undefined): number[] => [...x!.dataSync()];

for (const backend of ["native", "cpu"] as const) {
  describe(`the backward pass on ${backend}`, () => {
    beforeAll(async () => {
      await useDevice(backend);
    });

    it("sums what flows together, and leaves the parts that others hold", () => {
      // x is used four times; two of the gradients are one tensor, two are views of another.
      const twice = tf.customGrad((a, b) => ({
        value: tf.add(a as Tensor, b as Tensor),
        gradFunc: (dy: Tensor) => [dy, dy],
      }));
      const f = (x: Tensor): Tensor => twice(twice(x, x.mul(2)), tf.add(x.mul(3), x.reshape([2]).mul(x)));
      const x = tf.tensor1d([1, -2]);
      // d/dx of x + 2x + 3x + x^2
      expect(values(tf.grad(f)(x))).toEqual([8, 2]);
      expect(values(x)).toEqual([1, -2]);
    });

    it("does not touch a gradient that the caller gave", () => {
      const dy = tf.tensor1d([1, 2]);
      const gradient = tf.grad((x: Tensor) => linear(x.expandDims(0), tf.eye(2)).reshape([2]));
      expect(values(gradient(tf.tensor1d([3, 4]), dy))).toEqual([1, 2]);
      expect(values(dy)).toEqual([1, 2]);
    });

    it("returns a gradient that is also a saved or a kept tensor", () => {
      const constant = tf.keep(tf.tensor1d([5, 6]));
      const saving = tf.customGrad((x, save) => {
        const slope = tf.tensor1d([7, 8]);
        (save as (tensors: Tensor[]) => void)([slope]);
        return { value: tf.sum(x as Tensor), gradFunc: (_: Tensor, saved: Tensor[]) => saved[0]! };
      });
      const keeping = tf.customGrad((x) => ({
        value: tf.sum(x as Tensor),
        gradFunc: () => constant,
      }));
      const x = tf.tensor1d([1, 1]);
      expect(values(tf.grad((a: Tensor) => saving(a.mul(2)))(x))).toEqual([14, 16]);
      expect(values(tf.grad((a: Tensor) => saving(a))(x))).toEqual([7, 8]);
      expect(values(tf.grad((a: Tensor) => tf.add(keeping(a), keeping(a.mul(2))))(x))).toEqual([15, 18]);
      expect(values(constant)).toEqual([5, 6]);
    });

    it("serves gradients of gradients, and gradients inside a backward pass", () => {
      const cube = (x: Tensor): Tensor => x.mul(x).mul(x);
      const x = tf.tensor1d([2, 3]);
      expect(values(tf.grad((a: Tensor) => tf.grad(cube)(a))(x))).toEqual([12, 18]);
      // Recomputation: the forward pass is run again when its gradient is asked for.
      const recomputed = (a: Tensor): Tensor =>
        withGradient(
          { a },
          (save) => {
            save([a]);
            return cube(a);
          },
          (dy, [a0]) => ({ a: () => tf.grad(cube)(a0!, dy) }),
        );
      expect(values(tf.grad((a: Tensor) => recomputed(recomputed(a)).add(recomputed(a)))(x))).toEqual([
        9 * 2 ** 8 + 12,
        9 * 3 ** 8 + 27,
      ]);
    });

    it("says which op has no gradient and which inputs do not reach the value", () => {
      expect(() => tf.grad(() => tf.scalar(1))(tf.scalar(2))).toThrow("encloses all operations");
      const wrong = tf.customGrad((x) => ({
        value: tf.sum(x as Tensor),
        gradFunc: () => tf.zeros([3]),
      }));
      expect(() => tf.grad((x: Tensor) => wrong(x))(tf.zeros([2]))).toThrow("does not match the shape");
    });
  });
}

describe("the backward pass in memory", () => {
  beforeAll(async () => {
    await useDevice("native");
  });

  it("offers the sum so far only where nobody else can see it change", () => {
    const offers: boolean[] = [];
    const watched = (a: Tensor): Tensor =>
      withGradient(
        { a },
        () => a.clone(),
        (dy) => ({
          a: () => {
            const sum = takeSum();
            offers.push(sum !== undefined);
            return sum ? tf.add(sum, dy) : dy.clone();
          },
        }),
      );
    const [da] = tf.grads((a: Tensor) => tf.add(watched(a).mul(2), watched(a).mul(3)))([tf.scalar(1)]);
    expect(values(da)).toEqual([5]);
    expect(offers).toEqual([false, true]);
  });

  it("gives the same gradients as tape and sums of copies", () => {
    const [x, a, b] = [
      [6, 8],
      [8, 8],
      [8, 8],
    ].map((shape, i) => tf.tensor2d(rng(i).normal(shape[0]! * shape[1]!), shape as [number, number]));
    const loss = (copies: boolean) => (w: Tensor, v: Tensor, y: Tensor) => {
      const h = tf.relu(y);
      const again = copies ? tf.relu(y) : h;
      return tf.sum(tf.add(linear(h, w), tf.add(linear(again, v), again)).square());
    };
    const inPlace = tf.grads(loss(false))([a!, b!, x!]).map(values);
    const apart = tf.grads(loss(true))([a!, b!, x!]).map(values);
    inPlace.forEach((list, i) => {
      list.forEach((value, j) => {
        expect(Math.abs(value - apart[i]![j]!)).toBeLessThan(1e-4);
      });
    });
  });

  it("holds no more of a deep network than what its forward pass saved", () => {
    const depth = 40;
    const width = 1 << 18;
    let deepest = 0;
    const layer = (a: Tensor): Tensor =>
      withGradient(
        { a },
        (save) => {
          save([a]);
          return a.mul(2);
        },
        (dy) => ({
          a: () => {
            deepest = Math.max(deepest, tf.memory().numTensors);
            return dy.mul(2);
          },
        }),
      );
    const x = tf.ones([width]);
    const before = tf.memory().numTensors;
    const deep = (a: Tensor): Tensor => {
      let h = a;
      for (let i = 0; i < depth; i++) h = layer(h);
      return tf.sum(h);
    };
    const gradient = tf.grad(deep)(x);
    expect(gradient.dataSync()[0]).toBe(2 ** depth);
    // One saved tensor a layer; with all gradients kept there would be two.
    expect(deepest - before).toBeLessThan(depth + 12);
    tf.dispose([gradient, x]);
  });
});
