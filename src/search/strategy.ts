/**
 * How a search strategy is written: an async generator over a `SearchContext` that yields events and returns nothing.
 * The context does the bookkeeping that no strategy may forget: cost, budget, journal, failed verifiers, best so far, and
 * the events of what it is asked for, which need not pass through the strategy.
 *
 *   async *run({ space, advance, score }) {
 *     const done = yield* advance(roots, end);      // candidates, some steps further
 *     const scored = yield* score(done, "end");     // with a score each; finished ones compete for the result
 *   }
 */
import type { Rng } from "../tensor/rng.ts";
import type { Stage, Verifier } from "../verify/verifier.ts";
import type { FirstCost } from "./budget.ts";
import type { Candidate, Position } from "./candidate.ts";
import type { SearchSpace } from "./space.ts";

/** A candidate and what the verifier said; a failed verdict counts as -Infinity. */
export interface Scored {
  readonly candidate: Candidate;
  readonly score: number;
  /** Scores of an ensemble's members, NaN = failed. */
  readonly parts?: readonly number[];
  readonly failure?: string;
}

/** How a candidate came about. */
export type Origin = "root" | "fork" | "mutate" | "elite" | "resample";

/** What strategies yield and their context tells; the runner stamps each event with `nfe` and `seconds`. */
export type SearchEvent =
  | {
      readonly type: "born";
      readonly lineage: readonly number[];
      readonly parent?: readonly number[];
      readonly origin: Origin;
      readonly chunk: number;
      readonly step: number;
    }
  | {
      readonly type: "advanced";
      readonly lineages: readonly (readonly number[])[];
      readonly chunk: number;
      readonly step: number;
    }
  | {
      readonly type: "scored";
      readonly lineage: readonly number[];
      readonly stage: Stage;
      readonly score: number;
      readonly chunk: number;
      readonly step: number;
      readonly failure?: string;
    }
  | { readonly type: "pruned"; readonly lineages: readonly (readonly number[])[]; readonly reason: string }
  | {
      readonly type: "generation";
      readonly index: number;
      readonly population: number;
      readonly mean: number;
      readonly best: number;
    }
  /** What the method delivers as its sample, repeats included, where that is not simply all finished candidates. */
  | { readonly type: "population"; readonly lineages: readonly (readonly number[])[] }
  | { readonly type: "best"; readonly lineage: readonly number[]; readonly score: number };

export type Stamped = SearchEvent & { readonly nfe: number; readonly seconds: number };

export interface ScoreOptions {
  /** Judge the prediction of the chunk in work too, not finished chunks only. */
  readonly preview?: boolean;
  /** Another verifier than the search's own (clarity of a picture, for example). */
  readonly by?: Verifier;
}

export interface SearchContext {
  readonly space: SearchSpace;
  readonly seed: number;
  /** For the strategy's own draws (tournaments, resampling): address it by purpose and generation. */
  readonly rng: Rng;
  /** NFE left; Infinity without a budget. */
  readonly remaining: () => number;
  /**
   * Scores of candidates from several calls, made comparable: a ranking ensemble ranks them anew against each other,
   * any other verifier's scores stay as they are.
   */
  compare(scored: readonly Scored[]): readonly number[];
  /** Announces candidates (for the tree view) and passes them on. */
  born(candidates: readonly Candidate[], origin: Origin): AsyncGenerator<SearchEvent, readonly Candidate[]>;
  advance(candidates: readonly Candidate[], to: Position): AsyncGenerator<SearchEvent, readonly Candidate[]>;
  /** One verdict per candidate, in order. Finished candidates judged at "end" by the search's verifier may win. */
  score(
    candidates: readonly Candidate[],
    stage: Stage,
    options?: ScoreOptions,
  ): AsyncGenerator<SearchEvent, readonly Scored[]>;
}

export interface SearchStrategy {
  /** The method's name: the key of its rows and of its colour. */
  readonly name: string;
  /** Serialisable options: with the name, the whole identity of the strategy. */
  readonly options: Readonly<Record<string, unknown>>;
  /** @throws RangeError for options that do not fit the space. */
  firstCost(space: SearchSpace): FirstCost;
  run(context: SearchContext): AsyncGenerator<SearchEvent, void>;
}

/** The end of generation: all chunks finished. */
export function endOf(space: SearchSpace): Position {
  return { chunk: space.numChunks, step: 0 };
}

/** NFE of one whole candidate. */
export function fullCost(space: SearchSpace): number {
  return space.nfe({ chunk: 0, step: 0 }, endOf(space));
}

/** Indices by falling score; equal scores keep their order, so results do not depend on a sort's whims. */
export function ranking(scores: readonly number[]): number[] {
  return scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b || 0);
}

/** The numbers of a "generation" event; verdicts that failed (-Infinity) are left out of mean and best. */
export function summary(rewards: readonly number[]): { population: number; mean: number; best: number } {
  const judged = rewards.filter(Number.isFinite);
  const mean = judged.reduce((sum, reward) => sum + reward, 0) / judged.length;
  return { population: rewards.length, mean, best: Math.max(...judged) };
}

/** The stage at which a partial video is judged when `chunk` is its newest chunk. */
export function stageOf(space: SearchSpace, chunk: number): Stage {
  if (chunk >= space.numChunks - 1) return "end";
  return chunk === 0 ? "scene" : "motion";
}

/** @throws RangeError unless `schedule` increases within `least` to the last step. */
export function checkSchedule(
  strategy: string,
  schedule: readonly number[],
  space: SearchSpace,
  least = 0,
): void {
  schedule.forEach((elapsed, i) => {
    const increases = i === 0 || elapsed > schedule[i - 1]!;
    if (Number.isInteger(elapsed) && elapsed >= least && elapsed < space.numSteps && increases) return;
    throw new RangeError(
      `Cannot run ${strategy} as "schedule" must increase within ${least} to ${space.numSteps - 1}: got [${schedule.join(", ")}].`,
    );
  });
}

/** @throws RangeError unless `value` is one of `choices`: a cell may run with its types unchecked. */
export function checkChoice(
  strategy: string,
  name: string,
  value: unknown,
  choices: readonly (string | undefined)[],
): void {
  if (choices.includes(value as string | undefined)) return;
  const named = choices.filter((choice) => choice !== undefined).map((choice) => `"${choice}"`);
  throw new RangeError(
    `Cannot run ${strategy} as "${name}" must be one of ${named.join(", ")}: got ${JSON.stringify(value)}.`,
  );
}
