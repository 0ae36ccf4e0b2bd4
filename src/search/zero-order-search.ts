/**
 * Zero-order search over initial noise (Ma et al. 2501.09732, section 3.2): hill climbing without gradients.
 *
 *   pivot <- one noise;  repeat: try the pivot's neighbours, finish them all, the best of all becomes the pivot
 *
 * A neighbour is sqrt(1 - rate^2) pivot + rate z, so it stays on the shell of N(0, I); the paper steps by a fixed
 * distance. Use a deterministic solver, or the noise of the steps blurs what the initial noise decides.
 */
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import type { Candidate } from "./candidate.ts";
import type { SearchSpace } from "./space.ts";
import {
  endOf,
  fullCost,
  ranking,
  type Scored,
  type SearchContext,
  type SearchEvent,
  type SearchStrategy,
  summary,
} from "./strategy.ts";

export interface ZeroOrderSearchOptions {
  readonly iterations: number;
  /** Neighbours of the pivot per iteration. */
  readonly neighbours: number;
  /** Share of fresh noise in a neighbour, in (0, 1]; default 0.3. */
  readonly rate?: number;
}

/** @throws RangeError for counts below 1 or a rate outside (0, 1] */
export function zeroOrderSearch({
  iterations,
  neighbours,
  rate = 0.3,
}: ZeroOrderSearchOptions): SearchStrategy {
  requireNumbers("run zero-order search", { iterations, neighbours }, positiveInteger);
  requireNumbers("run zero-order search", { rate }, { above: 0, most: 1 });
  return Object.freeze({
    name: "zero-order",
    options: { iterations, neighbours, rate },

    firstCost: (space: SearchSpace) => ({
      nfe: fullCost(space),
      sum: `1 candidate x ${space.numSteps} steps`,
      options: `the space's "steps" or "chunks"`,
    }),

    async *run({
      space,
      seed,
      remaining,
      born,
      advance,
      score,
      compare,
    }: SearchContext): AsyncGenerator<SearchEvent, void> {
      let noises = yield* born([space.root(0, seed)], "root");
      let pivot: { readonly noise: Candidate; readonly verdict: Scored } | undefined;
      for (let i = 0, births = 1; ; i++) {
        const judged = yield* score(yield* advance(noises, endOf(space)), "end");
        yield { type: "generation", index: i, ...summary(judged.map((one) => one.score)) };
        const tried = judged.map((verdict, j) => ({ noise: noises[j]!, verdict }));
        const rivals = pivot ? [pivot, ...tried] : tried;
        pivot = rivals[ranking(compare(rivals.map((one) => one.verdict)))[0]!]!;
        const count = Math.min(neighbours, Math.floor(remaining() / fullCost(space)));
        if (i === iterations || count === 0) return;
        const { noise } = pivot;
        const next = Array.from({ length: count }, () => space.mutate(noise, births++, { rate }));
        noises = yield* born(next, "mutate");
        space.keep([]);
      }
    },
  });
}
