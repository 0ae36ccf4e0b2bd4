/**
 * A candidate of a search: plain immutable data, so that it can be kept, compared, sent to another machine and
 * written to a journal. It owns no tensor and no KV cache: caches are derived from `finished` and live in the space.
 *
 * Its place in the search is its lineage, a list of numbers: [3] is the fourth root, [3, 0] that root's first child.
 * Every random number it will ever see is a pure function of (seed, lineage, chunk, step).
 */

/** How far a candidate is: `chunk` chunks are finished, `step` denoising steps of the next one are done. */
export interface Position {
  readonly chunk: number;
  readonly step: number;
}

/**
 * Where the initial noise of the chunks to come is from: fresh for this lineage, or inherited from a parent and
 * mixed with fresh noise, sqrt(1 - rate^2) parent + rate fresh, which keeps N(0, I) (EvoSearch, 2505.17618).
 */
export interface Genome {
  readonly lineage: readonly number[];
  /** Share of fresh noise in [0, 1]; 1 where there is no parent. */
  readonly rate: number;
  readonly parent?: Genome;
}

/** Finished chunks, newest first: forks share the common prefix. */
export interface Finished {
  /** Clean latents of this chunk, [frames, height, width, channels] row-major. */
  readonly latents: Float32Array;
  readonly previous?: Finished;
}

export interface Candidate extends Position {
  readonly seed: number;
  readonly lineage: readonly number[];
  readonly genome: Genome;
  readonly finished?: Finished;
  /** The noisy chunk before denoising step `step`; absent at step 0, where it is the genome's noise. */
  readonly xt?: Float32Array;
  /** The clean chunk as the network last predicted it; absent at step 0. */
  readonly x0?: Float32Array;
}

/** A name that is unique within one search. */
export function candidateKey(candidate: Candidate): string {
  return `${candidate.lineage.join(".")}@${candidate.chunk}.${candidate.step}`;
}

/** Negative where `a` lies before `b` in generation order. */
export function comparePositions(a: Position, b: Position): number {
  return a.chunk - b.chunk || a.step - b.step;
}

/** Clean latents of all finished chunks, in order. */
export function finishedChunks(candidate: Candidate): Float32Array[] {
  const chunks: Float32Array[] = [];
  for (let node = candidate.finished; node; node = node.previous) chunks.push(node.latents);
  return chunks.reverse();
}
