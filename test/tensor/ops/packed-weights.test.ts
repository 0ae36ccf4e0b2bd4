import { beforeAll, describe, expect, it } from "vitest";
import {
  adamw,
  adamwSlots,
  hasBf16,
  linear,
  rng,
  setThreads,
  type Tensor,
  tf,
  useDevice,
} from "../../../src/index.ts";
import { setPrecision } from "../../../src/tensor/device.ts";

describe("a weight used again", () => {
  beforeAll(async () => {
    await useDevice("native");
  });

  for (const precision of ["float32", "bf16"] as const) {
    it(`gives the same bits in ${precision}, on every number of threads, and follows the optimiser`, () => {
      if (precision === "bf16" && !hasBf16()) return;
      setPrecision(precision);
      // Odd, and deeper than a block of depth; [1700, 70] is wider than a stripe of columns.
      for (const [outputs, inputs] of [
        [110, 1301],
        [1700, 70],
      ] as const) {
        const x = tf.tensor(rng(1).normal(19 * inputs), [19, inputs]);
        const bias = tf.tensor(rng(3).normal(outputs), [outputs]);
        const weight = tf.variable(tf.tensor(rng(2).normal(outputs * inputs), [outputs, inputs]));
        const run = (w: Tensor = weight) =>
          Buffer.from(linear(x, w, bias, { activation: "silu" }).dataSync().slice().buffer);
        const first = run();
        for (const threads of [1, 2, 4]) {
          setThreads(threads);
          for (let i = 0; i < 3; i++) expect(run().equals(first)).toBe(true);
        }
        // The first step may move the weight to memory of its own, the second writes in place.
        const slots = adamwSlots([weight]);
        for (let step = 1; step <= 2; step++) {
          run();
          adamw(slots, [tf.ones([outputs, inputs])], { learningRate: 0.1, step });
          const fresh = run(weight.clone().add(0));
          for (let i = 0; i < 3; i++) expect(run().equals(fresh)).toBe(true);
        }
        // Packed for one precision is not read in the other.
        const other = precision === "float32" && hasBf16() ? "bf16" : "float32";
        const here = run();
        setPrecision(other);
        run();
        const there = run();
        setPrecision(precision);
        if (other !== precision) expect(there.equals(here)).toBe(false);
        for (let i = 0; i < 3; i++) expect(run().equals(here)).toBe(true);
      }
      setPrecision("float32");
    });
  }
});
