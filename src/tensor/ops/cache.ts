/** Key/value caches of autoregressive sampling: appending in place, and the mean keys that routing reads. */
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, isRecording, require, runFused } from "./fused.ts";

/** The append in plain tf ops: a new tensor. */
export function appendCacheComposition(cache: Tensor, kv: Tensor, atToken: number): Tensor {
  const [batch, capacity, width] = cache.shape as [number, number, number];
  const end = atToken + kv.shape[1]!;
  return tf.concat(
    [
      cache.slice([0, 0, 0], [batch, atToken, width]),
      kv,
      cache.slice([0, end, 0], [batch, capacity - end, width]),
    ],
    1,
  );
}

/**
 * Writes `kv` at tokens atToken.. of the cache. On `native` the cache itself is written and the result shares its
 * memory, unless a gradient is being recorded: use only the result afterwards, and copy before branching.
 * Elsewhere the result is a new tensor.
 * @param cache [B, capacity, D]
 * @param kv [B, n, D]
 * @throws RangeError when the tokens do not fit
 */
export function appendCache(cache: Tensor, kv: Tensor, atToken: number): Tensor {
  const [batch, capacity, width] = cache.shape;
  require(cache.rank === 3 && kv.rank === 3 && kv.shape[0] === batch && kv.shape[2] === width, () =>
    `Cannot append to the cache [${cache.shape}] as the new tokens must be [${batch}, n, ${width}]: got [${kv.shape}].`);
  require(Number.isInteger(atToken) && atToken >= 0 && atToken + kv.shape[1]! <= capacity!, () =>
    `Cannot append ${kv.shape[1]} tokens at ${atToken} as the cache holds ${capacity}: got an end of ${atToken + kv.shape[1]!}. Make a larger cache or drop old chunks.`);
  if (isRecording() || !hasKernel("Fused.AppendCache")) return appendCacheComposition(cache, kv, atToken);
  return runFused("Fused.AppendCache", { cache, kv }, { atToken })[0]!;
}

/**
 * Mean key of every chunk, the gate of routed attention.
 * @param k [B, S, D] with S a multiple of chunkTokens
 * @returns [B, S/chunkTokens, D]
 */
export function poolKeys(k: Tensor, chunkTokens: number): Tensor {
  const [batch, tokens, width] = k.shape as [number, number, number];
  require(k.rank === 3 && chunkTokens > 0 && tokens % chunkTokens === 0, () =>
    `Cannot pool keys in chunks of ${chunkTokens} tokens as k must be [batch, a multiple of ${chunkTokens}, features]: got [${k.shape}].`);
  return k.reshape([batch, tokens / chunkTokens, chunkTokens, width]).mean(2);
}
