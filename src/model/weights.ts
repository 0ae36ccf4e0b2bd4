/**
 * Names, shapes and initial values of the weights: the state dict of Wan 2.1 (`diffusion_pytorch_model.safetensors`),
 * plus `chunk_position.weight` where the config asks for it. Initialisation follows Wan (Xavier linears, zero biases, zero
 * head, N(0, 1/dim) modulation, N(0, 0.02) time embedding) but for the first text layer (config.textInitStd) and the time
 * embedding of the world models, which are Xavier so that a short training sees time and prompt from the first step.
 */
import type { Rng } from "../tensor/rng.ts";
import { type CausalWanConfig, chunkTokens } from "./config.ts";

export type Shape = readonly number[];

/** Every tensor of the model in checkpoint order, without allocating any. */
export function weightShapes(config: CausalWanConfig): ReadonlyMap<string, Shape> {
  const { dim, ffn, freqDim, textDim, patch } = config;
  const channels = config.chunkShape[3];
  const shapes = new Map<string, Shape>();
  const dense = (name: string, outputs: number, inputs: number) => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    shapes.set(`${name}.bias`, [outputs]);
  };
  shapes.set("patch_embedding.weight", [dim, channels, 1, patch, patch]);
  shapes.set("patch_embedding.bias", [dim]);
  dense("text_embedding.0", dim, textDim);
  dense("text_embedding.2", dim, dim);
  dense("time_embedding.0", dim, freqDim);
  dense("time_embedding.2", dim, dim);
  dense("time_projection.1", 6 * dim, dim);
  for (let layer = 0; layer < config.layers; layer++) {
    const block = `blocks.${layer}`;
    shapes.set(`${block}.modulation`, [1, 6, dim]);
    for (const attention of ["self_attn", "cross_attn"]) {
      for (const part of ["q", "k", "v", "o"]) dense(`${block}.${attention}.${part}`, dim, dim);
      shapes.set(`${block}.${attention}.norm_q.weight`, [dim]);
      shapes.set(`${block}.${attention}.norm_k.weight`, [dim]);
    }
    shapes.set(`${block}.norm3.weight`, [dim]);
    shapes.set(`${block}.norm3.bias`, [dim]);
    dense(`${block}.ffn.0`, ffn, dim);
    dense(`${block}.ffn.2`, dim, ffn);
  }
  shapes.set("head.modulation", [1, 2, dim]);
  dense("head.head", patch * patch * channels, dim);
  if (config.learnedPosition) shapes.set("chunk_position.weight", [chunkTokens(config), dim]);
  return shapes;
}

/** Number of values in all tensors. */
export function countParameters(config: CausalWanConfig): number {
  let total = 0;
  for (const shape of weightShapes(config).values()) total += shape.reduce((a, b) => a * b, 1);
  return total;
}

/** Matrices inside the blocks: what Muon orthogonalises; everything else is AdamW's. */
export function isBlockMatrix(name: string): boolean {
  return /^blocks\.\d+\.(self_attn|cross_attn|ffn)\.[qkvo02]\.weight$/.test(name);
}

/** Initial values of one tensor; a pure function of (rng, name). */
export function initialWeight(
  config: CausalWanConfig,
  name: string,
  shape: Shape,
  rng: Rng,
): Float32Array<ArrayBuffer> {
  const size = shape.reduce((a, b) => a * b, 1);
  const draw = rng.at("weight", name);
  const normal = (std: number) => draw.normal(size).map((z) => z * std);
  if (/norm(_q|_k|3)\.weight$/.test(name)) return new Float32Array(size).fill(1);
  if (name.endsWith(".bias") || name === "head.head.weight") return new Float32Array(size);
  if (name.endsWith("modulation")) return normal(config.dim ** -0.5);
  if (name === "chunk_position.weight") return normal(0.02);
  if (name === "text_embedding.0.weight") return normal(config.textInitStd);
  const isEmbedding = /^(time|text)_embedding\./.test(name);
  if (isEmbedding && !config.pooledPrompt) return normal(0.02);
  if (name === "time_projection.1.weight" && config.pooledPrompt) return normal(0.02);
  // Xavier uniform; a convolution's fan-in is the whole patch.
  const fanOut = shape[0]!;
  const bound = Math.sqrt(6 / (fanOut + size / fanOut));
  return draw.uniform(size, -bound, bound);
}
