/**
 * Tests on paired differences, and what to do when there are many: sign-flip permutation (exact up to 16 pairs),
 * Wilcoxon's signed rank, two one-sided tests for equivalence (Schuirmann 1987), Holm's step-down correction (1979).
 */
import { rng } from "../../tensor/rng.ts";
import { normalCdf, studentCdf } from "./distributions.ts";
import { mean, requireResamples, requireSample, variance } from "./summary.ts";

export type Alternative = "two-sided" | "greater" | "less";

export interface TestResult {
  readonly statistic: number;
  readonly p: number;
}

/**
 * Paired permutation test of the mean difference against zero: under the null the sign of each difference is a coin.
 * All 2^n sign patterns up to `exactUpTo` pairs; beyond, `resamples` random ones with the +1 correction.
 */
export function permutationTest(
  differences: readonly number[],
  options: { alternative?: Alternative; resamples?: number; seed?: number; exactUpTo?: number } = {},
): TestResult & { readonly isExact: boolean } {
  const { alternative = "two-sided", resamples = 9999, seed = 0, exactUpTo = 16 } = options;
  requireSample("a permutation test", differences);
  requireResamples("a permutation test", resamples);
  const n = differences.length;
  const observed = differences.reduce((sum, value) => sum + value, 0);
  // Sums of the same numbers in another order differ in the last bits; those are ties, not more extreme.
  const slack = 1e-12 * differences.reduce((sum, value) => sum + Math.abs(value), 0);
  const isExtreme = (sum: number) =>
    alternative === "greater"
      ? sum >= observed - slack
      : alternative === "less"
        ? sum <= observed + slack
        : Math.abs(sum) >= Math.abs(observed) - slack;
  let count = 0;
  if (n <= exactUpTo) {
    for (let pattern = 0; pattern < 2 ** n; pattern++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += (pattern >>> i) & 1 ? differences[i]! : -differences[i]!;
      if (isExtreme(sum)) count++;
    }
    return { statistic: observed / n, p: count / 2 ** n, isExact: true };
  }
  const source = rng(seed).at("permutation");
  for (let r = 0; r < resamples; r++) {
    const signs = source.at(r).ints(n, 2);
    let sum = 0;
    for (let i = 0; i < n; i++) sum += signs[i] === 1 ? differences[i]! : -differences[i]!;
    if (isExtreme(sum)) count++;
  }
  return { statistic: observed / n, p: (count + 1) / (resamples + 1), isExact: false };
}

/**
 * Wilcoxon's signed-rank test: zeros dropped, ties share ranks; exact by counting up to 50 differences without ties,
 * else the normal approximation without continuity correction. The statistic is the sum of positive ranks.
 */
export function wilcoxonTest(
  differences: readonly number[],
  options: { alternative?: Alternative } = {},
): TestResult & { readonly isExact: boolean } {
  const { alternative = "two-sided" } = options;
  requireSample("Wilcoxon's test", differences);
  const nonzero = differences.filter((value) => value !== 0);
  const n = nonzero.length;
  if (n === 0) return { statistic: 0, p: 1, isExact: true };
  const ranks = averageRanks(nonzero.map(Math.abs));
  const positive = nonzero.reduce((sum, value, i) => sum + (value > 0 ? ranks[i]! : 0), 0);
  const sizes = tieSizes(nonzero.map(Math.abs));
  const hasTies = sizes.some((size) => size > 1);
  if (!hasTies && n <= 50 && n === differences.length) {
    const counts = rankSumCounts(n);
    const total = 2 ** n;
    let below = 0;
    let atOrAbove = 0;
    for (const [sum, count] of counts.entries()) {
      if (sum <= positive) below += count / total;
      if (sum >= positive) atOrAbove += count / total;
    }
    return { statistic: positive, p: sided(below, atOrAbove, alternative), isExact: true };
  }
  const center = (n * (n + 1)) / 4;
  const ties = sizes.reduce((sum, size) => sum + size ** 3 - size, 0);
  const spread = Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24 - ties / 48);
  const z = (positive - center) / spread;
  return { statistic: positive, p: sided(normalCdf(z), normalCdf(-z), alternative), isExact: false };
}

function sided(below: number, above: number, alternative: Alternative): number {
  if (alternative === "greater") return above;
  if (alternative === "less") return below;
  return Math.min(1, 2 * Math.min(below, above));
}

/** Number of sign patterns of ranks 1..n whose positive ranks sum to s, for each s. */
function rankSumCounts(n: number): number[] {
  let counts = [1];
  for (let rank = 1; rank <= n; rank++) {
    const next = new Array<number>(counts.length + rank).fill(0);
    for (const [sum, count] of counts.entries()) {
      next[sum]! += count;
      next[sum + rank]! += count;
    }
    counts = next;
  }
  return counts;
}

/** Ranks from 1, ties share the mean of theirs. */
export function averageRanks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1]!] === values[order[start]!]) end++;
    for (let i = start; i <= end; i++) ranks[order[i]!] = (start + end) / 2 + 1;
    start = end + 1;
  }
  return ranks;
}

function tieSizes(values: readonly number[]): number[] {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts.values()];
}

/**
 * Equivalence of paired samples: p is the larger of the two one-sided t-tests against -margin and +margin. A small p
 * says the mean difference lies within the margin; a large p does not say that it lies outside.
 */
export function equivalenceTest(
  differences: readonly number[],
  margin: number,
): TestResult & { readonly lower: number; readonly upper: number } {
  requireSample("an equivalence test", differences, 2);
  if (!(margin > 0)) {
    throw new RangeError(`Cannot test equivalence within ${margin}: the margin must be positive.`);
  }
  const n = differences.length;
  const center = mean(differences);
  const error = Math.sqrt(variance(differences) / n);
  // Without any spread the difference is known exactly.
  const ratio = (distance: number) =>
    error === 0 ? Math.sign(distance) * Number.POSITIVE_INFINITY : distance / error;
  const lower = 1 - studentCdf(ratio(center + margin), n - 1);
  const upper = studentCdf(ratio(center - margin), n - 1);
  return { statistic: center, p: Math.max(lower, upper), lower, upper };
}

/** Holm's adjusted p-values, in the order given: reject where they are <= alpha, and the family-wise error is alpha. */
export function holm(ps: readonly number[]): number[] {
  for (const p of ps) {
    if (!(p >= 0 && p <= 1)) throw new RangeError(`Cannot correct the p-value ${p}: it must lie in [0, 1].`);
  }
  const order = ps.map((_, i) => i).sort((a, b) => ps[a]! - ps[b]!);
  const adjusted = new Array<number>(ps.length);
  let largest = 0;
  for (const [rank, index] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (ps.length - rank) * ps[index]!));
    adjusted[index] = largest;
  }
  return adjusted;
}
