/**
 * Against SciPy 1.17.1 / NumPy 2.4.6 / statsmodels (literals below; each is the call named in the comment), against
 * enumeration, and against what must hold by theory.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as statistics from "../../src/metrics/statistics/statistics.ts";
import { rng } from "../../src/tensor/rng.ts";

const a = [0.61, 0.72, 0.55, 0.8, 0.67, 0.74, 0.59, 0.7, 0.66, 0.78];
const b = [0.58, 0.69, 0.57, 0.71, 0.6, 0.75, 0.52, 0.66, 0.61, 0.7];
const paired = statistics.differences(a, b);

describe("distributions", () => {
  it.each([
    // scipy.stats.t.cdf
    [0.5, 1, 0.6475836176504333],
    [2.0, 4, 0.9419417382415922],
    [-1.3, 9, 0.11295318633652467],
    [5, 30, 0.9999883516572665],
    [-8, 3, 0.002038288793892733],
  ])("Student's CDF at %f with %i degrees", (t, degrees, expected) => {
    expect(statistics.studentCdf(t, degrees) / expected).toBeCloseTo(1, 10);
  });

  it.each([
    // scipy.stats.t.ppf
    [0.975, 1, 12.706204736174694],
    [0.975, 4, 2.7764451051977934],
    [0.95, 29, 1.6991270265334972],
    [0.005, 12, -3.054539589392902],
  ])("Student's quantile at %f with %i degrees", (p, degrees, expected) => {
    expect(statistics.studentQuantile(p, degrees) / expected).toBeCloseTo(1, 10);
  });

  it.each([
    // scipy.stats.norm.cdf
    [-6, 9.865876450376946e-10],
    [-1.96, 0.024997895148220435],
    [-0.3, 0.3820885778110474],
    [0.7, 0.758036347776927],
    [2.5, 0.9937903346742238],
    [5, 0.9999997133484281],
  ])("the normal CDF at %f", (z, expected) => {
    expect(statistics.normalCdf(z) / expected).toBeCloseTo(1, 10);
  });

  it.each([
    // scipy.stats.norm.ppf
    [1e-8, -5.612001244174789],
    [0.01, -2.3263478740408408],
    [0.3, -0.5244005127080409],
    [0.975, 1.959963984540054],
    [0.9999, 3.719016485455709],
  ])("the normal quantile at %f", (p, expected) => {
    expect(statistics.normalQuantile(p) / expected).toBeCloseTo(1, 9);
  });
});

describe("the bootstrap", () => {
  // scipy.stats.bootstrap with 200,000 (400,000) resamples; Monte Carlo error of ours at 20,000 is about 0.0006 (0.01).
  it("agrees with SciPy on paired differences", () => {
    const percentile = statistics.pairedBootstrap(a, b, { method: "percentile", resamples: 20_000 });
    expect(percentile.estimate).toBeCloseTo(0.043, 12);
    expect(percentile.low).toBeCloseTo(0.021, 2);
    expect(percentile.high).toBeCloseTo(0.064, 2);
    const bca = statistics.pairedBootstrap(a, b, { resamples: 20_000 });
    expect(Math.abs(bca.low - 0.019)).toBeLessThan(0.0025);
    expect(Math.abs(bca.high - 0.062)).toBeLessThan(0.0025);
  });

  it("shifts with the skew as SciPy's BCa does", () => {
    const skewed = [0.1, 0.2, 0.15, 0.3, 2.5, 0.12, 0.4, 0.22, 1.1, 0.18, 0.25, 0.33];
    const bca = statistics.bootstrap(skewed, { resamples: 20_000 });
    expect(Math.abs(bca.low - 0.2425)).toBeLessThan(0.01);
    expect(Math.abs(bca.high - 1.1708)).toBeLessThan(0.04);
    const percentile = statistics.bootstrap(skewed, { resamples: 20_000, method: "percentile" });
    expect(Math.abs(percentile.low - 0.2042)).toBeLessThan(0.01);
    expect(Math.abs(percentile.high - 0.915)).toBeLessThan(0.03);
  });

  it("is seeded", () => {
    expect(statistics.bootstrap(a, { seed: 3 })).toEqual(statistics.bootstrap(a, { seed: 3 }));
    expect(statistics.bootstrap(a, { seed: 3 }).low).not.toBe(statistics.bootstrap(a, { seed: 4 }).low);
  });

  it("covers: of 200 normal samples of 20, about 95 % of the intervals hold the mean", () => {
    let covered = 0;
    for (let i = 0; i < 200; i++) {
      const { low, high } = statistics.bootstrap(Array.from(rng(5).at("cover", i).normal(20)), {
        resamples: 300,
        seed: i,
      });
      if (low <= 0 && high >= 0) covered++;
    }
    // The bootstrap undercovers a little at n = 20 (about 92 %); 200 trials have a standard error of 2 %.
    expect(covered).toBeGreaterThan(200 * 0.86);
    expect(covered).toBeLessThan(200);
  });

  it("is wider when prompts differ than if all values were independent", () => {
    const cells = Array.from({ length: 60 }, (_, i) => ({
      prompt: i % 6,
      seed: Math.floor(i / 6),
      value: (i % 6) + 0.01 * rng(1).at(i).normal(1)[0]!,
    }));
    const hierarchical = statistics.hierarchicalBootstrap(cells, { resamples: 1000 });
    const naive = statistics.bootstrap(
      cells.map((cell) => cell.value),
      { resamples: 1000 },
    );
    expect(hierarchical.estimate).toBeCloseTo(naive.estimate, 10);
    // Six prompts carry the information of 6 values, not of 60: about sqrt(10) wider.
    const ratio = (hierarchical.high - hierarchical.low) / (naive.high - naive.low);
    expect(ratio).toBeGreaterThan(2.2);
    expect(ratio).toBeLessThan(4.2);
  });
});

describe("tests on differences", () => {
  it("permutation: SciPy's exact p over all signs", () => {
    // scipy.stats.permutation_test(..., permutation_type='samples', n_resamples=inf)
    expect(statistics.permutationTest(paired)).toMatchObject({ p: 0.01171875, isExact: true });
    expect(statistics.permutationTest(paired, { alternative: "greater" }).p).toBe(0.005859375);
    const sampled = statistics.permutationTest(paired, { exactUpTo: 1, resamples: 20_000 });
    expect(sampled.isExact).toBe(false);
    expect(Math.abs(sampled.p - 0.01171875)).toBeLessThan(0.003);
  });

  it("Wilcoxon: SciPy's exact and tied p", () => {
    const clean = [1.1, -0.4, 2.3, 0.7, -1.6, 3.2, 0.9, 1.8];
    expect(statistics.wilcoxonTest(clean)).toEqual({ statistic: 30, p: 0.109375, isExact: true });
    expect(statistics.wilcoxonTest(clean, { alternative: "greater" }).p).toBe(0.0546875);
    expect(statistics.wilcoxonTest(clean, { alternative: "less" }).p).toBe(0.9609375);
    const tied = statistics.wilcoxonTest([1, 1, -1, 2, 3, -2, 4, 2, 5, 1, 3, -1]);
    expect(tied.p).toBeCloseTo(0.0394457057229412, 10);
    expect(tied.isExact).toBe(false);
  });

  it("equivalence: two one-sided t-tests", () => {
    const result = statistics.equivalenceTest(paired, 0.08);
    expect(result.lower / 1.1346292913226763e-6).toBeCloseTo(1, 8);
    expect(result.upper).toBeCloseTo(0.005622852170353834, 10);
    expect(result.p).toBe(result.upper);
    expect(statistics.equivalenceTest([0.25, 0.25, 0.25], 0.5).p).toBe(0);
    expect(statistics.equivalenceTest([0.25, 0.25, 0.25], 0.125).p).toBe(1);
  });

  it("Holm: statsmodels' multipletests", () => {
    const adjusted = statistics.holm([0.01, 0.04, 0.03, 0.005, 0.2]);
    for (const [i, expected] of [0.04, 0.09, 0.09, 0.025, 0.2].entries())
      expect(adjusted[i]).toBeCloseTo(expected, 12);
  });

  it("Holm never orders hypotheses differently and never lowers a p", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 }),
        (ps) => {
          const adjusted = statistics.holm(ps);
          ps.forEach((p, i) => {
            expect(adjusted[i]).toBeGreaterThanOrEqual(p);
            ps.forEach((q, j) => {
              if (p < q) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j]!);
            });
          });
        },
      ),
    );
  });

  it("Pearson: by hand, and only of pairs", () => {
    // Deviations (-1, 0, 1) and (-1, -1, 2): 3 / sqrt(2 * 6).
    expect(statistics.pearson([1, 2, 3], [4, 4, 7])).toBeCloseTo(3 / Math.sqrt(12), 12);
    expect(() => statistics.pearson([1, 2, 3], [1, 2])).toThrow(
      "Cannot correlate samples of 3 and 2: they must have equal length.",
    );
  });

  it("Spearman: SciPy's spearmanr, with ties", () => {
    const first = statistics.spearman([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [2, 1, 4, 3, 7, 5, 9, 10, 6, 8]);
    expect(first.estimate).toBeCloseTo(0.8181818181818182, 12);
    expect(first.p).toBeCloseTo(0.003814920082550713, 10);
    expect(first.low).toBeLessThan(first.estimate);
    const tied = statistics.spearman([1, 2, 2, 3, 5, 6, 7, 7], [1, 3, 2, 4, 4, 8, 6, 7]);
    expect(tied.estimate).toBeCloseTo(0.9091076054353293, 12);
    expect(tied.p).toBeCloseTo(0.0017516076452427768, 10);
  });
});

describe("summaries", () => {
  it("interquartile mean: SciPy's trim_mean where n divides by four, weighted cuts elsewhere", () => {
    expect(statistics.interquartileMean([5, 1, 4, 2, 8, 7, 3, 100])).toBe(4.75);
    // n = 5: the middle 2.5 values of 1..5 are 0.75 of 2, all of 3, 0.75 of 4.
    expect(statistics.interquartileMean([1, 2, 3, 4, 5])).toBeCloseTo(3, 12);
  });

  it("expected maximum: the mean over all subsets", () => {
    const scores = [0.3, 0.9, 0.1, 0.5, 0.7, 0.2];
    for (const [n, expected] of [
      [1, 0.45],
      [2, 0.64],
      [3, 0.75],
      [6, 0.9],
    ] as const) {
      expect(statistics.expectedMaximum(scores, n)).toBeCloseTo(expected, 12);
    }
    expect(() => statistics.expectedMaximum(scores, 7)).toThrow(
      "Cannot estimate the expected maximum of 7 draws as n must be an integer from 1 to the number of scores: got 6 scores.",
    );
  });

  it("expected maximum is unbiased: it grows with n and averages to the truth of a uniform", () => {
    let sum = 0;
    for (let i = 0; i < 400; i++) sum += statistics.expectedMaximum(Array.from(rng(9).at(i).uniform(12)), 4);
    // E[max of 4 uniforms] = 4/5, standard error below 0.006.
    expect(Math.abs(sum / 400 - 0.8)).toBeLessThan(0.02);
  });
});

describe("fits", () => {
  const x = [1, 2, 4, 8, 16, 32];

  it("power law: scipy.stats.linregress in logarithms", () => {
    const fit = statistics.powerLawFit(x, [0.41, 0.52, 0.6, 0.71, 0.86, 0.97]);
    expect(fit.exponent.estimate).toBeCloseTo(0.24663245204069717, 10);
    expect(Math.log(fit.scale.estimate)).toBeCloseTo(-0.857401908020239, 10);
    expect(fit.exponent.high - fit.exponent.estimate).toBeCloseTo(
      2.7764451051977934 * 0.010267536019033172,
      9,
    );
    expect(Math.log(fit.scale.high / fit.scale.estimate)).toBeCloseTo(
      2.7764451051977934 * 0.021547526110978776,
      9,
    );
    expect(fit.r2).toBeCloseTo(0.9931151949588081, 10);
  });

  it("saturating law: scipy.optimize.curve_fit", () => {
    const fit = statistics.saturatingFit(x, [0.4, 0.55, 0.66, 0.71, 0.75, 0.765]);
    expect(fit.limit.estimate).toBeCloseTo(0.8010487606624596, 5);
    expect(fit.amplitude.estimate).toBeCloseTo(0.40302214588932095, 5);
    expect(fit.exponent.estimate).toBeCloseTo(0.723756985613121, 5);
    expect(fit.limit.low).toBeLessThanOrEqual(fit.limit.estimate);
    expect(fit.predict(8)).toBeCloseTo(0.71, 1);
  });

  it("says what it cannot fit", () => {
    expect(() => statistics.powerLawFit([1, 2, 3], [1, 0, 2])).toThrow("all values must be positive: got 0");
    expect(() => statistics.linearFit([2, 2, 2], [1, 2, 3])).toThrow("all x values are equal");
  });
});

describe("NFE at equal score", () => {
  const curve = (cost: number, level: number) =>
    [0, 1, 2, 3, 4, 5].flatMap((seed) =>
      [1, 2, 4, 8, 16].map((n) => ({
        unit: seed,
        budget: n,
        nfe: 100 * n * cost,
        score: 0.5 + 0.05 * Math.log2(n) + level + 0.01 * rng(2).at(seed).normal(1)[0]!,
      })),
    );

  it("finds the known ratio of two shifted curves, exactly where noise is shared", () => {
    const result = statistics.equalScoreRatio(curve(0.3, 0), curve(1, 0), { resamples: 500 });
    expect(result.estimate).toBeCloseTo(0.3, 10);
    expect(result.score).toBeCloseTo(0.7, 1);
    expect(result.low).toBeLessThanOrEqual(0.3 + 1e-9);
    expect(result.high).toBeGreaterThanOrEqual(0.3 - 1e-9);
  });

  it("interpolates between budgets in log2 NFE", () => {
    const points = [
      { nfe: 100, score: 0 },
      { nfe: 400, score: 1 },
    ];
    expect(statistics.nfeToReach(points, 0.5)).toBeCloseTo(200, 10);
    expect(statistics.nfeToReach(points, 1.5)).toBe(Number.POSITIVE_INFINITY);
  });

  it("compares at the score of a named budget, groups resampled first", () => {
    const grouped = (scale: number) => curve(scale, 0).map((row) => ({ ...row, group: row.unit % 2 }));
    const budgets = [...new Set(curve(1, 0).map((row) => row.budget))];
    for (const atBudget of budgets.slice(1)) {
      const result = statistics.equalScoreRatio(grouped(0.3), grouped(1), { resamples: 100, atBudget });
      expect(result.estimate).toBeCloseTo(0.3, 10);
      expect(result.high).toBeCloseTo(0.3, 10);
    }
    expect(() => statistics.equalScoreRatio(curve(0.3, 0), curve(1, 0), { atBudget: 7 })).toThrow(
      "Cannot compare at budget 7 as the baseline has [",
    );
  });

  it("is refused without shared units", () => {
    const other = curve(1, 0).map((row) => ({ ...row, unit: row.unit + 10 }));
    expect(() => statistics.equalScoreRatio(curve(1, 0), other)).toThrow(
      "they share 0. Run both on the same ones.",
    );
  });
});

describe("expected choice", () => {
  it("is the mean over all subsets, by enumeration, ties to the first", () => {
    const scores = [3, 1, 3, 2, 0.5];
    const values = [10, 20, 30, 40, 50];
    for (let n = 1; n <= 5; n++) {
      const chosen: number[] = [];
      for (let set = 0; set < 32; set++) {
        const members = [0, 1, 2, 3, 4].filter((i) => set & (1 << i));
        if (members.length !== n) continue;
        chosen.push(values[members.reduce((a, b) => (scores[b]! > scores[a]! ? b : a))]!);
      }
      expect(statistics.expectedChoice(scores, values, n)).toBeCloseTo(statistics.mean(chosen), 10);
      expect(statistics.expectedChoice(scores, scores, n)).toBe(statistics.expectedMaximum(scores, n));
    }
  });
});

describe("bad input", () => {
  it("names the value that is not finite", () => {
    expect(() => statistics.bootstrap([1, Number.NaN])).toThrow(
      "Cannot compute a bootstrap interval as every value must be finite: value 1 is NaN. Drop it and report how many were dropped.",
    );
    expect(() => statistics.pairedBootstrap([1, 2], [1])).toThrow("they must have equal length: got 2 and 1");
    expect(() => statistics.permutationTest([])).toThrow("it needs at least 1 value: got 0");
    for (const resamples of [0, -1, 2.5, Number.NaN]) {
      const message = `"resamples" must be an integer of at least 10: got ${resamples}`;
      expect(() => statistics.bootstrap([1, 2], { resamples })).toThrow(message);
      expect(() => statistics.permutationTest([1, 2], { resamples })).toThrow(message);
      expect(() => statistics.saturatingFit([1, 2, 3, 4], [1, 2, 3, 4], { resamples })).toThrow(message);
    }
  });
});
