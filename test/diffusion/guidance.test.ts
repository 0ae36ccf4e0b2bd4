import { beforeAll, expect, test } from "vitest";
import type { Condition, Denoiser, History } from "../../src/diffusion/denoiser.ts";
import { guided } from "../../src/diffusion/guidance.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

/** v = 10 x first token + sum of the branch's finished chunks: shows which branch saw what. */
function toy(): Denoiser {
  interface Sum extends History {
    readonly sum: Tensor;
  }
  const historyOf = (sum: Tensor, numChunks: number): Sum => ({
    sum,
    numChunks,
    batch: sum.shape[0]!,
    bytes: 4 * sum.size,
    gather: (rows) => historyOf(tf.gather(sum, [...rows]), numChunks),
    dispose: () => sum.dispose(),
  });
  const perRow = (x: Tensor) => x.reshape([-1, 1, 1, 1, 1]);
  return {
    name: "toy",
    chunkShape: [1, 1, 1, 1],
    encode: (prompts) => ({ prompts, tokens: tf.tensor3d(prompts.map((p) => [[p.length]])) }),
    emptyHistory: (batch) => historyOf(tf.zeros([batch]), 0),
    velocity: (xt, _t, history, condition: Condition) =>
      xt.mul(0).add(
        perRow(
          condition.tokens
            .sum([1, 2])
            .mul(10)
            .add((history as Sum).sum),
        ),
      ),
    append: (x0, history, condition) =>
      historyOf(
        (history as Sum).sum.add(x0.sum([1, 2, 3, 4])).add(condition.tokens.sum([1, 2])),
        history.numChunks + 1,
      ),
  };
}

const valuesOf = (x: Tensor) => [...x.dataSync()];

test("v = empty + scale (prompted - empty), per row", () => {
  const network = guided(toy(), { scale: 2 });
  const condition = network.encode(["ab", "abc"]);
  const xt = tf.zeros([2, 1, 1, 1, 1]);
  // Prompted velocities 20 and 30, unprompted 0.
  expect(valuesOf(network.velocity(xt, 0.5, network.emptyHistory(2), condition))).toEqual([40, 60]);
  expect(
    valuesOf(
      guided(toy(), { scale: 0 }).velocity(xt, 0.5, guided(toy(), { scale: 0 }).emptyHistory(2), condition),
    ),
  ).toEqual([0, 0]);
});

test("each branch keeps its own history, also when rows are regrouped", () => {
  const network = guided(toy(), { scale: 2 });
  const condition = network.encode(["ab", "abc"]);
  const x0 = tf.tensor([1, 5]).reshape([2, 1, 1, 1, 1]);
  const history = network.append(x0, network.emptyHistory(2), condition);
  expect([history.batch, history.numChunks]).toEqual([2, 1]);
  const xt = tf.zeros([2, 1, 1, 1, 1]);
  // Prompted branch: 20 + (1 + 2), unprompted: 0 + 1; likewise 30 + (5 + 3) and 5.
  expect(valuesOf(network.velocity(xt, 0.5, history, condition))).toEqual([1 + 2 * 22, 5 + 2 * 33]);
  const swapped = history.gather([1]);
  expect(valuesOf(network.velocity(xt.slice([0], [1]), 0.5, swapped, network.encode(["abc"])))).toEqual([71]);
});

test("scale 1 is the bare network; a history of it is refused by the guided one", () => {
  const bare = toy();
  expect(guided(bare, { scale: 1 })).toBe(bare);
  const network = guided(bare, { scale: 2 });
  expect(() =>
    network.velocity(tf.zeros([1, 1, 1, 1, 1]), 1, bare.emptyHistory(1), network.encode(["a"])),
  ).toThrow("start from the guided denoiser's own emptyHistory()");
  expect(() => guided(bare, { scale: -1 })).toThrow('"scale" must be at least 0: got -1.');
});
