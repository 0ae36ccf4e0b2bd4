/**
 * What a search strategy sees of a generator: candidates that can be started, branched, mutated, advanced and looked
 * at. Nothing of tensors, caches or networks shows through, so a generator on another machine can stand behind the
 * same nine members.
 *
 *   root --advance--> candidate --advance--> ... --advance--> finished candidate --decode--> Video
 *                        |  fork, mutate: new lineage, same past
 *                        '- preview: what it would look like if it ended now
 */
import type { Cost } from "../diffusion/nfe.ts";
import type { Video } from "../video/video.ts";
import type { Candidate, Position } from "./candidate.ts";

export interface AdvanceOptions {
  readonly signal?: AbortSignal;
}

export interface MutateOptions {
  /** Share of fresh noise in the initial noise of the chunks to come, in [0, 1]. */
  readonly rate: number;
  /** Noise added to an intermediate state, in units of the solver's own noise at that step; default 1. */
  readonly scale?: number;
}

export interface SearchSpace {
  readonly name: string;
  readonly prompt: string;
  /** Chunks of a finished candidate: 1 for a full-clip generator. */
  readonly numChunks: number;
  /** Denoising steps of a whole candidate, all chunks together. */
  readonly numSteps: number;
  /** Candidates that are computed together; a hint for how finely to slice work. */
  readonly batchSize: number;

  /** Where a candidate stands after `elapsed` of its `numSteps` steps. @throws RangeError outside 0..numSteps. */
  position(elapsed: number): Position;
  /** NFE that one candidate costs between two positions (latent frames x steps). */
  nfe(from: Position, to: Position): number;

  /** Start number `index` (>= 0) for this seed; its chunks are pure noise. */
  root(index: number, seed: number): Candidate;
  /** Child `index`: same past and state, fresh randomness from here on (noise of this chunk too if it has not begun). */
  fork(candidate: Candidate, index: number): Candidate;
  /**
   * Child `index` near its parent: initial noise mixed with fresh noise (variance-preserving), an intermediate state
   * plus `scale` x the solver's noise at that step. Rate 0 and scale 0 keep the parent's state and noise.
   */
  mutate(candidate: Candidate, index: number, options: MutateOptions): Candidate;
  /** Denoises up to `to`, in the order given. The results do not depend on what is advanced together. */
  advance(candidates: readonly Candidate[], to: Position, options?: AdvanceOptions): Promise<Candidate[]>;

  /** Finished chunks as video. @throws RangeError for a candidate without a finished chunk. */
  decode(candidates: readonly Candidate[]): Promise<Video[]>;
  /** Finished chunks and, behind them, the chunk in work as the network last predicted it. */
  preview(candidates: readonly Candidate[]): Promise<Video[]>;

  /** Totals since creation. */
  cost(): Cost;
  /** Frees caches that none of these candidates can use; any candidate stays valid, its cache is then rebuilt. */
  keep(live: readonly Candidate[]): void;
  /** Bytes of KV cache held now. */
  readonly cacheBytes: number;
}
