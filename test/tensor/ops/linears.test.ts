import { beforeAll, describe, expect, it } from "vitest";
import { hasBf16, linear, linears, rng, setThreads, type Tensor, tf, useDevice } from "../../../src/index.ts";
import { setPrecision } from "../../../src/tensor/device.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);
const bytes = (x: Tensor): Buffer => Buffer.from(x.dataSync().slice().buffer);
const layersOf = (inputs: number) =>
  [50, 96, 17].map((n, i) => ({
    weight: normal([n, inputs], 10 + i),
    ...(i !== 1 && { bias: normal([n], 20 + i) }),
  }));

describe.each(["native", "wasm"] as const)("linears on %s", (backend) => {
  beforeAll(async () => {
    await useDevice(backend);
  });

  for (const precision of ["float32", "bf16"] as const) {
    it(`gives the bits of linear in ${precision}, packed or not, and the same gradients on 1, 2 and 4 threads`, () => {
      if (precision === "bf16" && (backend === "wasm" || !hasBf16())) return;
      setPrecision(precision);
      const layers = layersOf(70);
      for (const rows of [1, 9, 400]) {
        const x = normal([rows, 70], 1);
        const apart = layers.map(({ weight, bias }) => bytes(linear(x, weight, bias)));
        let first: Buffer[] | undefined;
        for (const threads of [1, 2, 4]) {
          setThreads(threads);
          // The third use of a weight is of its packed form.
          for (let use = 0; use < 3; use++) expect(linears(x, layers).map(bytes)).toEqual(apart);
          const all = [x, ...layers.flatMap(({ weight, bias }) => (bias ? [weight, bias] : [weight]))];
          const gradients = tf
            .grads((input) => tf.sum(tf.square(tf.concat(linears(input!, layers), 1))))(all.slice(0, 1))
            .concat(
              all
                .slice(1)
                .map(
                  (parameter) =>
                    tf.grads(() => tf.sum(tf.square(tf.concat(linears(x, layers), 1))))([parameter])[0]!,
                ),
            )
            .map(bytes);
          first ??= gradients;
          expect(gradients).toEqual(first);
        }
      }
      setPrecision("float32");
      setThreads(2);
    });
  }

  it("gives a gradient where only one of the layers is used", () => {
    const layers = layersOf(6);
    const x = normal([4, 6], 2);
    const some = tf.grad((input) => tf.sum(linears(input, layers)[1]!))(x);
    const alone = tf.grad((input) => tf.sum(linear(input, layers[1]!.weight)))(x);
    expect(tf.max(tf.abs(tf.sub(some, alone))).dataSync()[0]).toBeLessThan(1e-5);
  });

  it("names what is wrong with the layers", () => {
    const x = normal([4, 6], 2);
    expect(() => linears(x, [])).toThrow(
      "Cannot apply linear layers as there must be 1 to 16 of them: got 0.",
    );
    expect(() => linears(x, [...layersOf(6), { weight: normal([3, 5], 1) }])).toThrow(
      "must match the last axis of x: got weight [3,5] and x [4,6]",
    );
  });
});
