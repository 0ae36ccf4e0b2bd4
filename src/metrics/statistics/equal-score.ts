/**
 * How much NFE a method needs to reach the score of a baseline (Video-T1, 2503.18942, Table 1: "31 % of the GFLOPs"): curves
 * are means over units at each budget, joined in (log2 NFE, score); the interval resamples units, the same for both methods,
 * because they share prompts and seeds.
 *
 * At the top of two curves that flatten, equal score is ill-posed: a hair of score is worth any amount of NFE. `atBudget`
 * compares at the score that the baseline has at one of its own budgets instead.
 */
import { rng } from "../../tensor/rng.ts";
import { type BootstrapOptions, type Interval, interval } from "./bootstrap.ts";
import { requireResamples, requireSample } from "./summary.ts";

/** One measured search. */
export interface BudgetScore {
  /** What is resampled: a seed, or prompt x seed. */
  readonly unit: string | number;
  /** What is resampled first, units within it: the prompt. Default: none, all units are alike. */
  readonly group?: string | number;
  /** Points of a curve: rows of equal budget are averaged. */
  readonly budget: string | number;
  readonly nfe: number;
  readonly score: number;
}

export interface EqualScore extends Interval {
  /** The score at which the two are compared: the baseline's at `atBudget`, else the lower of the two best means. */
  readonly score: number;
  readonly methodNfe: number;
  readonly baselineNfe: number;
  /** Share of resamples in which the method never reached the score; they count as ratio Infinity. */
  readonly unreached: number;
}

interface CurvePoint {
  readonly budget: string;
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
  return [...sums]
    .map(([budget, sum]) => ({ budget, nfe: sum.nfe / sum.weight, score: sum.score / sum.weight }))
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

/** Where the curves are compared: the score, and the baseline's NFE for it. */
function targetOf(
  method: readonly CurvePoint[] | undefined,
  baseline: readonly CurvePoint[],
  atBudget: string | undefined,
): { score: number; baselineNfe: number } {
  if (atBudget !== undefined) {
    const { score, nfe } = baseline.find((point) => point.budget === atBudget)!;
    return { score, baselineNfe: nfe };
  }
  const score = method ? Math.min(best(method), best(baseline)) : best(baseline);
  return { score, baselineNfe: nfeToReach(baseline, score) };
}

export interface EqualScoreOptions extends Pick<BootstrapOptions, "level" | "resamples" | "seed"> {
  /** A budget of the baseline: the methods are compared at its score there, in each resample anew. */
  readonly atBudget?: string | number;
}

/**
 * Ratio of NFE (method / baseline) at equal score, with a percentile interval over units (groups first, where rows have
 * them). Without `atBudget` the score is the lower of the two best means, and a resample of the baseline that does not get
 * there is compared at its own best. A resample in which the method does not get there counts as Infinity.
 */
export function equalScoreRatio(
  method: readonly BudgetScore[],
  baseline: readonly BudgetScore[],
  options: EqualScoreOptions = {},
): EqualScore {
  const { level = 0.95, resamples = 2000, seed = 0 } = options;
  requireResamples("the equal-score NFE ratio", resamples);
  const atBudget = options.atBudget === undefined ? undefined : String(options.atBudget);
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
  if (atBudget !== undefined && !other.some((row) => String(row.budget) === atBudget)) {
    throw new RangeError(
      `Cannot compare at budget ${atBudget} as the baseline has [${[...new Set(other.map((row) => row.budget))].join(", ")}]. Name one of them.`,
    );
  }
  const groups = new Map<string, Set<string>>();
  for (const row of own) {
    const group = String(row.group ?? "");
    groups.set(group, (groups.get(group) ?? new Set()).add(String(row.unit)));
  }
  const members = [...groups.values()].map((of) => [...of]);
  const ownCurve = meanCurve(own, undefined);
  const point = targetOf(ownCurve, meanCurve(other, undefined), atBudget);
  const methodNfe = nfeToReach(ownCurve, point.score);
  const source = rng(seed).at("equal-score");
  const draws: number[] = [];
  let unreached = 0;
  for (let b = 0; b < resamples; b++) {
    const copies = new Map<string, number>();
    const picked = members.length === 1 ? [0] : source.at(b, "groups").ints(members.length, members.length);
    for (const [slot, which] of picked.entries()) {
      const of = members[which]!;
      for (const i of source.at(b, slot).ints(of.length, of.length))
        copies.set(of[i]!, (copies.get(of[i]!) ?? 0) + 1);
    }
    const target = targetOf(undefined, meanCurve(other, copies), atBudget);
    const score = atBudget === undefined ? Math.min(target.score, point.score) : target.score;
    const baselineNfe =
      atBudget === undefined ? nfeToReach(meanCurve(other, copies), score) : target.baselineNfe;
    const reached = nfeToReach(meanCurve(own, copies), score);
    if (!Number.isFinite(reached)) unreached++;
    draws.push(reached / baselineNfe);
  }
  const ratio = methodNfe / point.baselineNfe;
  const { low, high } = interval(ratio, draws, undefined, { level });
  return {
    estimate: ratio,
    low,
    high,
    level,
    score: point.score,
    methodNfe,
    baselineNfe: point.baselineNfe,
    unreached: unreached / resamples,
  };
}
