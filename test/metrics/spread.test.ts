import { describe, expect, it } from "vitest";
import { layoutFeature, pairwiseDiversity, vendiScore } from "../../src/metrics/diversity.ts";
import { driftCurve, lookDrift, worldDrift } from "../../src/metrics/drift.ts";
import { labelCoverage, modeCoverage, referenceCoverage } from "../../src/metrics/mode-coverage.ts";
import { moranStatistic, moransI, nearestNeighbours } from "../../src/metrics/moran.ts";
import { principalComponents } from "../../src/metrics/principal-components.ts";
import { rng } from "../../src/tensor/rng.ts";
import { video } from "../../src/video/video.ts";
import { worldClip } from "../../src/video/world/world.ts";
import * as corruptions from "./corruptions.ts";

describe("diversity", () => {
  it("equals the mean over ordered pairs written out", () => {
    const features = Array.from({ length: 7 }, (_, i) => rng(i).normal(5));
    const units = features.map((f) => f.map((v) => v / Math.hypot(...f)));
    let sum = 0;
    for (const [i, a] of units.entries())
      for (const [j, b] of units.entries())
        if (i !== j) for (const [k, v] of a.entries()) sum += (v - b[k]!) ** 2;
    expect(pairwiseDiversity(features)).toBeCloseTo(sum / 42, 5);
  });

  it("is 0 for copies, 2 for orthogonal samples; Vendi counts the distinct ones", () => {
    const e = (k: number) => Float32Array.from({ length: 4 }, (_, i) => (i === k ? 3 : 0));
    expect(pairwiseDiversity([e(0), e(0), e(0)])).toBeCloseTo(0, 12);
    expect(pairwiseDiversity([e(0), e(1), e(2)])).toBeCloseTo(2, 12);
    expect(vendiScore([e(0), e(0), e(0)])).toBeCloseTo(1, 9);
    expect(vendiScore([e(0), e(1), e(2), e(3)])).toBeCloseTo(4, 9);
    expect(vendiScore([e(0), e(0), e(1), e(1)])).toBeCloseTo(2, 9);
  });

  it("sees that clips of different seeds differ more than copies with noise", () => {
    const prompt = "a red ball glides sideways";
    const seeds = [0, 1, 2, 3].map((seed) => layoutFeature(worldClip(prompt, { seed }).video));
    const noisy = [0, 1, 2, 3].map((i) =>
      layoutFeature(corruptions.noise(worldClip(prompt, { seed: 0 }), i)),
    );
    expect(pairwiseDiversity(seeds)).toBeGreaterThan(10 * pairwiseDiversity(noisy));
  });

  it("refuses what has no pairs or no direction", () => {
    expect(() => pairwiseDiversity([[1]])).toThrow(/compares pairs/);
    expect(() => vendiScore([[0, 0]])).toThrow(/no direction/);
    expect(() => pairwiseDiversity([[1], [1, 2]])).toThrow(/Use one extractor/);
  });
});

describe("mode coverage", () => {
  const modes = [
    [0, 0],
    [10, 0],
    [0, 10],
  ];

  it("counts modes reached and samples on target", () => {
    const samples = [
      [0.5, 0],
      [0, 0.5],
      [9.5, 0],
      [5, 5],
    ];
    expect(modeCoverage(samples, modes, 1)).toEqual({ coverage: 2 / 3, counts: [2, 1, 0], onTarget: 0.75 });
    expect(modeCoverage(samples, modes, 1, { least: 2 }).coverage).toBeCloseTo(1 / 3, 12);
    expect(modeCoverage([], modes, 1)).toMatchObject({ coverage: 0, onTarget: 0 });
    expect(() => modeCoverage([], [], 1)).toThrow(/without modes/);
  });

  it("covers a reference that it is drawn from, and not one elsewhere", () => {
    const cloud = (seed: number, shift: number) =>
      Array.from({ length: 60 }, (_, i) =>
        rng(seed)
          .at(i)
          .normal(2)
          .map((v) => v + shift),
      );
    // Same law, N = M = 60, k = 5: 1 - (M-1)...(M-k) / ((M+N-1)...(M+N-k)) = 0.972 expected (Naeem et al., lemma 2).
    const mean =
      Array.from(
        { length: 40 },
        (_, i) => referenceCoverage(cloud(2 * i, 0), cloud(2 * i + 1, 0)).coverage,
      ).reduce((x, y) => x + y, 0) / 40;
    expect(Math.abs(mean - 0.972)).toBeLessThan(0.02);
    expect(referenceCoverage(cloud(1, 20), cloud(2, 0))).toEqual({ coverage: 0, density: 0 });
    const same = cloud(3, 0);
    expect(referenceCoverage(same, same, { k: 3 }).coverage).toBe(1);
    expect(labelCoverage(["a", "a", "z"], ["a", "b"])).toBe(0.5);
  });
});

