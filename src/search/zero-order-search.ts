/**
 * Zero-order search over initial noise (Ma et al. 2501.09732, section 3.2): hill climbing without gradients.
 *
 *   pivot <- one noise;  repeat: try the pivot's neighbours, finish them all, the best of all becomes the pivot
 *
 * A neighbour is sqrt(1 - rate^2) pivot + rate z, so it stays on the shell of N(0, I); the paper steps by a fixed
 * distance. Use a deterministic solver, or the noise of the steps blurs what the initial noise decides.
 */
import type { SearchSpace } from "./space.ts";
import {
  checkCounts,
  endOf,
  fullCost,
  ranking,
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
  checkCounts("zero-order search", { iterations, neighbours });
  if (!(rate > 0 && rate <= 1)) {
    throw new RangeError(`Cannot run zero-order search as "rate" must lie in (0, 1]: got ${rate}.`);
  }
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
    }: SearchContext): AsyncGenerator<SearchEvent, void> {
      let noises = yield* born([space.root(0, seed)], "root");
      let pivot = { noise: noises[0]!, score: -Infinity };
      for (let i = 0, births = 1; ; i++) {
        const judged = yield* score(yield* advance(noises, endOf(space)), "end");
        const scores = judged.map((one) => one.score);
        yield { type: "generation", index: i, ...summary(scores) };
        const best = ranking(scores)[0]!;
        if (scores[best]! > pivot.score) pivot = { noise: noises[best]!, score: scores[best]! };
        const count = Math.min(neighbours, Math.floor(remaining() / fullCost(space)));
        if (i === iterations || count === 0) return;
        const tried = Array.from({ length: count }, () => space.mutate(pivot.noise, births++, { rate }));
        noises = yield* born(tried, "mutate");
        space.keep([]);
      }
    },
  });
}
