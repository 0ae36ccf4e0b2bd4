/**
 * All randomness of a search space, as pure functions of (seed, lineage, chunk, step): results depend neither on
 * the order nor on the batch nor on the machine in which candidates are computed.
 */
import { rng } from "../tensor/rng.ts";
import type { Candidate, Genome } from "./candidate.ts";

/** Initial noise of one chunk, length n: variance-preserving mixtures along the genome's ancestry. */
export function genomeNoise(seed: number, genome: Genome, chunk: number, n: number): Float32Array {
  const parent = genome.parent && genome.rate < 1 ? genomeNoise(seed, genome.parent, chunk, n) : undefined;
  if (parent && genome.rate === 0) return parent;
  const fresh = rng(seed)
    .at("noise", chunk, ...genome.lineage)
    .normal(n);
  return parent ? mixNoise(parent, fresh, genome.rate) : fresh;
}

/** sqrt(1 - rate^2) parent + rate fresh: N(0, I) if both are, whatever the rate in [0, 1]. */
export function mixNoise(parent: Float32Array, fresh: Float32Array, rate: number): Float32Array {
  const kept = Math.sqrt(1 - rate * rate);
  return parent.map((value, i) => kept * value + rate * fresh[i]!);
}

/** Noise that a stochastic solver adds in denoising step `step` of chunk `chunk`. */
export function stepNoise(candidate: Candidate, chunk: number, step: number, n: number): Float32Array {
  return rng(candidate.seed)
    .at("step", chunk, step, ...candidate.lineage)
    .normal(n);
}

/** Noise of a mutation of the intermediate state at the candidate's own position. */
export function mutationNoise(candidate: Candidate, n: number): Float32Array {
  return rng(candidate.seed)
    .at("mutation", candidate.chunk, candidate.step, ...candidate.lineage)
    .normal(n);
}
