import { expect, test } from "vitest";
import { euler, heun, sdeDpmSolver } from "../../src/diffusion/solvers.ts";
import { shiftedSchedule } from "../../src/diffusion/timesteps.ts";
import { type Candidate, finishedChunks } from "../../src/search/candidate.ts";
import { evoSearch } from "../../src/search/evo-search.ts";
import { fleet } from "../../src/search/fleet.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { genomeNoise } from "../../src/search/noise.ts";
import { search } from "../../src/search/search.ts";
import { treeOfFrames } from "../../src/search/tree-of-frames.ts";
import { tf } from "../../src/tensor/tf.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = (batchSize = 8, canJoin = true) =>
  searchSpace(fakeDenoiser({ canJoin }), { prompt: "red", chunks: 4, steps: 4, batchSize });
const end = { chunk: 4, step: 0 };
const pixels = (candidate: Candidate) => finishedChunks(candidate).flatMap((chunk) => [...chunk]);

test("results do not depend on what is advanced together, in which order, in how many stops", async () => {
  const space = spaceOf(3);
  const roots = [0, 1, 2, 3, 4].map((i) => space.root(i, 7));
  const together = await space.advance(roots, end);
  const backwards = (await space.advance([...roots].reverse(), end)).reverse();
  const alone: Candidate[] = [];
  for (const root of roots) {
    let one = root;
    for (let elapsed = 1; elapsed <= space.numSteps; elapsed += 3) {
      [one] = (await space.advance([one], space.position(elapsed))) as [Candidate];
      space.keep([]);
    }
    alone.push((await space.advance([one], end))[0]!);
  }
  expect(backwards.map(pixels)).toEqual(together.map(pixels));
  expect(alone.map(pixels)).toEqual(together.map(pixels));
});

test("a dropped cache is rebuilt to the same bits, for candidates of different ages together", async () => {
  const space = spaceOf();
  const roots = [0, 1, 2].map((i) => space.root(i, 1));
  const [old] = await space.advance([roots[0]!], { chunk: 3, step: 2 });
  const [young] = await space.advance([roots[1]!], { chunk: 1, step: 0 });
  space.keep([]);
  const mixed = await space.advance([old!, young!, roots[2]!], end);
  expect(mixed.map(pixels)).toEqual((await spaceOf().advance(roots, end)).map(pixels));
});

test.each([true, false])(
  "searches give the same for any batch size and worker count (joinable histories: %s)",
  async (canJoin) => {
    const strategies = [
      treeOfFrames({ roots: 5, branch: 2, keep: "median" }),
      evoSearch({ schedule: [0, 5, 9], population: [6, 4, 4, 4] }),
    ];
    for (const strategy of strategies) {
      const reference = await search(spaceOf(1, canJoin), strategy, { verifier, seed: 3 });
      const others = [
        spaceOf(2, canJoin),
        spaceOf(16, canJoin),
        fleet([spaceOf(2), spaceOf(2)]),
        fleet([spaceOf(1), spaceOf(1), spaceOf(1)]),
      ];
      for (const space of others) {
        const outcome = await search(space, strategy, { verifier, seed: 3 });
        expect(outcome.best.video.data).toEqual(reference.best.video.data);
        expect(outcome.finished.map((one) => one.score)).toEqual(reference.finished.map((one) => one.score));
        expect(outcome.cost.nfe).toBe(reference.cost.nfe);
      }
    }
  },
);

test("no tensor and no history is left behind", async () => {
  const denoiser = fakeDenoiser();
  const space = searchSpace(denoiser, { prompt: "red", chunks: 4, steps: 3 });
  await search(space, treeOfFrames({ roots: 4, branch: 2 }), { verifier });
  const before = tf.memory().numTensors;
  await search(space, treeOfFrames({ roots: 4, branch: 2 }), { verifier });
  await search(space, evoSearch({ schedule: [4], population: [4, 4] }), { verifier });
  expect(denoiser.live()).toBe(0);
  expect(space.cacheBytes).toBe(0);
  // Conditions of new batch sizes are kept: at most one tensor each.
  expect(tf.memory().numTensors - before).toBeLessThanOrEqual(3);
});

