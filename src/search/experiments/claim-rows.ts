/**
 * The measurements behind the claims of Video-T1 and EvoSearch at mini scale: one pass over prompts x seeds, rows out.
 *
 *   "pool"    best-of-N candidates of one (prompt, seed), each with the verdict of every verifier and its true score;
 *             best of the first n, under any verifier, is read off these rows
 *   "search"  one search at one budget: what it chose, what it spent, how different its best candidates are
 *   "moran"   Moran's I of the true score over the states of the pool at one step
 *
 * The searches are led by a grader in the image of a vision-language model (the oracle plus an error of its own for each
 * clip) and reported by the oracle's world score: selection and report stay apart.
 */
import type { Denoiser } from "../../diffusion/denoiser.ts";
import { pairwiseDiversity } from "../../metrics/diversity.ts";
import { moransI } from "../../metrics/moran.ts";
import { type WorldDimension, worldScore } from "../../metrics/world-score.ts";
import { averageRanks } from "../../verify/ensemble.ts";
import { noisy } from "../../verify/noisy.ts";
import { oracle } from "../../verify/oracle.ts";
import {
  colorProxy,
  motionProxy,
  shapeProxy,
  sharpnessProxy,
  smoothnessProxy,
  vividProxy,
} from "../../verify/proxies.ts";
import type { Verifier } from "../../verify/verifier.ts";
import type { Codec } from "../../video/codec.ts";
import { type Candidate, finishedChunks } from "../candidate.ts";
import { evoSearch, noiseMutation, tournament } from "../evo-search.ts";
import { searchSpace } from "../latent-space.ts";
import { linearSearch } from "../linear-search.ts";
import { particleSampling } from "../particle-sampling.ts";
import { search } from "../search.ts";
import type { SearchSpace } from "../space.ts";
import type { Scored, SearchStrategy } from "../strategy.ts";
import { treeOfFrames } from "../tree-of-frames.ts";

export interface ClaimRow {
  readonly kind: "pool" | "search" | "moran";
  readonly prompt: string;
  readonly seed: number;
  readonly [field: string]: string | number;
}

export interface ClaimRowsOptions {
  readonly prompts: readonly string[];
  readonly seeds: readonly number[];
  /** Chunks and denoising steps of a clip; default 4 and 6. */
  readonly chunks?: number;
  readonly steps?: number;
  readonly shift?: number;
  /** Candidates of a pool and largest budget of the searches; default 24. */
  readonly n?: number;
  readonly batchSize?: number;
  /** Standard deviation of the grader's error, in world score; default 0.03. */
  readonly graderError?: number;
  readonly signal?: AbortSignal;
  /** Rows that exist already: their (prompt, seed) is skipped. */
  readonly done?: readonly ClaimRow[];
}

const quality: readonly WorldDimension[] = ["smooth_motion", "steady_light", "scene_stability"];
const content: readonly WorldDimension[] = ["right_shape", "right_count", "right_colour"];

/** Verifiers of the pool, by the name of their field. */
export function graders(error: number): Readonly<Record<string, Verifier>> {
  return {
    grader: noisy(oracle(), error),
    color: colorProxy(),
    shape: shapeProxy(),
    motion: motionProxy(),
    smoothness: smoothnessProxy(),
    sharpness: sharpnessProxy(),
    vivid: vividProxy(),
  };
}

/** Budgets are in whole candidates of the space. */
export function contenders(
  space: SearchSpace,
  n: number,
  { withVariants = true }: { readonly withVariants?: boolean } = {},
): readonly { readonly label: string; readonly budget: number; readonly strategy: SearchStrategy }[] {
  const halves = [2, 4, 8].map((share) => Math.max(2, Math.round(n / share)));
  const trees = [n, ...halves].map((roots) => ({
    label: "tree-of-frames",
    budget: roots,
    strategy: treeOfFrames({ roots, keep: "median", heuristic: "cumulative" }),
  }));
  const at = (share: number) => Math.round(share * space.numSteps);
  const evo = (budget: number, schedule: readonly number[], start: number, label = "evo-search") => {
    const rest = schedule.reduce((sum, elapsed) => sum + (space.numSteps - elapsed) / space.numSteps, 0);
    const first = Math.max(2, Math.round((start * budget) / (start + rest)));
    const other = Math.max(2, Math.floor((budget - first) / rest));
    const population = [first, ...schedule.map(() => other)];
    return {
      label,
      budget,
      strategy: evoSearch({
        schedule,
        population,
        elites: 1,
        selection: tournament({ size: 3 }),
        mutation: noiseMutation(),
      }),
    };
  };
  return [
    ...trees,
    ...[n / 4, n / 2, n].flatMap((budget) => [
      evo(budget, [0, at(0.4), at(0.6)], 2),
      {
        label: "particles",
        budget,
        strategy: particleSampling({ n: budget, potential: "diff", lambda: 20 }),
      },
    ]),
    // k_start against T_evo, at the largest budget.
    ...(withVariants
      ? [
          evo(n, [0, at(0.4), at(0.6)], 0.5, "evo k_start 0.5"),
          evo(n, [0, at(0.4), at(0.6)], 1, "evo k_start 1"),
          evo(n, [0, at(0.2), at(0.4)], 2, "evo schedule early"),
          evo(n, [0, at(0.6), at(0.8)], 2, "evo schedule late"),
        ]
      : []),
  ];
}

