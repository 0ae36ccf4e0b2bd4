/**
 * Routed attention whose gate compares queries and keys before their rotation by position: content decides, distance does
 * not. Resampling Forcing (2512.15702) does not say which it uses; "post-rope" (as in MoBA) is the default and has kernels.
 * This switch is for the comparison, in plain tf ops.
 */
import type { AttentionOptions } from "../tensor/ops/attention.ts";
import { poolKeys } from "../tensor/ops/cache.ts";
import { joinHeads, splitHeads } from "../tensor/ops/head-major.ts";
import { floatsOf } from "../tensor/ops/packed-bf16.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

const MASKED = -1e30;

/**
 * As `attention` with `route` (keys and values may be packed or head-major too), but the gate is unrotated.q . mean(unrotated.k of the
 * chunk), or `route.pooledKeys`.
 * @param unrotated q [B, Sq, D] and k [B, Sk, D] before rotation
 */
export function preRopeAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  unrotated: { readonly q: Tensor; readonly k: Tensor },
  { heads, chunkTokens = 1, visible = [], route, keyTokens = k.shape[1]! }: AttentionOptions,
): Tensor {
  const [batch, queries, width] = q.shape as [number, number, number];
  const keyChunks = keyTokens / chunkTokens;
  const pooled = (route!.pooledKeys ?? poolKeys(unrotated.k, chunkTokens)).slice(
    [0, 0, 0],
    [-1, keyChunks, -1],
  );
  const byHeads = (x: Tensor) => splitHeads(x, batch, heads);
  const gate = tf.matMul(byHeads(unrotated.q), byHeads(pooled), false, true);
  const scores = gate.arraySync() as number[][][][];
  const counts = new Float32Array(batch * heads * visible.length * keyChunks);
  const allowed = new Float32Array(batch * heads * queries * keyChunks);
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let token = 0; token < queries; token++) {
        const chunk = Math.floor(token / chunkTokens);
        const row = scores[b]![h]![token]!;
        const picked = [...route!.candidates[chunk]!]
          .sort((i, j) => row[j]! - row[i]! || i - j)
          .slice(0, route!.topK);
        const at = (b * heads + h) * queries + token;
        for (const key of [...visible[chunk]!, ...picked]) allowed[at * keyChunks + key] = 1;
        const countAt = ((b * heads + h) * visible.length + chunk) * keyChunks;
        for (const key of picked) counts[countAt + key] = counts[countAt + key]! + 1;
      }
    }
  }
  route!.onCounts?.(tf.tensor4d(counts, [batch, heads, visible.length, keyChunks]));
  const open = tf
    .tensor5d(allowed, [batch, heads, queries, keyChunks, 1])
    .tile([1, 1, 1, 1, chunkTokens])
    .reshape([batch, heads, queries, keyTokens]);
  const valid = (x: Tensor) => byHeads(floatsOf(x.slice([0, 0, 0], [-1, keyTokens, -1])));
  const logits = tf.matMul(byHeads(q), valid(k), false, true).mul(1 / Math.sqrt(width / heads));
  const weights = tf.softmax(logits.mul(open).add(open.sub(1).mul(-MASKED)), -1);
  return joinHeads(tf.matMul(weights, valid(v)));
}
