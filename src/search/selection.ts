/**
 * How candidates are chosen by score: pruning a level of a tree, tournaments for parents, resampling of particles.
 * All of them take scores (-Infinity = failed) and return indices; ties go to the earlier candidate.
 */
import type { Rng } from "../tensor/rng.ts";
import { ranking } from "./strategy.ts";

/**
 * Which part of a level survives: the best `k`, those at or above the mean or median, or "all" that did not fail.
 * The median keeps `score > median or rank <= ceil(n / 2)`, so ties cannot keep a whole level alive as they do in
 * Video-T1's released code.
 */
export type Keep = number | "mean" | "median" | "all";

/** Surviving indices, best first; at least one unless `scores` is empty. */
export function survivors(scores: readonly number[], keep: Keep): number[] {
  const order = ranking(scores);
  const alive = order.filter((i) => scores[i]! > -Infinity);
  if (alive.length === 0) return order.slice(0, 1);
  if (typeof keep === "number") return alive.slice(0, Math.max(1, keep));
  if (keep === "all") return alive;
  const values = alive.map((i) => scores[i]!);
  if (keep === "mean") {
    // Subtracting the best first keeps the mean of equal scores exact, so that they all survive.
    const mean = values[0]! + values.reduce((sum, value) => sum + (value - values[0]!), 0) / values.length;
    return alive.filter((i) => scores[i]! >= mean);
  }
  const half = Math.ceil(values.length / 2);
  const middle = values.length % 2 === 1 ? values[half - 1]! : (values[half - 1]! + values[half]!) / 2;
  return alive.filter((i, rank) => scores[i]! > middle || rank < half);
}

/**
 * The winner among `size` distinct candidates drawn at random (all of them when there are fewer).
 * @param size 1 = a uniformly random parent; larger = stronger pressure
 */
export function tournamentWinner(scores: readonly number[], size: number, rng: Rng): number {
  const drawn = [...rng.permutation(scores.length)].slice(0, Math.max(1, size));
  return drawn.sort((a, b) => scores[b]! - scores[a]! || a - b || 0)[0]!;
}

/** `n` draws with replacement, in proportion to `weights`; equal odds where no weight is positive. */
export function multinomial(weights: readonly number[], n: number, rng: Rng): number[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const odds = total > 0 && Number.isFinite(total) ? weights : weights.map(() => 1);
  const sum = odds.reduce((a, b) => a + b, 0);
  const last = odds.findLastIndex((weight) => weight > 0);
  return [...rng.uniform(n)].map((u) => {
    let rest = u * sum;
    for (let i = 0; i < last; i++) {
      rest -= odds[i]!;
      if (rest < 0) return i;
    }
    return last;
  });
}

/** FK steering's guard: NaN counts as 0, and no weight exceeds 1e10. */
export function clampWeight(weight: number): number {
  return Number.isNaN(weight) ? 0 : Math.min(Math.max(weight, 0), 1e10);
}

/** Effective sample size 1 / sum(w^2) of the normalised weights, between 1 and their number. */
export function effectiveSize(weights: readonly number[]): number {
  const sum = weights.reduce((a, b) => a + b, 0);
  if (!(sum > 0)) return weights.length;
  return 1 / weights.reduce((squares, weight) => squares + (weight / sum) ** 2, 0);
}