export async function* claimRows(
  model: Denoiser,
  codec: Codec,
  options: ClaimRowsOptions,
): AsyncGenerator<ClaimRow, void> {
  const {
    prompts,
    seeds,
    chunks = 4,
    steps = 6,
    shift = 2,
    n = 24,
    batchSize = 24,
    graderError = 0.03,
    signal,
    done = [],
  } = options;
  const finished = new Set(
    done
      .filter((row) => row.kind === "moran" && row["share"] === 1)
      .map((row) => `${row.seed} ${row.prompt}`),
  );
  const verifiers = graders(graderError);
  for (const seed of seeds) {
    for (const prompt of prompts) {
      if (finished.has(`${seed} ${prompt}`)) continue;
      const space = searchSpace(model, { prompt, chunks, steps, shift, codec, batchSize });
      const key = { prompt, seed };
      const whole = space.nfe(space.position(0), space.position(space.numSteps));
      // The budget is a limit too: rounding of small populations must not buy a search more than its rivals have.
      const run = (strategy: SearchStrategy, budget: number) => {
        const limits = { seed, maxNfe: budget * whole, ...(signal && { signal }) };
        return search(space, strategy, { verifier: verifiers["grader"]!, ...limits });
      };

      const pool = await run(linearSearch({ n }), n);
      const nfe = pool.cost.nfe / n;
      const videos = await space.decode(pool.finished.map((one) => one.candidate));
      const inputs = videos.map((video) => ({ video, prompt, stage: "end" as const }));
      const verdicts = await Promise.all(
        Object.entries(verifiers).map(
          async ([name, verifier]) => [name, await verifier.score(inputs)] as const,
        ),
      );
      const truths = videos.map((video) => worldScore(video, prompt));
      const mean = (i: number, dimensions: readonly WorldDimension[]) =>
        dimensions.reduce((sum, dimension) => sum + truths[i]!.dimensions[dimension], 0) / dimensions.length;
      for (let i = 0; i < n; i++) {
        const scores = Object.fromEntries(verdicts.map(([name, scoresOf]) => [name, scoresOf[i]!]));
        const parts = {
          content: mean(i, content),
          temporal: mean(i, quality),
          right: truths[i]!.correct.all ? 1 : 0,
        };
        yield {
          kind: "pool",
          ...key,
          candidate: i,
          nfe,
          total: truths[i]!.total,
          semantic: truths[i]!.semantic,
          ...parts,
          ...scores,
        };
      }
      yield await searchRow("linear", n, pool, space, key);
      for (const { label, budget, strategy } of contenders(space, n, { withVariants: seed === seeds[0] }))
        yield await searchRow(label, budget, await run(strategy, budget), space, key);

      // Where the pool stood at each share of the way, and what became of it.
      const rewards = truths.map((score) => score.total);
      const clustering = (points: readonly number[][]): number =>
        new Set(rewards).size < 2 ? 0 : moransI(rewards, points, { neighbours: 3, permutations: 0 }).i;
      const roots = Array.from({ length: n }, (_, i) => space.root(i, seed));
      for (const share of [0.25, 0.5, 0.75]) {
        const states = await space.advance(roots, space.position(Math.round(share * space.numSteps)));
        yield { kind: "moran", ...key, share, i: clustering(states.map(pointOf)) };
      }
      space.keep([]);
      yield {
        kind: "moran",
        ...key,
        share: 1,
        i: clustering(pool.finished.map((one) => pointOf(one.candidate))),
      };
    }
  }
}

/** All latents of a candidate so far. */
function pointOf(candidate: Candidate): number[] {
  return [...finishedChunks(candidate).flatMap((chunk) => [...chunk]), ...(candidate.xt ?? [])];
}

async function searchRow(
  strategy: string,
  budget: number,
  outcome: Awaited<ReturnType<typeof search>>,
  space: SearchSpace,
  key: { readonly prompt: string; readonly seed: number },
): Promise<ClaimRow> {
  const top = [...outcome.finished].sort((a: Scored, b: Scored) => b.score - a.score).slice(0, 4);
  const videos = await space.decode(top.map((one) => one.candidate));
  const truth = worldScore(outcome.best.video, key.prompt);
  const expanded = outcome.events
    .filter((event) => event.type === "advanced")
    .reduce((sum, event) => sum + event.lineages.length, 0);
  return {
    kind: "search",
    ...key,
    strategy,
    budget,
    nfe: outcome.cost.nfe,
    grader: outcome.best.score,
    total: truth.total,
    semantic: truth.semantic,
    right: truth.correct.all ? 1 : 0,
    topTotal: videos.reduce((sum, video) => sum + worldScore(video, key.prompt).total, 0) / videos.length,
    diversity: videos.length > 1 ? pairwiseDiversity(videos.map((video) => video.data)) : 0,
    heldOut: await heldOut(outcome.best.video, key.prompt),
    expanded,
    seconds: outcome.cost.seconds,
  };
}

/** A score that no search here selects by: smoothness and colour as the proxies see them. */
async function heldOut(video: Parameters<typeof worldScore>[0], prompt: string): Promise<number> {
  const input = [{ video, prompt, stage: "end" as const }];
  const [[smooth], [motion]] = [await smoothnessProxy().score(input), await motionProxy().score(input)];
  return (smooth! + motion!) / 2;
}

/** Mean of the members' average ranks over the first `n` of a pool: Video-T1's ensemble. */
export function ensembleRanks(pool: readonly ClaimRow[], members: readonly string[]): number[] {
  const ranks = members.map((member) => averageRanks(pool.map((row) => row[member] as number)));
  return pool.map((_, i) => ranks.reduce((sum, rank) => sum + rank[i]!, 0) / members.length);
}
