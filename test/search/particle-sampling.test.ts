import { expect, test } from "vitest";
import { copyOnly, evoSearch, resampling } from "../../src/search/evo-search.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { type Potential, particleSampling } from "../../src/search/particle-sampling.ts";
import { search } from "../../src/search/search.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = (chunks = 1) => searchSpace(fakeDenoiser(), { prompt: "red", chunks, steps: 10 });

test("rewards of predictions are free: N particles cost N candidates", async () => {
  const { cost, finished } = await search(spaceOf(), particleSampling({ n: 6 }), { verifier });
  expect(cost.nfe).toBe(6 * 10 * 2);
  expect(finished).toHaveLength(6);
});

test("EvoSearch without mutation, with resampling for parents, is particle sampling with roll-outs", async () => {
  const schedule = [0, 3, 7];
  const particles = particleSampling({ n: 7, schedule, potential: "rt", lambda: 4, lookahead: "rollout" });
  const evo = evoSearch({
    schedule,
    population: [7, 7, 7, 7],
    elites: 0,
    selection: resampling({ lambda: 4 }),
    mutation: copyOnly(),
    parents: "newest",
  });
  const a = await search(spaceOf(2), particles, { verifier, seed: 6 });
  const b = await search(spaceOf(2), evo, { verifier, seed: 6 });
  expect(b.finished.map((one) => one.candidate.lineage)).toEqual(
    a.finished.map((one) => one.candidate.lineage),
  );
  expect(b.finished.map((one) => one.score)).toEqual(a.finished.map((one) => one.score));
});

test("adaptive sampling with lambda 0 never resamples: it is linear search", async () => {
  const particles = await search(spaceOf(), particleSampling({ n: 5, lambda: 0, adaptive: true }), {
    verifier,
  });
  const linear = await search(spaceOf(), linearSearch({ n: 5 }), { verifier });
  expect(particles.finished.map((one) => one.score)).toEqual(linear.finished.map((one) => one.score));
  expect(particles.population).toHaveLength(5);
});

/**
 * Pixels are Gaussian, so tilting by exp(lambda r) with r = mean red shifts the mean to lambda x 0.3^2 = 0.54. The last
 * resampling is conditional on the effective size, so a sample may stop short of that: between a third and it, within
 * 0.15 (three standard errors of about 40 effective samples).
 */
test.each<Potential>(["diff", "max", "add", "rt"])(
  "potential %s tilts the sample towards reward",
  async (potential) => {
    const n = 256;
    const denoiser = fakeDenoiser({ chunkShape: [1, 1, 1, 3] });
    const space = searchSpace(denoiser, { prompt: "red", steps: 10, batchSize: n });
    const strategy = particleSampling({ n, potential, lambda: 6 });
    const { population } = await search(space, strategy, { verifier, seed: 1 });
    const mean = population.reduce((sum, one) => sum + one.score, 0) / population.length;
    expect(population).toHaveLength(n);
    expect(mean).toBeGreaterThan(0.18);
    if (potential === "diff") expect(mean).toBeLessThan(0.54 + 0.15);
  },
);

test("schedules outside the space are refused; a budget must hold all particles", async () => {
  const run = (options: Parameters<typeof particleSampling>[0], maxNfe?: number) =>
    search(spaceOf(), particleSampling(options), { verifier, ...(maxNfe !== undefined && { maxNfe }) });
  await expect(run({ n: 4, schedule: [0, 5] })).rejects.toThrow(
    '"schedule" must increase within 1 to 9: got [0, 5]',
  );
  await expect(run({ n: 4 }, 79)).rejects.toThrow(
    "its first generation costs 80 NFE: 4 particles x 10 steps (20 NFE each)",
  );
});
