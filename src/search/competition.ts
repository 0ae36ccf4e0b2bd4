/**
 * Who is best among all finished candidates, after each of them: the anytime curve of a search. Verdicts of a ranking
 * ensemble depend on all who compete, so the winner is found anew with each entry.
 */
import type { Cost } from "../diffusion/nfe.ts";
import type { Verifier } from "../verify/verifier.ts";
import { ranking, type Scored } from "./strategy.ts";

/** One row per finished and judged candidate: the best so far against what was spent so far. */
export type SearchRow = {
  readonly strategy: string;
  /** Finished candidates so far. */
  readonly n: number;
  readonly prompt: string;
  readonly seed: number;
  readonly nfe: number;
  readonly calls: number;
  /** Best score so far, as the search's own verifier sees it. */
  readonly score: number;
  /** Index of the best so far in the outcome's `finished`. */
  readonly best: number;
  readonly verifier: string;
  readonly verifierCalls: number;
  readonly failures: number;
  readonly seconds: number;
};

export interface Competition {
  readonly finished: readonly Scored[];
  readonly rows: readonly SearchRow[];
  /** Enters candidates that were judged together; what was spent since the last entry is spread evenly over them. */
  enter(scored: readonly Scored[], spent: Cost, failures: number): void;
  /** Index of the best so far; undefined while all failed. */
  best(): number | undefined;
  /** All finished candidates, judged against each other. */
  final(): readonly Scored[];
}

/** Scores of candidates that compete with each other. */
export function compared(verifier: Verifier, scored: readonly Scored[]): number[] {
  const { ensemble } = verifier;
  if (!ensemble || scored.length === 0) return scored.map((one) => one.score);
  const parts = ensemble.members.map((_, member) => scored.map((one) => one.parts?.[member] ?? Number.NaN));
  return ensemble.combine(parts).map((score) => (Number.isNaN(score) ? -Infinity : score));
}

const nothing: Cost = { nfe: 0, calls: 0, forwards: 0, cacheWrites: 0, verifierCalls: 0, seconds: 0 };

export function competition(
  identity: Pick<SearchRow, "strategy" | "prompt" | "seed">,
  verifier: Verifier,
): Competition {
  const finished: Scored[] = [];
  const rows: SearchRow[] = [];
  let before = nothing;
  let best: number | undefined;
  return {
    finished,
    rows,
    best: () => best,
    final: () => compared(verifier, finished).map((score, i) => ({ ...finished[i]!, score })),
    enter(scored, spent, failures) {
      scored.forEach((one, i) => {
        finished.push(one);
        // Only a ranking ensemble can change its mind about those already there.
        const rivals = verifier.ensemble ? finished : best === undefined ? [one] : [finished[best]!, one];
        const verdicts = compared(verifier, rivals);
        const first = ranking(verdicts)[0]!;
        if (verdicts[first] === -Infinity) return;
        best = verifier.ensemble ? first : best === undefined || first === 1 ? finished.length - 1 : best;
        const share = (i + 1) / scored.length;
        const at = (key: keyof Cost): number => before[key] + share * (spent[key] - before[key]);
        const counts = {
          nfe: at("nfe"),
          calls: at("calls"),
          verifierCalls: at("verifierCalls"),
          seconds: at("seconds"),
        };
        rows.push({
          ...identity,
          n: finished.length,
          score: verdicts[first]!,
          best,
          verifier: verifier.name,
          failures,
          ...counts,
        });
      });
      before = spent;
    },
  };
}
