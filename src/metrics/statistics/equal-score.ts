/**
 * How much NFE a method needs to reach the score that a baseline reaches with all of its own (Video-T1, 2503.18942,
 * Table 1: "31 % of the GFLOPs"): curves are means over units at each budget, joined in (log2 NFE, score); the interval
 * resamples units, the same for both methods, because they share prompts and seeds.
 */
import { rng } from "../../tensor/rng.ts";
import { type BootstrapOptions, type Interval, interval } from "./bootstrap.ts";
import { requireSample } from "./summary.ts";

/** One measured search. */
export interface BudgetScore {
  /** What is resampled: a seed, or prompt x seed. */
  readonly unit: string | number;
  /** Points of a curve: rows of equal budget are averaged. */
  readonly budget: string | number;
  readonly nfe: number;
  readonly score: number;
}

export interface EqualScore extends Interval {
  /** The score at which the two are compared: the lower of the two methods' best means. */
  readonly score: number;
  readonly methodNfe: number;
  readonly baselineNfe: number;
  /** Share of resamples in which the method never reached the score; they count as ratio Infinity. */
  readonly unreached: number;
}

interface CurvePoint {
  readonly nfe: number;
  readonly score: number;
}

/** Mean curve of the drawn units, by increasing NFE. */
function meanCurve(
  rows: readonly BudgetScore[],
  copies: ReadonlyMap<string, number> | undefined,
): CurvePoint[] {
  const sums = new Map<string, { nfe: number; score: number; weight: number }>();
  for (const row of rows) {
    const weight = copies ? (copies.get(String(row.unit)) ?? 0) : 1;
    if (weight === 0) continue;
    const sum = sums.get(String(row.budget)) ?? { nfe: 0, score: 0, weight: 0 };
    sum.nfe += weight * row.nfe;
    sum.score += weight * row.score;
    sum.weight += weight;
    sums.set(String(row.budget), sum);
  }
  return [...sums.values()]
    .map((sum) => ({ nfe: sum.nfe / sum.weight, score: sum.score / sum.weight }))
    .sort((a, b) => a.nfe - b.nfe);
}

/** NFE at which the curve first reaches `score`; Infinity where it never does. */
export function nfeToReach(curve: readonly { nfe: number; score: number }[], score: number): number {
  for (const [i, point] of curve.entries()) {
    if (point.score < score) continue;
    const before = curve[i - 1];
    if (!before) return point.nfe;
    const share = (score - before.score) / (point.score - before.score);
    return 2 ** (Math.log2(before.nfe) + share * (Math.log2(point.nfe) - Math.log2(before.nfe)));
  }
  return Number.POSITIVE_INFINITY;
}

const best = (curve: readonly CurvePoint[]) => Math.max(...curve.map((point) => point.score));

function ratioOf(method: readonly CurvePoint[], baseline: readonly CurvePoint[]) {
  const score = Math.min(best(method), best(baseline));
  const methodNfe = nfeToReach(method, score);
  const baselineNfe = nfeToReach(baseline, score);
  return { score, methodNfe, baselineNfe, ratio: methodNfe / baselineNfe };
}

/**
 * Ratio of NFE (method / baseline) at equal score, with a percentile interval over units. The score is the lower of the
 * two best means; a resample of the baseline that does not get there is compared at its own best, and one in which the
 * method does not get there counts as Infinity.
 */
export function equalScoreRatio(
  method: readonly BudgetScore[],
  baseline: readonly BudgetScore[],
  options: Pick<BootstrapOptions, "level" | "resamples" | "seed"> = {},
): EqualScore {
  const { level = 0.95, resamples = 2000, seed = 0 } = options;
  for (const [name, rows] of [
    ["the method", method],
    ["the baseline", baseline],
  ] as const) {
    requireSample(
      `the equal-score NFE ratio (${name})`,
      rows.map((row) => row.score),
    );
    requireSample(
      `the equal-score NFE ratio (${name})`,
      rows.map((row) => Math.log(row.nfe)),
    );
  }
  const has = new Set(baseline.map((row) => String(row.unit)));
  const units = [...new Set(method.map((row) => String(row.unit)))].filter((unit) => has.has(unit));
  if (units.length < 2) {
    throw new RangeError(
      `Cannot compare at equal score as the methods must share at least two seeds or prompts: they share ${units.length}. Run both on the same ones.`,
    );
  }
  const shared = new Set(units);
  const own = method.filter((row) => shared.has(String(row.unit)));
  const other = baseline.filter((row) => shared.has(String(row.unit)));
  const point = ratioOf(meanCurve(own, undefined), meanCurve(other, undefined));
  const source = rng(seed).at("equal-score");
  const draws: number[] = [];
  let unreached = 0;
  for (let b = 0; b < resamples; b++) {
    const copies = new Map<string, number>();
    for (const i of source.at(b).ints(units.length, units.length)) {
      copies.set(units[i]!, (copies.get(units[i]!) ?? 0) + 1);
    }
    const methodCurve = meanCurve(own, copies);
    const baselineCurve = meanCurve(other, copies);
    const target = best(baselineCurve);
    const reached = nfeToReach(methodCurve, Math.min(target, point.score));
    if (!Number.isFinite(reached)) unreached++;
    draws.push(reached / nfeToReach(baselineCurve, Math.min(target, point.score)));
  }
  const { low, high } = interval(point.ratio, draws, undefined, { level });
  return {
    estimate: point.ratio,
    low,
    high,
    level,
    score: point.score,
    methodNfe: point.methodNfe,
    baselineNfe: point.baselineNfe,
    unreached: unreached / resamples,
  };
}
