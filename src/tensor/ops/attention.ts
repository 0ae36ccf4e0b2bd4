/**
 * Multi-head attention whose mask is a list of key chunks per query chunk. Block-causal, sliding-window, sink and the
 * dual-sequence mask of teacher forcing are all such lists (`chunk-masks.ts`); a kernel computes the listed blocks
 * and no others. History routing (Resampling Forcing 2512.15702 section 3.3, after MoBA 2502.13189) adds, per query token and
 * head, the topK candidate chunks by q . mean(K_chunk) in fp32; one softmax runs over the union. Differences: the
 * mean is taken of the keys as given (after rotation), ties go to the lowest chunk, own and sink chunks are simply
 * `visible`. The selection is a constant to the tape: gradients flow through the selected keys and values only.
 */
import type { Tensor } from "../tf.ts";
import { attentionComposition } from "./attention-composition.ts";
import {
  type AttentionAttributes,
  LARGEST_HEAD,
  LARGEST_TOP_K,
  MOST_KEY_CHUNKS,
} from "./attention-kernel.ts";
import { type AttentionLists, attentionLists, wholeRange } from "./attention-lists.ts";
import { poolKeys } from "./cache.ts";
import { hasKernel, isRecording, require, runFused, together, withGradient } from "./fused.ts";
import { floatsOf, isPackedBf16 } from "./packed-bf16.ts";

/** Chunks of history that each query token and head may choose from. */
export interface Route {
  /** How many candidates every (token, head) attends to; all of them where there are fewer. */
  readonly topK: number;
  /** `candidates[i]`: sorted key chunks that query chunk i may choose from; disjoint from `visible[i]`. */
  readonly candidates: readonly (readonly number[])[];
  /** [B, Sq, D] queries to route by, such as those before rotation; default q. Give pooledKeys of the same kind. */
  readonly gateQueries?: Tensor;
  /** [B, chunks or more, D] mean keys, or head-major, if they are already known (`poolKeys`). */
  readonly pooledKeys?: Tensor;
  /** Receives how often each chunk was chosen, [B, heads, query chunks, key chunks]; keep or read it at once. */
  readonly onCounts?: (counts: Tensor) => void;
}

export interface AttentionOptions {
  readonly heads: number;
  /** Tokens of a chunk; needed with `visible`. */
  readonly chunkTokens?: number;
  /** `visible[i]`: sorted key chunks that query chunk i attends to. Left out: every key (cross-attention). */
  readonly visible?: readonly (readonly number[])[];
  readonly route?: Route;
  /** Valid prefix of k and v where they are a larger cache; default all. */
  readonly keyTokens?: number;
}

interface Checked {
  readonly keyTokens: number;
  readonly lists: AttentionLists;
}

