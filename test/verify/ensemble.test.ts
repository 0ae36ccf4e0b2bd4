import { expect, test } from "vitest";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { averageRanks, ensemble, zScoreEnsemble } from "../../src/verify/ensemble.ts";
import { noisy } from "../../src/verify/noisy.ts";
import type { Verifier } from "../../src/verify/verifier.ts";
import { video } from "../../src/video/video.ts";
import { fakeDenoiser, redVerifier } from "../search/fake-denoiser.ts";

const fixed = (name: string, scores: readonly number[]): Verifier => ({
  name,
  score: async (inputs) => inputs.map(({ video }) => scores[video.data[0]!]!),
});
const inputs = [0, 1, 2, 3].map((i) => ({
  video: video({ numFrames: 1, height: 1, width: 1, data: new Float32Array(3).fill(i) }),
  prompt: "",
  stage: "end" as const,
}));

test("ranks ascend with the score and ties get the average rank", () => {
  expect(averageRanks([10, 30, 20, 40])).toEqual([0, 2 / 3, 1 / 3, 1]);
  expect(averageRanks([5, 1, 5, 9])).toEqual([0.5, 0, 0.5, 1]);
  expect(averageRanks([7, 7, 7])).toEqual([0.5, 0.5, 0.5]);
  expect(averageRanks([3, Number.NaN, 1])).toEqual([1, Number.NaN, 0]);
  expect(averageRanks([2])).toEqual([0.5]);
});

test("the rank rule is the weighted mean of ranks, whatever the scales", async () => {
  const members = [fixed("a", [1, 2, 3, 4]), fixed("b", [400, 300, 100, 200])];
  expect(await ensemble(members).score(inputs)).toEqual([0.5, 0.5, 1 / 3, 2 / 3]);
  const weighted = await ensemble(members, { weights: [1, 3] }).score(inputs);
  expect(weighted.map((score) => score.toFixed(4))).toEqual(["0.7500", "0.5833", "0.1667", "0.5000"]);
});

test("z-scores: relative to the candidates, or to constants", async () => {
  const member = fixed("a", [0, 2, 4, 6]);
  const relative = await zScoreEnsemble([member]).score(inputs);
  expect(relative.reduce((sum, z) => sum + z, 0)).toBeCloseTo(0);
  expect(relative[3]).toBeCloseTo(3 / Math.sqrt(5));
  const calibration = [{ mean: 2, deviation: 2 }];
  expect(await zScoreEnsemble([member], { calibration }).score(inputs)).toEqual([-1, 0, 1, 2]);
});

test("a member that failed is left out; without any verdict there is none", async () => {
  const { combine } = ensemble([fixed("a", []), fixed("b", [])]).ensemble!;
  expect(
    combine([
      [1, Number.NaN, 3],
      [5, 6, Number.NaN],
    ]),
  ).toEqual([0, 1, 1]);
  expect(
    combine([
      [Number.NaN, 1],
      [Number.NaN, 2],
    ])[0],
  ).toBeNaN();
});

test("in a search, members are ranked over all that compete, not slice by slice", async () => {
  const members = [redVerifier(), noisy(redVerifier(), 0.1), noisy(redVerifier(), 0.2)];
  const run = (batchSize: number) => {
    const space = searchSpace(fakeDenoiser(), { prompt: "red", chunks: 2, steps: 3, batchSize });
    return search(space, linearSearch({ n: 12 }), { verifier: ensemble(members), seed: 2 });
  };
  const [slices, whole] = [await run(2), await run(12)];
  expect(slices.finished.map((one) => one.score)).toEqual(whole.finished.map((one) => one.score));
  expect(slices.best.candidate.lineage).toEqual(whole.best.candidate.lineage);
  expect(slices.cost.verifierCalls).toBe(36);
  const parts = slices.finished.map((one) => one.parts!);
  const ranks = members.map((_, m) => averageRanks(parts.map((part) => part[m]!)));
  const expected = parts.map((_, i) => ranks.reduce((sum, rank) => sum + rank[i]!, 0) / 3);
  expect(slices.finished.map((one) => one.score)).toEqual(expected);
});

test("noise is a property of the clip: asked twice, the same; over clips, of the stated deviation", async () => {
  const base: Verifier = { name: "zero", score: async (all) => all.map(() => 0) };
  const verifier = noisy(base, 0.5, { seed: 3 });
  const clips = Array.from({ length: 2000 }, (_, i) => ({
    ...inputs[0]!,
    video: video({ numFrames: 1, height: 1, width: 1, data: Float32Array.of(i, i / 2, 0) }),
  }));
  const scores = await verifier.score(clips);
  expect(await verifier.score(clips.slice(5, 7))).toEqual(scores.slice(5, 7));
  const mean = scores.reduce((a, b) => a + b, 0) / 2000;
  const deviation = Math.sqrt(scores.reduce((a, b) => a + (b - mean) ** 2, 0) / 2000);
  // Four standard errors: .5 / sqrt(2000) = .011 and .5 / sqrt(4000) = .008.
  expect(Math.abs(mean)).toBeLessThan(0.045);
  expect(Math.abs(deviation - 0.5)).toBeLessThan(0.032);
});

test("empty ensembles and unfitting weights are refused", () => {
  expect(() => ensemble([])).toThrow("Cannot form an ensemble of 0 verifiers");
  expect(() => ensemble([redVerifier()], { weights: [1, 2] })).toThrow("Cannot weigh 1 verifiers by [1, 2]");
  expect(() => zScoreEnsemble([redVerifier()], { calibration: [] })).toThrow(
    "Cannot calibrate 1 verifiers with 0 entries",
  );
  expect(() => noisy(redVerifier(), -1)).toThrow(
    'Cannot add noise to a verifier as "sigma" must be at least 0: got -1.',
  );
});
