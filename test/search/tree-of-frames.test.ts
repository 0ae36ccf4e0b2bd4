import { expect, test } from "vitest";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { treeOfFrames } from "../../src/search/tree-of-frames.ts";
import type { Stage, Verifier } from "../../src/verify/verifier.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = (chunks = 4) => searchSpace(fakeDenoiser(), { prompt: "red", chunks, steps: 4 });
const chunkNfe = 4 * 2;

test("without branching and pruning it is linear search", async () => {
  const tree = await search(spaceOf(), treeOfFrames({ roots: 5, keep: "all" }), { verifier, seed: 4 });
  const linear = await search(spaceOf(), linearSearch({ n: 5 }), { verifier, seed: 4 });
  expect(tree.finished.map((one) => one.score)).toEqual(linear.finished.map((one) => one.score));
  expect(tree.best.video.data).toEqual(linear.best.video.data);
  expect(tree.cost.nfe).toBe(linear.cost.nfe);
});

test("halving every level costs 2N + T expansions, not N T: what a root more costs does not grow with T", async () => {
  const expanded = async (
    roots: number,
    chunks: number,
    strategy = treeOfFrames({ roots, keep: "median" }),
  ) => (await search(spaceOf(chunks), strategy, { verifier })).cost.nfe / chunkNfe;
  expect(await expanded(8, 16, treeOfFrames({ roots: 8, keep: [4, 2, 1] }))).toBe(8 + 4 + 2 + 13);
  const perRoot = async (chunks: number) => ((await expanded(16, chunks)) - (await expanded(4, chunks))) / 12;
  // 16 + 8 + 4 + 2 + 1 + ... against 4 + 2 + 1 + 1 + 1 + ...
  expect(await perRoot(6)).toBe((16 + 8 + 4 + 2 - (4 + 2 + 1 + 1)) / 12);
  expect([await perRoot(8), await perRoot(16)]).toEqual([await perRoot(6), await perRoot(6)]);
  const linear = async (n: number, chunks: number) => expanded(n, chunks, linearSearch({ n }));
  expect(((await linear(16, 16)) - (await linear(4, 16))) / 12).toBe(16);
});

test("branching by schedule and at stage switches", async () => {
  const bySchedule = await search(spaceOf(), treeOfFrames({ roots: 3, branch: [2, 3], keep: [2, "all"] }), {
    verifier,
  });
  expect(bySchedule.cost.nfe).toBe((6 + 6 + 6 + 6) * chunkNfe);
  const atSwitches = await search(spaceOf(), treeOfFrames({ roots: 3, branch: 2, keep: "all" }), {
    verifier,
  });
  // scene | motion motion | end: switches before chunks 1 and 3.
  expect(atSwitches.cost.nfe).toBe((3 + 6 + 6 + 12) * chunkNfe);
  expect(new Set(atSwitches.finished.map((one) => one.score)).size).toBe(12);
});

test("stages follow the video, and only the last verdict chooses", async () => {
  const asked: Stage[] = [];
  const noting: Verifier = {
    name: "noting",
    async score(inputs) {
      asked.push(...inputs.map((input) => input.stage));
      return verifier.score(inputs);
    },
  };
  const { best, finished } = await search(spaceOf(), treeOfFrames({ roots: 2, keep: "all" }), {
    verifier: noting,
  });
  expect(asked).toEqual(["scene", "scene", "motion", "motion", "motion", "motion", "end", "end"]);
  expect(best.score).toBe(Math.max(...finished.map((one) => one.score)));
});

test("pruning with the true final score never drops the best", async () => {
  const space = spaceOf();
  for (let seed = 0; seed < 5; seed++) {
    const whole = await search(space, linearSearch({ n: 8 }), { verifier, seed });
    const truth = new Map(whole.finished.map((one) => [one.candidate.lineage.join(), one.score]));
    const order = whole.finished.map((one) => one.score);
    let asked = 0;
    let alive = order.map((_, i) => i);
    const clairvoyant: Verifier = {
      name: "clairvoyant",
      async score(inputs) {
        // Every level asks about the survivors in order; the verdict is the score their finished video will have.
        const scores = inputs.map((_, i) => order[alive[i]!]!);
        if (++asked < 4) {
          const median = [...scores].sort((a, b) => b - a)[Math.ceil(scores.length / 2) - 1]!;
          alive = alive.filter((_, i) => scores[i]! >= median);
        }
        return scores;
      },
    };
    const strategy = treeOfFrames({ roots: 8, keep: "median", heuristic: "last" });
    const { best, cost } = await search(space, strategy, { verifier: clairvoyant, seed });
    expect(best.score).toBe(Math.max(...truth.values()));
    expect(best.video.data).toEqual(whole.best.video.data);
    expect(cost.nfe).toBe((8 + 4 + 2 + 1) * chunkNfe);
  }
});

test("hopeless pictures stop in the middle of the first chunk; unclear ones go on", async () => {
  const strategy = treeOfFrames({ roots: 8, keep: "all", image: { at: [2], keep: 3 } });
  const { cost, events } = await search(spaceOf(2), strategy, { verifier });
  expect(cost.nfe).toBe(8 * 2 * 2 + 3 * 2 * 2 + 3 * chunkNfe);
  expect(events.find((event) => event.type === "pruned")).toMatchObject({
    reason: "no potential after step 2",
  });

  const blind: Verifier = { name: "unclear", score: async (inputs) => inputs.map(() => 0) };
  const unclear = treeOfFrames({ roots: 8, keep: "all", image: { at: [2], clarity: blind, keep: 3 } });
  expect((await search(spaceOf(2), unclear, { verifier })).cost.nfe).toBe(8 * 2 * chunkNfe);
});

test("a budget shrinks the tree but always finishes one video", async () => {
  const strategy = treeOfFrames({ roots: 4, keep: "all" });
  const { cost, finished } = await search(spaceOf(), strategy, { verifier, maxNfe: 80 });
  expect(cost.nfe).toBeLessThanOrEqual(80);
  expect(finished.length).toBeGreaterThanOrEqual(1);
  await expect(search(spaceOf(), strategy, { verifier, maxNfe: 50 })).rejects.toThrow(
    "Cannot run tree-of-frames within maxNfe = 50 as its first generation costs 56 NFE: 4 first chunks x 8 NFE + 24 NFE to finish one of them.",
  );
});

test("schedules outside the space are refused", async () => {
  expect(() => treeOfFrames({ roots: 0 })).toThrow('"roots" must be a positive integer: got 0');
  const run = (options: Parameters<typeof treeOfFrames>[0]) =>
    search(spaceOf(), treeOfFrames(options), { verifier });
  await expect(run({ roots: 2, judgeAt: [4] })).rejects.toThrow(
    '"judgeAt" names chunk 4: the space has chunks 0 to 3',
  );
  await expect(run({ roots: 2, branch: [1, 1, 1, 1, 2] })).rejects.toThrow('"branch" has 5 entries');
  await expect(run({ roots: 2, image: { at: [3, 4] } })).rejects.toThrow(
    '"image.at" must increase within 1 to 3: got [3, 4]',
  );
});
