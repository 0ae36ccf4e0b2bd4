/** A row's result is a function of the row alone: search branches and batches of any size agree to the last bit. */
import { beforeAll, describe, expect, it } from "vitest";
import {
  attention,
  gelu,
  layerNormModulate,
  linear,
  normRope,
  rng,
  type Tensor,
  tf,
  useDevice,
} from "../../../src/index.ts";

const normal = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);
const constants = () => ({
  weight: normal([50, 24], 91),
  bias: normal([50], 92),
  gain: normal([24], 93),
  cos: normal([6, 6], 94).cos(),
  sin: normal([6, 6], 94).sin(),
});

/** Functions of x [B, 6, 24]. */
const ops: Record<string, (x: Tensor, c: ReturnType<typeof constants>) => Tensor> = {
  linear: (x, c) => linear(x, c.weight, c.bias, { activation: "gelu" }),
  gelu: (x) => gelu(x),
  layerNormModulate: (x) => {
    const modulation = x.slice([0, 0, 0], [-1, 2, -1]);
    return layerNormModulate(x, modulation, modulation);
  },
  normRope: (x, c) => normRope(x, c.gain, c.cos, c.sin, 2),
  attention: (x) => attention(x, x, x, { heads: 2, chunkTokens: 2, visible: [[0], [0, 1], [0, 1, 2]] }),
  "routed attention": (x) =>
    attention(x, x, x, {
      heads: 2,
      chunkTokens: 2,
      visible: [[0], [1], [2]],
      route: { topK: 1, candidates: [[], [0], [0, 1]] },
    }),
};

describe("rows on native", () => {
  beforeAll(async () => {
    await useDevice("native");
  });

  it.each(Object.keys(ops))("%s gives a row the same bits alone and among 1, 2, 9 and 40 others", (name) => {
    const c = constants();
    const row = normal([1, 6, 24], 1);
    const alone = ops[name]!(row, c).dataSync();
    for (const others of [1, 2, 9, 40]) {
      for (const at of [0, others]) {
        const batch = tf.concat([normal([at, 6, 24], 2), row, normal([others - at, 6, 24], 3)], 0);
        const y = ops[name]!(batch, c);
        expect(y.slice([at], [1]).dataSync()).toEqual(alone);
      }
    }
  });
});
