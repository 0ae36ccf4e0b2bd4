import { expect, it } from "vitest";
import { adamw, adamwSlots, linear, rng, setThreads, tf, useDevice } from "../../../src/index.ts";

it("a weight used again gives the same bits, on every number of threads, and follows the optimiser", async () => {
  await useDevice("native");
  const x = tf.tensor(rng(1).normal(40 * 70), [40, 70]);
  const bias = tf.tensor(rng(3).normal(110), [110]);
  const weight = tf.variable(tf.tensor(rng(2).normal(110 * 70), [110, 70]));
  const run = () => linear(x, weight, bias, { activation: "silu" }).dataSync();
  const first = run();
  for (const threads of [1, 2, 4]) {
    setThreads(threads);
    for (let i = 0; i < 3; i++) expect(run()).toEqual(first);
  }
  // The first step may move the weight to memory of its own, the second writes in place.
  const slots = adamwSlots([weight]);
  for (let step = 1; step <= 2; step++) {
    run();
    adamw(slots, [tf.ones([110, 70])], { learningRate: 0.1, step });
    const fresh = linear(x, weight.clone().add(0), bias, { activation: "silu" }).dataSync();
    for (let i = 0; i < 3; i++) expect(run()).toEqual(fresh);
  }
});
