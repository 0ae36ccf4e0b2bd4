/**
 * Two ways in which the heads of keys and values lie in memory:
 *
 *   token-major [B, S, D]                 token by token, the heads of a token beside each other: what a linear layer makes
 *   head-major  [B heads, S, D / heads]   head by head, the tokens of a head behind each other: what caches keep
 *
 * A routed head reads chunks here and there. Head-major, such a chunk is one piece of memory, which the hardware fetches
 * ahead; token-major, it is a short row per token, each with those of all other heads in between.
 */
import type { Tensor } from "../tf.ts";

/** By how many heads x is split in a batch of `batch` rows: 1 for token-major. */
export const headsIn = ({ shape }: { readonly shape: readonly number[] }, batch: number): number =>
  shape[0] === batch ? 1 : shape[0]! / batch;

/**
 * @param x in either order
 * @returns [batch, heads, S, D / heads]
 */
export function splitHeads(x: Tensor, batch: number, heads: number): Tensor {
  const [, tokens, width] = x.shape as [number, number, number];
  if (headsIn(x, batch) > 1) return x.reshape([batch, heads, tokens, width]);
  return x.reshape([batch, tokens, heads, width / heads]).transpose([0, 2, 1, 3]);
}

/** [B, heads, S, d] -> [B, S, heads d] */
export function joinHeads(x: Tensor): Tensor {
  const [batch, heads, tokens, width] = x.shape as [number, number, number, number];
  return x.transpose([0, 2, 1, 3]).reshape([batch, tokens, heads * width]);
}

/**
 * @param x token-major [B, S, D]
 * @returns head-major [B heads, S, D / heads]
 */
export function headMajor(x: Tensor, heads: number): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return heads === 1 ? x : splitHeads(x, batch, heads).reshape([batch * heads, tokens, width / heads]);
}

/**
 * @param x head-major [B heads, S, d]
 * @returns token-major [B, S, heads d]
 */
export function tokenMajor(x: Tensor, heads: number): Tensor {
  const [rows, tokens, width] = x.shape as [number, number, number];
  return heads === 1 ? x : joinHeads(x.reshape([rows / heads, heads, tokens, width]));
}
