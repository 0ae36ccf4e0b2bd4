/**
 * Tree-of-Frames: Video-T1 (2503.18942), Algorithm 2 with its three techniques.
 *
 *   Q <- k_0 roots
 *   for each chunk t:  every survivor p gets b_t children, each one chunk longer with fresh noise;
 *                      score(child) = score(p) + V(child so far, prompt of stage t);  the best k_t survive
 *   return the best finished video
 *
 * (a) Image-level alignment: while the first chunk is still being denoised, its prediction is judged twice: is it
 *     clear enough, and has it potential? Clear ones without potential stop here. The verdict on a clear picture is
 *     frozen. (b) Hierarchical prompts: the verifier is told the stage ("scene" for the first chunk, "motion" between,
 *     "end" for the whole); wrap it in `hierarchical(...)` to ask each stage about its own sub-prompt. (c) Branching
 *     only at stage switches (`branch: 2`) or by schedule (`branch: [2, 1, 1]`), and pruning by a rule.
 *
 * Where the released code departs from the paper we follow the paper: the score is cumulative, all three stages are
 * used, hopeless pictures are stopped early. Ties at the median do not keep a whole level. A child of a branching
 * factor above 1 has fresh noise; a factor of 1 keeps the lineage, so with b = 1 and no pruning this is linear search.
 * The finished survivors are compared by the whole-video verdict alone.
 */
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import type { Verifier } from "../verify/verifier.ts";
import type { Candidate, Position } from "./candidate.ts";
import { type Keep, survivors } from "./selection.ts";
import type { SearchSpace } from "./space.ts";
import {
  checkChoice,
  endOf,
  fullCost,
  type Scored,
  type SearchContext,
  type SearchEvent,
  type SearchStrategy,
  stageOf,
} from "./strategy.ts";

export interface ImageAlignment {
  /** Denoising steps of the first chunk after which its prediction is judged, increasing. */
  readonly at: readonly number[];
  /** Is the picture clear enough to be judged? Default: always. */
  readonly clarity?: Verifier;
  /** Clear means a clarity of at least this; default 0.5. */
  readonly clearAbove?: number;
  /** Has it the potential? Default: the search's verifier at stage "scene". */
  readonly potential?: Verifier;
  /** Which of the clear pictures go on; default "mean". */
  readonly keep?: Keep;
}

export interface TreeOfFramesOptions {
  /** k_0: first noises. */
  readonly roots: number;
  /** b_t: children per survivor, at the two stage switches (a number) or for chunk 0, 1, ... (a list, then 1). */
  readonly branch?: number | readonly number[];
  /** k_t: who survives each judged chunk; a list is one rule per judged chunk, the last for the rest. Default "mean". */
  readonly keep?: Keep | readonly Keep[];
  /** Chunks whose end is judged; default: every chunk but the last. */
  readonly judgeAt?: readonly number[];
  /** What a level is pruned by: the sum along the path (the paper) or the newest verdict; default "cumulative". */
  readonly heuristic?: "cumulative" | "last";
  readonly image?: ImageAlignment;
}

interface Node {
  readonly candidate: Candidate;
  readonly value: number;
}