test("forks share their past and pay for one cache", async () => {
  const space = spaceOf();
  const [parent] = await space.advance([space.root(0, 2)], { chunk: 2, step: 0 });
  const children = [0, 1, 2].map((i) => space.fork(parent!, i));
  const writes = space.cost().cacheWrites;
  const grown = await space.advance(children, { chunk: 3, step: 0 });
  expect(space.cost().cacheWrites - writes).toBe(1);
  const chunks = grown.map(finishedChunks);
  expect(chunks[0]![1]).toBe(chunks[2]![1]);
  expect(chunks[0]![2]).not.toEqual(chunks[1]![2]);
  expect(parent!.lineage).toEqual([0]);
});

test("NFE between positions is what the meter then says, for every solver", async () => {
  for (const solver of [euler(), heun(), sdeDpmSolver({ order: 2 })]) {
    const space = searchSpace(fakeDenoiser(), { prompt: "red", chunks: 2, steps: 4, solver });
    const stops = [1, 3, 4, 6, 8].map(space.position);
    let [candidate] = [space.root(0, 0)];
    for (const stop of stops) {
      const before = space.cost().nfe;
      const expected = space.nfe(candidate, stop);
      [candidate] = (await space.advance([candidate], stop)) as [Candidate];
      expect(space.cost().nfe - before).toBe(expected);
    }
  }
});

test("a second-order solver restarted in the middle keeps its order", async () => {
  const space = searchSpace(fakeDenoiser(), { prompt: "red", steps: 6, solver: sdeDpmSolver({ order: 2 }) });
  const [whole] = await space.advance([space.root(0, 0)], { chunk: 1, step: 0 });
  const [half] = await space.advance([space.root(0, 0)], { chunk: 0, step: 3 });
  const [rest] = await space.advance([half!], { chunk: 1, step: 0 });
  expect(pixels(rest!)).toEqual(pixels(whole!));
});

test("mutated initial noise is N(0, I): moments and Kolmogorov-Smirnov, at every rate and depth", () => {
  const space = searchSpace(fakeDenoiser(), { prompt: "red", steps: 4 });
  const n = 20_000;
  for (const rate of [0, 0.1, 0.3, 0.7, 1]) {
    let candidate = space.root(0, 11);
    for (let depth = 0; depth < 3; depth++) candidate = space.mutate(candidate, depth, { rate });
    const noise = [...genomeNoise(11, candidate.genome, 0, new Float32Array(n))].sort((a, b) => a - b);
    const mean = noise.reduce((a, b) => a + b, 0) / n;
    const variance = noise.reduce((a, b) => a + b * b, 0) / n - mean ** 2;
    // Standard errors: 1/sqrt(n) = .0071 of the mean, sqrt(2/n) = .01 of the variance; 4 of them.
    expect(Math.abs(mean)).toBeLessThan(0.029);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    const distance = noise.reduce(
      (worst, x, i) => Math.max(worst, Math.abs((i + 0.5) / n - normalCdf(x))),
      0,
    );
    // KS critical value at alpha = .001: 1.95 / sqrt(n).
    expect(distance).toBeLessThan(1.95 / Math.sqrt(n));
  }
});

test("a mutated child correlates with its parent by sqrt(1 - rate^2), also in the chunks to come", () => {
  const space = searchSpace(fakeDenoiser(), { prompt: "red", chunks: 3, steps: 4 });
  const parent = space.root(0, 5);
  const child = space.mutate(parent, 0, { rate: 0.6 });
  for (const chunk of [0, 2]) {
    const [a, b] = [parent, child].map((one) => genomeNoise(5, one.genome, chunk, new Float32Array(20_000)));
    const correlation = a!.reduce((sum, x, i) => sum + x * b![i]!, 0) / 20_000;
    expect(correlation).toBeCloseTo(0.8, 1);
  }
});

