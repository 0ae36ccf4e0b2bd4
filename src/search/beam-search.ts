/**
 * Beam search over the generation path (Oshima et al. 2501.19252, diffusion latent beam search, with the network's own
 * prediction as look-ahead): between two scheduled steps every beam is tried in `branch` ways, and the best `width` of
 * all go on. Over a causal generator with a stop after each chunk it is the plain chunk-by-chunk beam search that
 * Tree-of-Frames refines: no stages, no pictures, no cumulated score.
 *
 *   NFE = width x branch x T: unlike a tree that prunes, a beam costs the same from start to end.
 */
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import { survivors } from "./selection.ts";
import type { SearchSpace } from "./space.ts";
import {
  checkSchedule,
  endOf,
  fullCost,
  type SearchContext,
  type SearchEvent,
  type SearchStrategy,
  stageOf,
  summary,
} from "./strategy.ts";

export interface BeamSearchOptions {
  /** Beams that survive each stop. */
  readonly width: number;
  /** Tries per beam between two stops; the search starts from width x branch noises. Default 2. */
  readonly branch?: number;
  /** Elapsed steps of the stops, increasing; default: the end of each chunk (of each fifth where there is one chunk). */
  readonly schedule?: readonly number[];
}

/** @throws RangeError for counts below 1 or a schedule outside the space's steps */
export function beamSearch({ width, branch = 2, schedule }: BeamSearchOptions): SearchStrategy {
  requireNumbers("run beam search", { width, branch }, positiveInteger);
  return Object.freeze({
    name: "beam",
    options: { width, branch, ...(schedule && { schedule }) },

    firstCost(space: SearchSpace) {
      if (schedule) checkSchedule("beam search", schedule, space, 1);
      const nfe = width * branch * fullCost(space);
      return {
        nfe,
        sum: `${width} beams x ${branch} tries x ${fullCost(space)} NFE`,
        options: '"width" or "branch"',
      };
    },

    async *run({ space, seed, born, advance, score }: SearchContext): AsyncGenerator<SearchEvent, void> {
      const roots = Array.from({ length: width * branch }, (_, i) => space.root(i, seed));
      let beams = yield* born(roots, "root");
      for (const [i, elapsed] of (schedule ?? chunkEnds(space)).entries()) {
        const { chunk, step } = space.position(elapsed);
        const tried = yield* advance(beams, { chunk, step });
        const judged = yield* score(tried, stageOf(space, step === 0 ? chunk - 1 : chunk), { preview: true });
        const scores = judged.map((one) => one.score);
        yield { type: "generation", index: i, ...summary(scores) };
        const best = survivors(scores, width);
        const cut = tried.filter((_, j) => !best.includes(j));
        yield { type: "pruned", lineages: cut.map(({ lineage }) => lineage), reason: `keep ${width}` };
        const children = best.flatMap((j) =>
          Array.from({ length: branch }, (_, k) => (branch === 1 ? tried[j]! : space.fork(tried[j]!, k))),
        );
        beams = branch === 1 ? children : yield* born(children, "fork");
        space.keep(beams);
      }
      yield* score(yield* advance(beams, endOf(space)), "end");
    },
  });
}

function chunkEnds(space: SearchSpace): number[] {
  const all = Array.from({ length: space.numSteps - 1 }, (_, i) => i + 1);
  if (space.numChunks > 1) return all.filter((elapsed) => space.position(elapsed).step === 0);
  return [...new Set([1, 2, 3, 4].map((i) => Math.round((i * space.numSteps) / 5)))].filter(
    (elapsed) => elapsed > 0 && elapsed < space.numSteps,
  );
}
