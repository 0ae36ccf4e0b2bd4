/**
 * Attention in plain tf ops: every score is computed, what is not allowed is masked. Slow, obviously right, and what
 * backends without the kernel run.
 */
import { type Tensor, tf } from "../tf.ts";
import type { AttentionOptions, Route } from "./attention.ts";
import { poolKeys } from "./cache.ts";
import { withGradient, withoutGradient } from "./fused.ts";
import { joinHeads, splitHeads } from "./head-major.ts";

/** Stands for -infinity, which shaders may not represent; exp of it is 0 against any real score. */
const MASKED = -1e30;

/** 1 where query chunk i lists key chunk j: [Qc, Kc]. */
function membership(lists: readonly (readonly number[])[], keyChunks: number): Tensor {
  const table = new Float32Array(lists.length * keyChunks);
  for (const [i, list] of lists.entries()) for (const j of list) table[i * keyChunks + j] = 1;
  return tf.tensor2d(table, [lists.length, keyChunks]);
}

/** Repeats every entry of an axis `times` times in place. */
function repeat(x: Tensor, axis: number, times: number): Tensor {
  const shape = x.shape;
  const tiled = x.expandDims(axis + 1).tile(shape.flatMap((_, i) => (i === axis ? [1, times] : [1])));
  return tiled.reshape(shape.map((n, i) => (i === axis ? n * times : n)));
}

/** 1 where a query token and head chose a chunk: [B, heads, Sq, Kc]. */
function chosen(
  q: Tensor,
  pooled: Tensor,
  { topK, candidates }: Route,
  chunkTokens: number,
  heads: number,
): Tensor {
  const keyChunks = pooled.shape[1]!;
  const open = repeat(membership(candidates, keyChunks), 0, chunkTokens); // [Sq, Kc]
  const [batch] = q.shape as [number, number, number];
  const gate = tf.matMul(splitHeads(q, batch, heads), splitHeads(pooled, batch, heads), false, true); // [B, heads, Sq, Kc]
  const count = Math.min(topK, keyChunks);
  if (count === 0) return tf.zerosLike(gate);
  const { indices } = tf.topk(gate.mul(open).add(open.sub(1).mul(-MASKED)), count);
  // A token with fewer candidates than topK also picks closed chunks; `open` drops those.
  return tf
    .oneHot(indices as tf.Tensor4D, keyChunks)
    .cast("float32")
    .sum(3)
    .mul(open);
}

/** @param k, v token-major or head-major, not packed */
export function attentionComposition(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const { heads, visible, route, chunkTokens = 0 } = options;
  const keyTokens = options.keyTokens ?? k.shape[1]!;
  const [batch, queries, width] = q.shape as [number, number, number];
  if (q.size === 0 || keyTokens === 0) {
    return withGradient(
      { q, k, v },
      () => tf.zerosLike(q),
      () => ({ q: () => tf.zerosLike(q), k: () => tf.zerosLike(k), v: () => tf.zerosLike(v) }),
    );
  }
  const valid = (t: Tensor): Tensor =>
    t.shape[1] === keyTokens ? t : t.slice([0, 0, 0], [-1, keyTokens, -1]);
  const keys = splitHeads(valid(k), batch, heads);
  const values = splitHeads(valid(v), batch, heads);
  let scores = tf.matMul(splitHeads(q, batch, heads), keys, false, true).mul(1 / Math.sqrt(width / heads));
  let allowed: Tensor | undefined;
  if (visible) {
    const keyChunks = keyTokens / chunkTokens;
    // A constant to the tape, whatever the selection was computed from.
    allowed = withoutGradient(() => {
      const dense = repeat(membership(visible, keyChunks), 0, chunkTokens);
      if (!route) return repeat(dense, 1, chunkTokens).reshape([1, 1, queries, keyTokens]);
      const pooled = (route.pooledKeys ?? poolKeys(valid(k), chunkTokens)).slice(
        [0, 0, 0],
        [-1, keyChunks, -1],
      );
      const picks = chosen(route.gateQueries ?? q, pooled, route, chunkTokens, heads);
      if (route.onCounts) {
        const perQueryChunk = picks.reshape([batch, heads, queries / chunkTokens, chunkTokens, keyChunks]);
        route.onCounts(perQueryChunk.sum(3));
      }
      return repeat(picks.add(dense), 3, chunkTokens);
    });
    scores = scores.mul(allowed).add(allowed.sub(1).mul(-MASKED));
  }
  let weights: Tensor = tf.softmax(scores, -1);
  // Only a row without any key keeps weight on masked keys: it becomes zero.
  if (allowed) weights = weights.mul(allowed);
  return joinHeads(tf.matMul(weights, values));
}
