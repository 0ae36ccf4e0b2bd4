/** Key/value caches of autoregressive sampling: appending in place, and the mean keys that routing reads. */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, isRecording, require, runFused, withGradient } from "./fused.ts";

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

/** The mean in plain tf ops. */
export function poolKeysComposition(k: Tensor, chunkTokens: number): Tensor {
  const [batch, tokens, width] = k.shape as [number, number, number];
  return k.reshape([batch, tokens / chunkTokens, chunkTokens, width]).mean(2);
}

/**
 * Mean key of every chunk, the gate of routed attention.
 * @param k [B, S, D] with S a multiple of chunkTokens
 * @returns [B, S/chunkTokens, D]
 */
export function poolKeys(k: Tensor, chunkTokens: number): Tensor {
  const tokens = k.shape[1]!;
  require(k.rank === 3 && chunkTokens > 0 && tokens % chunkTokens === 0, () =>
    `Cannot pool keys in chunks of ${chunkTokens} tokens as k must be [batch, a multiple of ${chunkTokens}, features]: got [${k.shape}].`);
  if (!hasKernel("Fused.PoolKeys")) return poolKeysComposition(k, chunkTokens);
  return withGradient(
    { k },
    () => runFused("Fused.PoolKeys", { k }, { chunkTokens })[0]!,
    (dy) => ({ k: () => runFused("Fused.PoolKeysGrad", { dy }, { chunkTokens })[0]! }),
  );
}

defineKernel<{ cache: TensorInfo; kv: TensorInfo }, { atToken: number }>(
  "Fused.AppendCache",
  (backend, { cache, kv }, { atToken }) => {
    const [batch, capacity, width] = cache.shape as [number, number, number];
    const size = sizeOf(kv.shape);
    if (size > 0)
      backend.call("append_cache", size, batch, capacity, kv.shape[1]!, width, atToken, cache, kv);
    return backend.alias(cache);
  },
);

defineKernel<{ k: TensorInfo }, { chunkTokens: number }>(
  "Fused.PoolKeys",
  (backend, { k }, { chunkTokens }) => {
    const [batch, tokens, width] = k.shape as [number, number, number];
    const chunks = tokens / chunkTokens;
    const out = backend.output([batch, chunks, width], "float32");
    if (batch * chunks > 0) {
      backend.call("pool_keys", 2 * sizeOf(k.shape), batch * chunks, chunkTokens, width, k, out);
    }
    return out;
  },
);

defineKernel<{ dy: TensorInfo }, { chunkTokens: number }>(
  "Fused.PoolKeysGrad",
  (backend, { dy }, { chunkTokens }) => {
    const [batch, chunks, width] = dy.shape as [number, number, number];
    const dk = backend.output([batch, chunks * chunkTokens, width], "float32");
    if (batch * chunks > 0) {
      backend.call("pool_keys_grad", 2 * sizeOf(dk.shape), batch * chunks, chunkTokens, width, dy, dk);
    }
    return dk;
  },
);
