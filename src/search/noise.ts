/**
 * All randomness of a search space, as pure functions of (seed, lineage, chunk, step): results depend neither on
 * the order nor on the batch nor on the machine in which candidates are computed.
 */
import { rng } from "../tensor/rng.ts";
import type { Candidate, Genome } from "./candidate.ts";

/** Initial noise of one chunk, as long as `out`, which is filled: variance-preserving mixtures along the genome's ancestry. */
export function genomeNoise<Out extends Float32Array>(
  seed: number,
  genome: Genome,
  chunk: number,
  out: Out,
): Out {
  const parent = genome.rate < 1 ? genome.parent : undefined;
  if (parent) genomeNoise(seed, parent, chunk, out);
  if (parent && genome.rate === 0) return out;
  const fresh = parent ? new Float32Array(out.length) : out;
  rng(seed)
    .at("noise", chunk, ...genome.lineage)
    .fillNormal(fresh);
  if (parent) mix(out, fresh, genome.rate);
  return out;
}

/** sqrt(1 - rate^2) noise + rate fresh: N(0, I) if both are, whatever the rate in [0, 1]. */
function mix(noise: Float32Array, fresh: Float32Array, rate: number): void {
  const kept = Math.sqrt(1 - rate * rate);
  for (let i = 0; i < noise.length; i++) noise[i] = kept * noise[i]! + rate * fresh[i]!;
}

/** Fills `out` with the noise that a stochastic solver adds in denoising step `step` of chunk `chunk`. */
export function stepNoise(candidate: Candidate, chunk: number, step: number, out: Float32Array): void {
  rng(candidate.seed)
    .at("step", chunk, step, ...candidate.lineage)
    .fillNormal(out);
}

/** Noise of a mutation of the intermediate state at the candidate's own position. */
export function mutationNoise(candidate: Candidate, n: number): Float32Array {
  return rng(candidate.seed)
    .at("mutation", candidate.chunk, candidate.step, ...candidate.lineage)
    .normal(n);
}
