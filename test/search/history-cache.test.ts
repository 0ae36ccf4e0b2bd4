import { beforeAll, expect, test } from "vitest";
import type { Denoiser, History } from "../../src/diffusion/denoiser.ts";
import { guided } from "../../src/diffusion/guidance.ts";
import { slidingWindow } from "../../src/model/history-policy.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { tinyModel } from "../model/tiny-model.ts";
import { fakeDenoiser } from "./fake-denoiser.ts";

beforeAll(async () => {
  await useDevice("auto");
});

const prompt = "a red ball stays still";

/** Counts how often rows are copied out of a history. */
function counted(denoiser: Denoiser): { denoiser: Denoiser; copies: () => number } {
  let copies = 0;
  const wrapped = (history: History): History =>
    new Proxy(history, {
      get(target, key) {
        if (key !== "gather") return Reflect.get(target, key);
        return (rows: readonly number[]) => {
          copies++;
          return wrapped(target.gather(rows));
        };
      },
    });
  return {
    denoiser: {
      ...denoiser,
      emptyHistory: (batch) => wrapped(denoiser.emptyHistory(batch)),
      append: (...args) => wrapped(denoiser.append(...args)),
    },
    copies: () => copies,
  };
}

test("siblings are gathered once, then their batch goes on as it is", async () => {
  const { denoiser, copies } = counted(fakeDenoiser({ canJoin: false }));
  const space = searchSpace(denoiser, { prompt, chunks: 4, steps: 4 });
  const roots = [0, 1, 2, 3].map((i) => space.root(i, 0));
  const grown = await space.advance(roots, { chunk: 1, step: 2 });
  expect(copies()).toBe(0);
  // Two of the four go on, one of them twice: a resampled population in the middle of a chunk.
  const chosen = [grown[2]!, grown[0]!, grown[2]!].map((parent, i) => space.fork(parent, i));
  space.keep(chosen);
  const next = await space.advance(chosen, { chunk: 2, step: 1 });
  expect(copies()).toBe(1);
  await space.advance(next, { chunk: 4, step: 0 });
  expect(copies()).toBe(1);
});

test("a batch in another order than its histories is put in theirs: nothing is copied", async () => {
  const { denoiser, copies } = counted(fakeDenoiser());
  const space = searchSpace(denoiser, { prompt, chunks: 3, steps: 2 });
  const roots = [0, 1, 2, 3].map((i) => space.root(i, 0));
  const grown = await space.advance(roots, { chunk: 1, step: 0 });
  const there = await space.advance(grown, { chunk: 2, step: 0 });
  const back = await space.advance([...grown].reverse(), { chunk: 2, step: 0 });
  expect(copies()).toBe(0);
  expect(back.reverse().map((one) => one.finished!.latents)).toEqual(
    there.map((one) => one.finished!.latents),
  );
});

test.each([1, 2])("bytes shared by several histories count once (guidance %d)", async (scale) => {
  const model = guided(tinyModel({ history: slidingWindow({ chunks: 4 }) }), { scale });
  const space = searchSpace(model, { prompt, chunks: 5, steps: 2 });
  const roots = [0, 1, 2].map((i) => space.root(i, 0));
  await space.advance(roots, { chunk: 3, step: 1 });
  // One buffer of 8 chunks for 3 candidates: keys and values of 2 layers, 24 wide, 8 tokens a chunk; and the chunks that
  // waited for their keys are gone.
  const buffer = 4 * 3 * scale * 8 * 8 * 24 * 2 * 2;
  expect(space.cacheBytes).toBeGreaterThanOrEqual(buffer);
  expect(space.cacheBytes).toBeLessThan(1.2 * buffer);
});