describe("Moran's I", () => {
  it("equals the definition with a weight matrix", () => {
    const points = Array.from({ length: 12 }, (_, i) => rng(5).at(i).normal(3));
    const values = rng(6).normal(12);
    const near = nearestNeighbours(points, 3);
    const mean = values.reduce((a, b) => a + b, 0) / 12;
    let [cross, spread] = [0, 0];
    for (let i = 0; i < 12; i++) {
      spread += (values[i]! - mean) ** 2;
      for (let j = 0; j < 12; j++)
        if (near[i]!.includes(j)) cross += (values[i]! - mean) * (values[j]! - mean);
    }
    expect(moranStatistic(values, near)).toBeCloseTo(((12 / 36) * cross) / spread, 9);
  });

  it("is -1 on a checkerboard of pairs, near 1 for a smooth field, about -1/(n-1) for noise", () => {
    const line = Array.from({ length: 40 }, (_, i) => [i]);
    const r = rng(7);
    const smooth = moransI(
      Float64Array.from(line, ([x]) => Math.sin(x! / 8)),
      line,
      { neighbours: 2, rng: r },
    );
    expect(smooth.i).toBeGreaterThan(0.9);
    expect(smooth.p).toBeLessThan(0.005);
    const alternating = moransI(
      Float64Array.from(line, ([x]) => (x! % 2 === 0 ? 1 : -1)),
      line,
      { neighbours: 2, rng: r },
    );
    expect(alternating.i).toBeLessThan(-0.85);
    expect(alternating.p).toBeGreaterThan(0.99);
    // Standard error of I for 40 points with 2 neighbours is about 0.11; five of them.
    const mean = Array.from(
      { length: 25 },
      (_, k) => moransI(r.at(k).normal(40), line, { neighbours: 2, permutations: 0 }).i,
    );
    expect(mean.reduce((a, b) => a + b, 0) / 25).toBeGreaterThan(-1 / 39 - 0.11);
    expect(mean.reduce((a, b) => a + b, 0) / 25).toBeLessThan(-1 / 39 + 0.11);
  });

  it("has a uniform p-value under no structure (one in five below 0.2)", () => {
    const line = Array.from({ length: 24 }, (_, i) => [i]);
    const r = rng(8);
    const low = Array.from(
      { length: 100 },
      (_, k) =>
        moransI(r.at("values", k).normal(24), line, { neighbours: 3, permutations: 99, rng: r.at(k) }).p <=
        0.2,
    ).filter(Boolean).length;
    // Binomial(100, 0.2): outside 6..36 once in 10 000 draws; the seed is fixed.
    expect(low).toBeGreaterThan(6);
    expect(low).toBeLessThan(36);
  });

  it("names what it needs", () => {
    expect(() => moransI([1, 2], [[0]])).toThrow(/one value a point/);
    expect(() => moransI([1, 2, 3], [[0], [1], [2]])).toThrow(/at least 10 points/);
    expect(() => moransI([1, 1, 1, 1], [[0], [1], [2], [3]], { neighbours: 1, permutations: 0 })).toThrow(
      /all equal/,
    );
    expect(() => moransI([1, 2, 1, 1], [[0], [1], [2], [3]], { neighbours: 1 })).toThrow(/give rng/);
  });

  it("looks at latents through principal components: distances survive a full projection", () => {
    const points = Array.from({ length: 6 }, (_, i) => rng(9).at(i).normal(20));
    const projected = principalComponents(points, 5);
    const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Math.hypot(...Array.from(a, (v, k) => v - b[k]!));
    expect(distance(projected[0]!, projected[4]!)).toBeCloseTo(distance(points[0]!, points[4]!), 5);
    expect(() => principalComponents(points, 7)).toThrow(/give 1 to 6/);
  });
});

describe("drift", () => {
  it("fits a slope: 2 per step on a line", () => {
    expect(driftCurve([1, 3, 5, 7])).toEqual({ values: [1, 3, 5, 7], slope: 2, change: 6 });
    expect(() => driftCurve([1])).toThrow(/at least two/);
  });

  it("follows colour, contrast and saturation of any video", () => {
    const ramp = Float32Array.from({ length: 6 * 12 }, (_, i) => Math.floor(i / 12) / 5 - 0.5);
    const drift = lookDrift(video({ numFrames: 6, height: 2, width: 2, data: ramp }), 3);
    expect(drift.colour.values[0]).toBe(0);
    expect(drift.colour.change).toBeCloseTo(0.4, 6);
    expect(drift.saturation.change).toBeCloseTo(0, 12);
    expect(() => lookDrift(video({ numFrames: 1, height: 1, width: 1, data: new Float32Array(3) }))).toThrow(
      /give 2 to 1/,
    );
  });

  it("follows the oracle: none on a true clip, plain on a drifting one", () => {
    const example = worldClip("a green triangle glides vertically", { seed: 2, numFrames: 48 });
    const steady = worldDrift(example.video, example.prompt);
    expect(Math.abs(steady.relativeLoss)).toBeLessThan(0.02);
    const moving = worldDrift(corruptions.drift(example, 0), example.prompt);
    expect(moving.sceneChange.slope).toBeGreaterThan(10 * Math.abs(steady.sceneChange.slope));
    expect(moving.relativeLoss).toBeGreaterThan(0.05);
  });
});
