import { describe, expect, test } from "vitest";
import { evoSearch, noiseMutation, tournament } from "../../src/search/evo-search.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();

/** One latent frame a clip, so that NFE counts calls as EvoSearch's own formula does. */
const clipSpace = (steps = 50) =>
  searchSpace(fakeDenoiser({ chunkShape: [1, 1, 1, 3] }), { prompt: "red", steps, batchSize: 64 });

describe("NFE from the meter equals k_0 T + sum k_(j+1) (T - t_j)", () => {
  test.each([
    [[0, 20, 30, 40], [42, 26, 26, 26, 30], 5000],
    [[5, 20, 30, 40], [14, 7, 7, 7, 10], 1465],
    [[5, 20, 30, 45], [10, 5, 5, 5, 5], 1000],
    [[0, 10], [60, 40, 50], 7000],
  ])("schedule %j population %j: %i", async (schedule, population, nfe) => {
    const { cost, finished } = await search(clipSpace(), evoSearch({ schedule, population, elites: 2 }), {
      verifier,
    });
    expect(cost.nfe).toBe(nfe);
    expect(cost.calls).toBe(nfe);
    expect(finished).toHaveLength(population.reduce((a, b) => a + b));
  });
});

test("one generation is best-of-N", async () => {
  const evo = await search(clipSpace(8), evoSearch({ schedule: [], population: [9], elites: 0 }), {
    verifier,
    seed: 2,
  });
  const linear = await search(clipSpace(8), linearSearch({ n: 9 }), { verifier, seed: 2 });
  expect(evo.best.video.data).toEqual(linear.best.video.data);
  expect(evo.finished.map((one) => one.score)).toEqual(linear.finished.map((one) => one.score));
});

test("children are born at the state before the scheduled step, elites pass unchanged", async () => {
  const space = clipSpace(8);
  const { events, finished } = await search(
    space,
    evoSearch({ schedule: [0, 4], population: [6, 4, 4], elites: 1 }),
    { verifier },
  );
  const born = events.filter((event) => event.type === "born");
  expect(born.filter((event) => event.origin === "root")).toHaveLength(6);
  expect(born.filter((event) => event.origin === "elite").map((event) => event.step)).toEqual([0, 4]);
  expect(born.filter((event) => event.origin === "mutate").map((event) => event.step)).toEqual([
    0, 0, 0, 4, 4, 4,
  ]);
  const lineages = finished.map((one) => one.candidate.lineage.join("."));
  expect(new Set(lineages).size).toBe(14);
});

test("an elite of a deterministic solver repeats its parent's video exactly", async () => {
  const { euler } = await import("../../src/diffusion/solvers.ts");
  const space = searchSpace(fakeDenoiser(), { prompt: "red", chunks: 2, steps: 4, solver: euler() });
  const strategy = evoSearch({
    schedule: [0, 4],
    population: [5, 2, 2],
    elites: 1,
    mutation: noiseMutation({ rate: 0.3 }),
  });
  const { finished } = await search(space, strategy, { verifier });
  const first = Math.max(...finished.slice(0, 5).map((one) => one.score));
  expect(finished[5]!.score).toBe(first);
  const second = Math.max(...finished.slice(0, 7).map((one) => one.score));
  expect(finished[7]!.score).toBe(second);
});

test("it climbs: later generations are better on average", async () => {
  const strategy = evoSearch({ schedule: [0, 2, 4, 6], population: [16, 16, 16, 16, 16], elites: 2 });
  const { events } = await search(clipSpace(8), strategy, { verifier, seed: 1 });
  const means = events.filter((event) => event.type === "generation").map((event) => event.mean);
  expect(means).toHaveLength(5);
  expect(means.at(-1)!).toBeGreaterThan(means[0]! + 0.1);
});

test("children bred before the last step of a clip are copies, those bred a step earlier are not", async () => {
  const space = clipSpace(8);
  for (const [elapsed, areCopies] of [
    [7, true],
    [6, false],
  ] as const) {
    const [parent] = await space.advance([space.root(0, 3)], space.position(elapsed));
    const child = noiseMutation({ rate: 1 }).apply(space, parent!, 0);
    const [own, bred] = await space.advance([parent!, child], { chunk: 1, step: 0 });
    const isSame = own!.finished!.latents.every((value, i) => value === bred!.finished!.latents[i]);
    expect(isSame).toBe(areCopies);
  }
});

test("a budget stops before a generation it cannot hold, and one below k_start says the sum", async () => {
  const strategy = evoSearch({ schedule: [0, 4], population: [4, 4, 4] });
  const { cost, finished } = await search(clipSpace(8), strategy, { verifier, maxNfe: 70 });
  expect(finished).toHaveLength(9);
  expect(cost.nfe).toBe(32 + 32 + 4);
  await expect(search(clipSpace(8), strategy, { verifier, maxNfe: 31 })).rejects.toThrow(
    'first generation costs 32 NFE: 4 candidates x 8 steps (8 NFE each). Lower "population"',
  );
});

test("options that do not fit are refused with their values", async () => {
  expect(() => evoSearch({ schedule: [0], population: [4] })).toThrow(
    '"population" must have one entry more than "schedule": got 1 and 1',
  );
  expect(() => evoSearch({ schedule: [0], population: [4, 2], elites: 3 })).toThrow(
    "3 elites as the smallest population is 2",
  );
  expect(() => tournament({ size: 0 })).toThrow('"size" must be a positive integer: got 0');
  await expect(
    search(clipSpace(8), evoSearch({ schedule: [8], population: [4, 4] }), { verifier }),
  ).rejects.toThrow('"schedule" must increase within 0 to 7: got [8]');
});
