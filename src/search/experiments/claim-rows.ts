/**
 * The measurements behind the claims, in one setting: one pass over prompts x seeds, rows out.
 *
 *   "pool"    n independent candidates of one (prompt, seed), each with its reward, every verifier's verdict and its true
 *             scores; best of any m <= n under any of them is read off these rows
 *   "search"  one search at one budget: what it chose, what it spent, how different its best four candidates are
 *   "moran"   Moran's I of the reward over the states of the pool at one share of the way, in two principal components
 */
import type { Denoiser } from "../../diffusion/denoiser.ts";
import type { Solver } from "../../diffusion/solvers.ts";
import { layoutFeature, pairwiseDiversity } from "../../metrics/diversity.ts";
import { moransI } from "../../metrics/moran.ts";
import { principalComponents } from "../../metrics/principal-components.ts";
import { averageRanks } from "../../verify/ensemble.ts";
import type { Codec } from "../../video/codec.ts";
import { type Candidate, finishedChunks } from "../candidate.ts";
import { concatenate } from "../history-cache.ts";
import { searchSpace } from "../latent-space.ts";
import { search } from "../search.ts";
import type { SearchSpace } from "../space.ts";
import type { Scored } from "../strategy.ts";
import type { ClaimSetting } from "./claim-settings.ts";

export interface ClaimRow {
  readonly kind: "pool" | "search" | "moran";
  readonly setting: string;
  readonly prompt: string;
  readonly seed: number;
  readonly [field: string]: string | number;
}

export interface ClaimRowsOptions {
  readonly prompts: readonly string[];
  readonly seeds: readonly number[];
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
  /** Rows that exist already: their (setting, prompt, seed) is skipped. */
  readonly done?: readonly ClaimRow[];
  /** Fields of every row (which weights, for one). */
  readonly stamp?: Readonly<Record<string, string | number>>;
}

/** Shares of the way at which the pool is looked at; the last row of a (prompt, seed) is that of share 1. */
const shares = [0.25, 0.5, 0.75, 1] as const;

/** Was this (prompt, seed) measured to its last row? A kill leaves one that was not. */
export function completeUnits(rows: readonly ClaimRow[]): Set<string> {
  return new Set(rows.filter((row) => row.kind === "moran" && row["share"] === 1).map(unitOf));
}

export function unitOf({ setting, prompt, seed }: ClaimRow): string {
  return `${setting} ${seed} ${prompt}`;
}

export async function* claimRows(
  model: Denoiser,
  codec: Codec,
  setting: ClaimSetting,
  options: ClaimRowsOptions,
): AsyncGenerator<ClaimRow, void> {
  const { prompts, seeds, batchSize = 16, signal, done = [], stamp = {} } = options;
  const { chunks, steps, shift, n, stage, reward } = setting;
  const measured = completeUnits(done);
  for (const seed of seeds) {
    for (const prompt of prompts) {
      const key = { ...stamp, setting: setting.name, prompt, seed };
      if (measured.has(unitOf({ kind: "pool", ...key }))) continue;
      const spaceOf = (solver?: Solver): SearchSpace =>
        searchSpace(model, { prompt, chunks, steps, shift, codec, batchSize, ...(solver && { solver }) });
      const space = spaceOf();
      const whole = space.nfe(space.position(0), space.position(space.numSteps));

      let pool: readonly Candidate[] = Array.from({ length: n }, (_, i) => space.root(i, seed));
      const states: (readonly Candidate[])[] = [];
      for (const share of shares) {
        const to = space.position(Math.round(share * space.numSteps));
        pool = await space.advance(pool, to, signal ? { signal } : {});
        states.push(pool);
      }
      const videos = await space.decode(pool);
      const inputs = videos.map((video) => ({ video, prompt, stage }));
      const rewards = await reward.score(inputs);
      const graders = await Promise.all(
        Object.entries(setting.graders).map(
          async ([name, verifier]) => [name, await verifier.score(inputs)] as const,
        ),
      );
      for (const [i, video] of videos.entries()) {
        const verdicts = Object.fromEntries(graders.map(([name, scores]) => [name, scores[i]!]));
        const truth = await setting.report(video, prompt);
        yield {
          kind: "pool",
          ...key,
          candidate: i,
          nfe: space.cost().nfe / n,
          reward: rewards[i]!,
          ...verdicts,
          ...truth,
        };
      }
      const scored = pool.map((candidate, i): Scored => ({ candidate, score: rewards[i]! }));
      yield {
        kind: "search",
        ...key,
        strategy: "linear",
        budget: n,
        nfe: space.cost().nfe,
        ...(await delivered(scored, scored, space, setting)),
      };
      for (const { label, budget, strategy, solver } of setting.contenders) {
        // The budget is a limit too: rounding of small populations must not buy a search more than its rivals have.
        const limits = { seed, maxNfe: budget * whole, ...(signal && { signal }) };
        const own = solver ? spaceOf(solver) : space;
        const outcome = await search(own, strategy, { verifier: reward, ...limits });
        yield {
          kind: "search",
          ...key,
          strategy: label,
          budget,
          nfe: outcome.cost.nfe,
          ...(await delivered(outcome.finished, outcome.population, own, setting)),
        };
      }
      space.keep([]);
      for (const [i, share] of shares.entries())
        yield { kind: "moran", ...key, share, i: clustering(rewards, states[i]!) };
    }
  }
}

/** What a search gives: its best candidate, how different its best four are, and how different its whole sample. */
async function delivered(
  finished: readonly Scored[],
  population: readonly Scored[],
  space: SearchSpace,
  setting: ClaimSetting,
): Promise<Record<string, number>> {
  const top = [...finished].sort((a, b) => b.score - a.score).slice(0, 4);
  const videos = await space.decode(top.map((one) => one.candidate));
  const sample = await space.decode(population.map((one) => one.candidate));
  return {
    reward: top[0]!.score,
    ...(await setting.report(videos[0]!, space.prompt)),
    topReward: top.reduce((sum, one) => sum + one.score, 0) / top.length,
    diversity: videos.length > 1 ? pairwiseDiversity(videos.map((video) => layoutFeature(video))) : 0,
    sampleDiversity: sample.length > 1 ? pairwiseDiversity(sample.map((video) => layoutFeature(video))) : 0,
  };
}

/** Moran's I over the two leading components of all latents of the candidates so far. */
function clustering(rewards: readonly number[], states: readonly Candidate[]): number {
  if (new Set(rewards).size < 2) return 0;
  const points = principalComponents(
    states.map((candidate) =>
      concatenate([...finishedChunks(candidate), ...(candidate.xt ? [candidate.xt] : [])]),
    ),
    2,
  );
  return moransI(rewards, points, { neighbours: 3, permutations: 0 }).i;
}

/** Mean of the members' average ranks over a pool: Video-T1's ensemble. */
export function ensembleRanks(pool: readonly ClaimRow[], members: readonly string[]): number[] {
  const ranks = members.map((member) => averageRanks(pool.map((row) => row[member] as number)));
  return pool.map((_, i) => ranks.reduce((sum, rank) => sum + rank[i]!, 0) / members.length);
}
