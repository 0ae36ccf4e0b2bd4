/**
 * Random linear search = best-of-N: Video-T1 (2503.18942), Algorithm 1.
 *
 *   for i in 1..N:  z_i ~ N(0, I);  v_i = full denoise of z_i;  s_i = V(v_i, c)
 *   return v of the largest s_i                                        cost: N x T
 *
 * Ties go to the first; N = 1 is plain generation. A budget below N candidates ends the search early.
 */
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import type { SearchSpace } from "./space.ts";
import { endOf, fullCost, type SearchContext, type SearchStrategy } from "./strategy.ts";

export interface LinearSearchOptions {
  /** Candidates. */
  readonly n: number;
}

export function linearSearch({ n }: LinearSearchOptions): SearchStrategy {
  requireNumbers("run linear search", { n }, positiveInteger);
  return Object.freeze({
    name: "linear",
    options: { n },
    firstCost: (space: SearchSpace) => ({
      nfe: fullCost(space),
      sum: `1 candidate x ${space.numSteps} steps`,
      options: `the space's "steps" or "chunks"`,
    }),
    async *run({ space, seed, remaining, born, advance, score }: SearchContext) {
      for (let i = 0; i < n; i += space.batchSize) {
        const affordable = Math.floor(remaining() / fullCost(space));
        const count = Math.min(space.batchSize, n - i, affordable);
        if (count === 0) return;
        const roots = Array.from({ length: count }, (_, j) => space.root(i + j, seed));
        const finished = yield* advance(yield* born(roots, "root"), endOf(space));
        yield* score(finished, "end");
        space.keep([]);
      }
    },
  });
}