function validate(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Checked {
  const { heads, chunkTokens, visible, route } = options;
  const [batch, queries, width] = q.shape;
  require(q.rank === 3 && Number.isInteger(heads) && heads > 0 && width! % heads === 0, () =>
    `Cannot attend as q must be [batch, tokens, features] with features a multiple of ${heads} heads: got [${q.shape}].`);
  const stored = isPackedBf16(k) ? width! / 2 : width!;
  const isStored = (x: Tensor, features: number): boolean =>
    (x.shape[0] === batch && x.shape[2] === features) ||
    (x.shape[0] === batch! * heads && x.shape[2] === features / heads);
  require(k.rank === 3 &&
    k.dtype === v.dtype &&
    isStored(k, stored) &&
    k.shape.every((n, i) => n === v.shape[i]), () =>
    `Cannot attend as k and v must both be float32 [${batch}, tokens, ${width}], or int32 [${batch}, tokens, ${width! / 2}] from packBf16, or the same head-major, [${batch! * heads}, tokens, ${width! / heads}] or [${batch! * heads}, tokens, ${width! / heads / 2}]: got ${k.dtype} [${k.shape}] and ${v.dtype} [${v.shape}].`);
  require(!isPackedBf16(k) || !isRecording(), () =>
    "Cannot attend to keys in bf16 while a gradient is recorded as rounding has none. Keep what is trained in float32.");
  const keyTokens = options.keyTokens ?? k.shape[1]!;
  require(Number.isInteger(keyTokens) && keyTokens >= 0 && keyTokens <= k.shape[1]!, () =>
    `Cannot attend to ${keyTokens} keys as k holds ${k.shape[1]}: keyTokens must lie in 0..${k.shape[1]}.`);
  require(!route || visible !== undefined, () =>
    `Cannot route without visible chunks: give visible (own chunks, or empty lists) beside route.`);
  if (!visible) return { keyTokens, lists: wholeRange };
  require(chunkTokens !== undefined &&
    Number.isInteger(chunkTokens) &&
    chunkTokens > 0 &&
    queries! % chunkTokens === 0 &&
    keyTokens % chunkTokens === 0, () =>
    `Cannot attend by chunks as ${queries} queries and ${keyTokens} keys must be multiples of chunkTokens: got ${chunkTokens}.`);
  const keyChunks = keyTokens / chunkTokens!;
  const lists = attentionLists(visible, route?.candidates, queries! / chunkTokens!, keyChunks);
  if (!route) return { keyTokens, lists };
  require(Number.isInteger(route.topK) && route.topK >= 0, () =>
    `Cannot route to ${route.topK} chunks: topK must be a non-negative integer.`);
  const gate = route.gateQueries;
  require(!gate || gate.shape.join() === q.shape.join(), () =>
    `Cannot route as gateQueries must have the shape of q [${q.shape}]: got [${gate!.shape}].`);
  const pooled = route.pooledKeys;
  require(!pooled || (pooled.rank === 3 && pooled.shape[1]! >= keyChunks && isStored(pooled, width!)), () =>
    `Cannot route as pooledKeys must be [${batch}, ${keyChunks} or more, ${width}], or head-major: got [${pooled!.shape}]. Pool the keys with poolKeys.`);
  return { keyTokens, lists };
}

/** What the kernel is told; all keys are one chunk where nothing is masked. */
function attributesOf(
  q: Tensor,
  { keyTokens, lists }: Checked,
  options: AttentionOptions,
): AttentionAttributes {
  const { heads, visible, route, chunkTokens } = options;
  return {
    heads,
    keyTokens,
    queryChunk: visible ? chunkTokens! : q.shape[1]!,
    keyChunk: visible ? chunkTokens! : keyTokens,
    visible: lists.visible,
    candidates: lists.candidates,
    topK: route ? Math.min(route.topK, lists.mostCandidates) : 0,
    // Sampling writes no log-sum-exp and no selection.
    recording: isRecording(),
    counting: route?.onCounts !== undefined,
  };
}

function fitsKernel(q: Tensor, { heads, topK, keyTokens, keyChunk }: AttentionAttributes): boolean {
  return (
    q.shape[2]! / heads <= LARGEST_HEAD &&
    topK <= LARGEST_TOP_K &&
    (topK === 0 || keyTokens / keyChunk <= MOST_KEY_CHUNKS)
  );
}

/**
 * softmax(q k^T / sqrt(D/heads)) v over the listed chunks; a query with no keys gives zeros.
 * @param q [B, Sq, D]
 * @param k [B, Sk, D], or head-major [B heads, Sk, D/heads]; either may be packed (`packBf16`) where no gradient is recorded
 * @param v [B, Sk, D], or as k
 * @returns [B, Sq, D]
 * @throws RangeError when shapes or chunk lists do not fit
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const checked = validate(q, k, v, options);
  const { keyTokens } = checked;
  const { route } = options;
  const attributes = attributesOf(q, checked, options);
  if (!hasKernel("Fused.Attention") || !fitsKernel(q, attributes)) {
    return attentionComposition(q, floatsOf(k), floatsOf(v), { ...options, keyTokens });
  }
  const { recording, topK, keyChunk } = attributes;
  return withGradient(
    { q, k, v },
    (save) => {
      const meanKeys = (): Tensor => poolKeys(floatsOf(k.slice([0, 0, 0], [-1, keyTokens, -1])), keyChunk);
      const pooled = topK > 0 ? (route!.pooledKeys ?? meanKeys()) : undefined;
      const gate = topK > 0 ? route!.gateQueries : undefined;
      const inputs = { q, k, v, ...(pooled && { pooled }), ...(gate && { gate }) };
      const outputs = runFused("Fused.Attention", inputs, { ...attributes });
      const o = outputs[0]!;
      if (recording) save([q, k, v, o, outputs[1]!, ...(topK > 0 ? [outputs[2]!] : [])]);
      if (route?.onCounts) route.onCounts(outputs.at(-1)!);
      return o;
    },
    (dy, [q0, k0, v0, o, lse, selection]) => {
      const all = together(() =>
        runFused(
          "Fused.AttentionGrad",
          { q: q0!, k: k0!, v: v0!, o: o!, lse: lse!, dy, ...(selection && { selection }) },
          { ...attributes },
        ),
      );
      return { q: all(0), k: all(1), v: all(2) };
    },
  );
}