/** @throws RangeError for counts below 1, unknown rules or a schedule outside the space's chunks */
export function treeOfFrames(options: TreeOfFramesOptions): SearchStrategy {
  const { roots, branch = 1, keep = "mean", judgeAt, heuristic = "cumulative", image } = options;
  requireNumbers("run Tree-of-Frames", { roots }, positiveInteger);
  const factors = typeof branch === "number" ? [branch] : branch;
  requireNumbers(
    "run Tree-of-Frames",
    Object.fromEntries(factors.map((factor, i) => [`branch[${i}]`, factor])),
    positiveInteger,
  );
  const rules: readonly Keep[] = typeof keep === "object" ? keep : [keep];
  if (rules.length === 0) throw new RangeError('Cannot run Tree-of-Frames as "keep" is an empty list.');
  for (const rule of image?.keep === undefined ? rules : [...rules, image.keep]) {
    if (typeof rule === "number") requireNumbers("run Tree-of-Frames", { keep: rule }, positiveInteger);
    else checkChoice("Tree-of-Frames", "keep", rule, ["mean", "median", "all"]);
  }
  checkChoice("Tree-of-Frames", "heuristic", heuristic, ["cumulative", "last"]);

  const branching = (space: SearchSpace, chunk: number): number => {
    if (typeof branch !== "number") return branch[chunk] ?? 1;
    const isSwitch = chunk > 0 && stageOf(space, chunk) !== stageOf(space, chunk - 1);
    return isSwitch ? branch : 1;
  };

  /** Chunk 0 in pieces: after each, clear pictures without potential are stopped. */
  async function* alignImages(
    { space, advance, score }: SearchContext,
    level: readonly Candidate[],
  ): AsyncGenerator<SearchEvent, readonly Candidate[]> {
    const { at, clarity, clearAbove = 0.5, potential, keep: rule = "mean" } = image!;
    const by = (verifier: Verifier | undefined) => ({ preview: true, ...(verifier && { by: verifier }) });
    const frozen = new Map<string, number>();
    let alive = level;
    for (const step of at) {
      alive = yield* advance(alive, space.position(step));
      const open = alive.filter((candidate) => !frozen.has(idOf(candidate)));
      const clear: Candidate[] = [];
      if (clarity) {
        const judged = yield* score(open, "scene", by(clarity));
        clear.push(...judged.filter((one) => one.score >= clearAbove).map((one) => one.candidate));
      } else clear.push(...open);
      if (clear.length === 0) continue;
      for (const one of yield* score(clear, "scene", by(potential)))
        frozen.set(idOf(one.candidate), one.score);
      const verdicts = alive.filter((candidate) => frozen.has(idOf(candidate)));
      const good = new Set(
        survivors(
          verdicts.map((candidate) => frozen.get(idOf(candidate))!),
          rule,
        ).map((i) => verdicts[i]!),
      );
      const stopped = verdicts.filter((candidate) => !good.has(candidate));
      if (stopped.length === 0) continue;
      yield {
        type: "pruned",
        lineages: stopped.map(({ lineage }) => lineage),
        reason: `no potential after step ${step}`,
      };
      alive = alive.filter((candidate) => !stopped.includes(candidate));
    }
    return alive;
  }

  return Object.freeze({
    name: "tree-of-frames",
    options: JSON.parse(
      JSON.stringify(options, (_, value) => (typeof value?.score === "function" ? value.name : value)),
    ),

    firstCost(space: SearchSpace) {
      for (const chunk of judgeAt ?? []) {
        if (Number.isInteger(chunk) && chunk >= 0 && chunk < space.numChunks) continue;
        throw new RangeError(
          `Cannot run Tree-of-Frames as "judgeAt" names chunk ${chunk}: the space has chunks 0 to ${space.numChunks - 1}.`,
        );
      }
      if (typeof branch !== "number" && branch.length > space.numChunks) {
        throw new RangeError(
          `Cannot run Tree-of-Frames as "branch" has ${branch.length} entries: the space has ${space.numChunks} chunks.`,
        );
      }
      const firstSteps =
        space.numChunks === 1 ? space.numSteps : space.position(space.numSteps).step + chunkSteps(space);
      for (const [i, step] of (image?.at ?? []).entries()) {
        if (Number.isInteger(step) && step > (image!.at[i - 1] ?? 0) && step < firstSteps) continue;
        throw new RangeError(
          `Cannot run Tree-of-Frames as "image.at" must increase within 1 to ${firstSteps - 1}: got [${image!.at.join(", ")}].`,
        );
      }
      const first = space.nfe({ chunk: 0, step: 0 }, { chunk: 1, step: 0 });
      const count = roots * branching(space, 0);
      const rest = fullCost(space) - first;
      return {
        nfe: count * first + rest,
        sum: `${count} first chunks x ${first} NFE + ${rest} NFE to finish one of them`,
        options: '"roots" or "branch"',
      };
    },

    async *run(context: SearchContext): AsyncGenerator<SearchEvent, void> {
      const { space, seed, remaining, born, advance, score } = context;
      const seeds = Array.from({ length: roots }, (_, i) => space.root(i, seed));
      let nodes: Node[] = (yield* born(seeds, "root")).map((candidate) => ({ candidate, value: 0 }));
      let judged = 0;
      for (let chunk = 0; chunk < space.numChunks; chunk++) {
        const factor = branching(space, chunk);
        const to: Position = { chunk: chunk + 1, step: 0 };
        if (factor > 1) {
          nodes = nodes.flatMap(({ candidate, value }) =>
            Array.from({ length: factor }, (_, j) => ({ candidate: space.fork(candidate, j), value })),
          );
          yield* born(
            nodes.map((node) => node.candidate),
            "fork",
          );
        }
        const affordable = affordableNodes(space, nodes, to, remaining());
        if (affordable < nodes.length) {
          const best = survivors(
            nodes.map((node) => node.value),
            affordable,
          );
          const [kept, pruned] = prune(nodes, best, "the budget ends");
          if (pruned) yield pruned;
          nodes = kept;
        }
        let level = nodes.map((node) => node.candidate);
        if (chunk === 0 && image) level = [...(yield* alignImages(context, level))];
        level = [...(yield* advance(level, to))];
        // Images are aligned in chunk 0 only, where all values are still 0: those that were stopped shift nothing.
        nodes = level.map((candidate, i) => ({ candidate, value: nodes[i]!.value }));
        if (to.chunk === space.numChunks || !(judgeAt?.includes(chunk) ?? true)) continue;

        const scored: readonly Scored[] = yield* score(level, stageOf(space, chunk));
        nodes = scored.map((one, i) => ({
          candidate: one.candidate,
          value: heuristic === "cumulative" ? nodes[i]!.value + one.score : one.score,
        }));
        const rule = rules[Math.min(judged++, rules.length - 1)]!;
        const chosen = survivors(
          nodes.map((node) => node.value),
          rule,
        );
        const [kept, pruned] = prune(nodes, chosen, `chunk ${chunk}: keep ${rule}`);
        if (pruned) yield pruned;
        nodes = kept;
        space.keep(nodes.map((node) => node.candidate));
      }
      yield* score(
        nodes.map((node) => node.candidate),
        "end",
      );
    },
  });
}

