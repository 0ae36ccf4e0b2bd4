/**
 * Several verifiers as one.
 *
 *   rank    Video-T1 (2503.18942, section 3.3): argmax_i 1/|M| sum_v c_v Rank_v(f_i). Ranks ascend with the score, so
 *           the best has the largest; ties get the average rank. Scaled to [0, 1], which changes no argmax.
 *   zScore  the weighted mean of (score - mean) / deviation; with `calibration` these are constants, without it they
 *           are those of the candidates compared.
 *
 * A member that failed on a candidate is left out of that candidate's mean.
 */
import type { EnsembleRule, Verifier, VerifierInput, VerifyOptions } from "./verifier.ts";

export interface EnsembleOptions {
  /** c_v, one per member; default 1 each. */
  readonly weights?: readonly number[];
}

export interface ZScoreOptions extends EnsembleOptions {
  /** Fixed mean and standard deviation of each member, so that verdicts do not depend on who is compared. */
  readonly calibration?: readonly { readonly mean: number; readonly deviation: number }[];
}

/** The rank rule over all who compete. @throws RangeError for no members or unfitting weights */
export function ensemble(members: readonly Verifier[], { weights }: EnsembleOptions = {}): Verifier {
  return combined("ranks", members, weights, (scores) => averageRanks(scores));
}

/** @throws RangeError for no members, unfitting weights or calibration */
export function zScoreEnsemble(
  members: readonly Verifier[],
  { weights, calibration }: ZScoreOptions = {},
): Verifier {
  if (calibration && calibration.length !== members.length) {
    throw new RangeError(
      `Cannot calibrate ${members.length} verifiers with ${calibration.length} entries. Give one { mean, deviation } per verifier.`,
    );
  }
  return combined("z-scores", members, weights, (scores, member) => {
    const { mean, deviation } = calibration?.[member] ?? moments(scores);
    return scores.map((score) => (deviation > 0 ? (score - mean) / deviation : score - mean));
  });
}

/** Ranks 0 .. 1 by rising score, ties averaged, NaN stays NaN; a single score has rank 1/2. */
export function averageRanks(scores: readonly number[]): number[] {
  const order = scores.map((_, i) => i).filter((i) => !Number.isNaN(scores[i]));
  order.sort((a, b) => scores[a]! - scores[b]!);
  const ranks = scores.map(() => Number.NaN);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    for (let i = start; i < end; i++)
      ranks[order[i]!] = order.length > 1 ? (start + end - 1) / 2 / (order.length - 1) : 0.5;
    start = end;
  }
  return ranks;
}

function combined(
  rule: string,
  members: readonly Verifier[],
  weights: readonly number[] = members.map(() => 1),
  normalise: (scores: readonly number[], member: number) => readonly number[],
): Verifier {
  if (members.length === 0)
    throw new RangeError("Cannot form an ensemble of 0 verifiers. Give at least one.");
  if (
    weights.length !== members.length ||
    !weights.every((weight) => weight >= 0) ||
    !weights.some((weight) => weight > 0)
  ) {
    throw new RangeError(
      `Cannot weigh ${members.length} verifiers by [${weights.join(", ")}]: give one weight of at least 0 each, not all 0.`,
    );
  }
  const combine: EnsembleRule["combine"] = (scores) => {
    const normal = scores.map(normalise);
    return scores[0]!.map((_, candidate) => {
      const judged = members.map((_, m) => m).filter((m) => !Number.isNaN(normal[m]![candidate]));
      const total = judged.reduce((sum, m) => sum + weights[m]!, 0);
      return judged.reduce((sum, m) => sum + weights[m]! * normal[m]![candidate]!, 0) / total;
    });
  };
  return Object.freeze({
    name: `${rule}(${members.map((member) => member.name).join(", ")})`,
    ensemble: { members, combine },
    async score(inputs: readonly VerifierInput[], options?: VerifyOptions) {
      return combine(await Promise.all(members.map((member) => member.score(inputs, options))));
    },
  });
}

function moments(scores: readonly number[]): { mean: number; deviation: number } {
  const judged = scores.filter((score) => !Number.isNaN(score));
  const mean = judged.reduce((sum, score) => sum + score, 0) / judged.length;
  const variance = judged.reduce((sum, score) => sum + (score - mean) ** 2, 0) / judged.length;
  return { mean, deviation: Math.sqrt(variance) };
}