test("an intermediate mutation adds the solver's variance at that step and nothing else", async () => {
  const denoiser = fakeDenoiser({ chunkShape: [1, 64, 64, 3] });
  const space = searchSpace(denoiser, { prompt: "red", steps: 50, shift: 5 });
  const schedule = shiftedSchedule({ steps: 50, shift: 5 });
  // Reference values of the released code's noise scale (shift 5, 50 steps).
  const published = new Map([
    [5, 0.564],
    [20, 0.341],
    [30, 0.297],
    [40, 0.25],
    [45, 0.189],
  ]);
  for (const [index, sigma] of published) {
    expect(sdeDpmSolver().sigma(schedule, index)).toBeCloseTo(sigma, 3);
  }
  const [parent] = await space.advance([space.root(0, 0)], { chunk: 0, step: 20 });
  const child = space.mutate(parent!, 0, { rate: 0.3 });
  const added = child.xt!.map((value, i) => value - parent!.xt![i]!);
  const variance = added.reduce((sum, value) => sum + value * value, 0) / added.length;
  expect(Math.sqrt(variance)).toBeCloseTo(0.341, 2);
  expect(space.mutate(parent!, 1, { rate: 0.3, scale: 0 }).xt).toBe(parent!.xt);
});

test("image first: a picture with its own steps becomes the first chunk", async () => {
  const image = { denoiser: fakeDenoiser({ chunkShape: [1, 2, 2, 3] }), steps: 6, solver: euler() };
  const space = searchSpace(fakeDenoiser(), { prompt: "red", chunks: 3, steps: 4, image });
  expect(space.numSteps).toBe(6 + 4 + 4);
  expect(space.position(6)).toEqual({ chunk: 1, step: 0 });
  const [done] = await space.advance([space.root(0, 0)], { chunk: 3, step: 0 });
  expect(space.cost().nfe).toBe(6 * 1 + 8 * 2);
  const [clip] = await space.decode([done!]);
  expect(clip!.numFrames).toBe(6);
  expect(clip!.data.slice(0, 12)).toEqual(clip!.data.slice(12, 24));
  const other = { ...image, denoiser: fakeDenoiser({ chunkShape: [1, 4, 4, 3] }) };
  expect(() => searchSpace(fakeDenoiser(), { prompt: "red", steps: 4, image: other })).toThrow(
    "Cannot start from pictures of [4,4,3] as the video's frames are [2,2,3]",
  );
});

test("a preview shows the prediction behind the finished chunks", async () => {
  const space = spaceOf();
  const [one] = await space.advance([space.root(0, 0)], { chunk: 1, step: 2 });
  const [[finished], [ahead]] = [await space.decode([one!]), await space.preview([one!])];
  expect([finished!.numFrames, ahead!.numFrames]).toEqual([2, 4]);
  expect(ahead!.data.slice(0, finished!.data.length)).toEqual(finished!.data);
  await expect(space.preview([space.root(0, 0)])).rejects.toThrow(
    "Cannot show candidate [0] as nothing of it is denoised yet",
  );
});

test("an abort stops within one step and leaves the space usable", async () => {
  const space = spaceOf();
  const stop = new AbortController();
  const running = space.advance([space.root(0, 0)], end, { signal: stop.signal });
  stop.abort(new Error("stopped"));
  await expect(running).rejects.toThrow("stopped");
  expect(await space.advance([space.root(0, 0)], end)).toHaveLength(1);
});

test("impossible spaces and positions are refused", () => {
  expect(() => searchSpace(fakeDenoiser(), { prompt: "red", chunks: 0, steps: 4 })).toThrow(
    '"chunks" must be a positive integer: got 0',
  );
  expect(() => spaceOf().position(17)).toThrow("Cannot place step 17 as a candidate has 16 steps (4 chunks)");
  expect(() => spaceOf().mutate(spaceOf().root(0, 0), 0, { rate: 2 })).toThrow("Cannot mutate with rate 2");
});

/** Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7. */
function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const poly =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp(-z * z);
  return x >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}
