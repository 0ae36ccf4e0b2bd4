import { beforeAll, expect, test } from "vitest";
import type { Denoiser } from "../../src/diffusion/denoiser.ts";
import { guided } from "../../src/diffusion/guidance.ts";
import { slidingWindow } from "../../src/model/history-policy.ts";
import { evoSearch } from "../../src/search/evo-search.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { search } from "../../src/search/search.ts";
import type { SearchStrategy } from "../../src/search/strategy.ts";
import { treeOfFrames } from "../../src/search/tree-of-frames.ts";
import { useDevice } from "../../src/tensor/device.ts";
import type { Tensor } from "../../src/tensor/tf.ts";
import type { Verifier } from "../../src/verify/verifier.ts";
import { tinyModel } from "../model/tiny-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});

const verifier: Verifier = {
  name: "first value",
  score: async (inputs) => inputs.map(({ video }) => video.data[video.data.length - 1]!),
};
const strategies: readonly SearchStrategy[] = [
  treeOfFrames({ roots: 5, branch: [1, 2, 1, 2], keep: "median" }),
  evoSearch({ schedule: [0, 5, 9], population: [6, 4, 4, 4] }),
];
/** Latents of the tiny model have four channels: the first three are shown as colours. */
const codec = {
  decode: (latents: Tensor) => latents.slice([0, 0, 0, 0, 0], [-1, -1, -1, -1, 3]),
};

/** The largest batch that the network was given. */
function watched(model: Denoiser): { model: Denoiser; largest: () => number } {
  let largest = 0;
  return {
    model: {
      ...model,
      velocity(xt, ...rest) {
        largest = Math.max(largest, xt.shape[0]!);
        return model.velocity(xt, ...rest);
      },
    },
    largest: () => largest,
  };
}

for (const scale of [1, 2]) {
  test(`CausalWan with guidance ${scale}: any batch size gives the same bits, and survivors of several batches share one`, async () => {
    const network = guided(tinyModel({ history: slidingWindow({ chunks: 2 }) }), { scale });
    for (const strategy of strategies) {
      const results = [];
      for (const batchSize of [1, 3, 16]) {
        const { model, largest } = watched(network);
        const space = searchSpace(model, {
          prompt: "a red ball stays still",
          chunks: 4,
          steps: 3,
          batchSize,
          codec,
        });
        const outcome = await search(space, strategy, { verifier, seed: 3 });
        expect(space.cacheBytes).toBe(0);
        results.push({ outcome, largest: largest() });
      }
      const [alone, ...others] = results;
      for (const { outcome } of others) {
        expect(outcome.best.video.data).toEqual(alone!.outcome.best.video.data);
        expect(outcome.finished.map((one) => one.score)).toEqual(
          alone!.outcome.finished.map((one) => one.score),
        );
      }
      expect(results.map((one) => one.largest).slice(0, 2)).toEqual([1, 3]);
    }
  });
}

test("candidates that were finished in different batches are denoised in one", async () => {
  const { model, largest } = watched(tinyModel());
  const space = searchSpace(model, {
    prompt: "a red ball stays still",
    chunks: 2,
    steps: 2,
    batchSize: 4,
    codec,
  });
  const roots = Array.from({ length: 4 }, (_, i) => space.root(i, 0));
  const apart = [];
  for (const root of roots) apart.push(...(await space.advance([root], { chunk: 1, step: 0 })));
  expect(largest()).toBe(1);
  await space.advance(apart, { chunk: 2, step: 0 });
  expect(largest()).toBe(4);
});
