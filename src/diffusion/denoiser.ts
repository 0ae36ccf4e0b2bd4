/**
 * The only thing that samplers, forcings and search know of a network.
 *
 *     condition  history (finished chunks, KV cache)
 *          \      |
 *   x_t ---> velocity ---> v          [B, frames, height, width, channels]
 *   x_0 ---> append   ---> history'   (one chunk longer; the old one stays valid)
 *
 * A chunk is the group of latent frames generated together. A full-clip (bidirectional) generator is a denoiser
 * whose one chunk is the whole clip and whose history stays empty.
 */
import type { Tensor } from "../tensor/tf.ts";

/** [frames, height, width, channels] of one chunk of latents. */
export type ChunkShape = readonly [frames: number, height: number, width: number, channels: number];

/** Encoded prompts, one row each. */
export interface Condition {
  readonly prompts: readonly string[];
  /** [B, L, d] token embeddings before the model's own text projection. */
  readonly tokens: Tensor;
}

/** Finished chunks of a batch, as the network remembers them. Immutable: forking is sharing. */
export interface History {
  readonly batch: number;
  readonly numChunks: number;
  /** Bytes of cache that this history can reach (shared bytes counted in full). */
  readonly bytes: number;
  /** The tensors behind `bytes`, for whoever counts memory that several histories share once. */
  readonly tensors?: readonly Tensor[];
  /** The rows of a new batch, by index into this one (repeats allowed): how search branches and regroups. */
  gather(rows: readonly number[]): History;
  /** The rows of this batch, then those of `others` (all of one length). Without it, search batches only what was made together. */
  join?(others: readonly History[]): History;
  dispose(): void;
}

export interface Denoiser {
  readonly name: string;
  readonly chunkShape: ChunkShape;
  /** "" is the empty prompt: the unconditional branch of guidance. */
  encode(prompts: readonly string[]): Condition;
  emptyHistory(batch: number): History;
  /**
   * Velocity of the chunk that follows `history`.
   * @param xt [B, frames, height, width, channels] noisy chunk
   * @param t [B] in [0, 1], or one number for all rows
   */
  velocity(xt: Tensor, t: Tensor | number, history: History, condition: Condition): Tensor;
  /** History with the finished (clean) chunk `x0` behind it; `history` stays valid. */
  append(x0: Tensor, history: History, condition: Condition): History;
}
