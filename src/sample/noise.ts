/** The noise of sampling, addressed by (row seed, chunk, step): batches, workers and restarts cannot change it. */
import type { ChunkShape } from "../diffusion/denoiser.ts";
import { rng } from "../tensor/rng.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/**
 * Standard normals for a chunk.
 * @param seeds one per batch row
 * @param step 0 = what the chunk starts from; i + 1 = what a stochastic solver adds in step i
 * @returns [B, frames, H, W, C]
 */
export function chunkNoise(shape: ChunkShape, seeds: readonly number[], chunk: number, step = 0): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  const values = new Float32Array(seeds.length * size);
  for (const [row, seed] of seeds.entries()) {
    values.set(rng(seed).at("sample noise", chunk, step).normal(size), row * size);
  }
  return tf.tensor(values, [seeds.length, ...shape], "float32");
}