function idOf(candidate: Candidate): string {
  return candidate.lineage.join(".");
}

/** Steps of the first chunk. */
function chunkSteps(space: SearchSpace): number {
  let steps = 1;
  while (steps < space.numSteps && space.position(steps).chunk === 0) steps++;
  return steps;
}

/** How many nodes the budget can carry to `to`, if one of them is then to be finished; at least one. */
function affordableNodes(
  space: SearchSpace,
  nodes: readonly Node[],
  to: Position,
  remaining: number,
): number {
  if (remaining === Number.POSITIVE_INFINITY) return nodes.length;
  const next = space.nfe(nodes[0]!.candidate, to);
  const rest = space.nfe(to, endOf(space));
  return Math.max(1, Math.floor((remaining - rest) / next));
}

/** Keeps the nodes in their old order, so that the order of a level never depends on the rule; and says who goes. */
function prune(
  nodes: readonly Node[],
  chosen: readonly number[],
  reason: string,
): [kept: Node[], pruned: SearchEvent | undefined] {
  const isChosen = new Set(chosen);
  const kept: Node[] = [];
  const lineages: (readonly number[])[] = [];
  for (const [i, node] of nodes.entries()) {
    if (isChosen.has(i)) kept.push(node);
    else lineages.push(node.candidate.lineage);
  }
  return [kept, lineages.length > 0 ? { type: "pruned", lineages, reason } : undefined];
}
