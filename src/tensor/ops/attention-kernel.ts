/** Attention on our own kernels: chunk lists go over as offsets and indices, nothing else is prepared. */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { headsIn } from "./head-major.ts";
import { isPackedBf16 } from "./packed-bf16.ts";

/** Lists one behind the other; list i is chunks[offsets[i]] .. chunks[offsets[i + 1] - 1]. */
export interface FlatLists {
  readonly offsets: Int32Array;
  readonly chunks: Int32Array;
}

export interface AttentionAttributes {
  readonly heads: number;
  /** Tokens of k and v that count. */
  readonly keyTokens: number;
  readonly queryChunk: number;
  readonly keyChunk: number;
  readonly visible: FlatLists;
  readonly candidates: FlatLists | null;
  readonly topK: number;
  /** Whether a backward pass will follow: it needs the log-sum-exp and the selection. */
  readonly recording: boolean;
  readonly counting: boolean;
}

/** Beyond these the kernel's scratch would not hold a block; the composition serves such shapes. */
export const LARGEST_HEAD = 512;
export const LARGEST_TOP_K = 1024;
export const MOST_KEY_CHUNKS = 100_000;

interface AttentionInputs {
  readonly q: TensorInfo;
  readonly k: TensorInfo;
  readonly v: TensorInfo;
}

/** The values that forward and backward begin with (`AttentionShape`). */
function shapeArguments(q: TensorInfo, k: TensorInfo, a: AttentionAttributes) {
  const [batch, queries, width] = q.shape as [number, number, number];
  return [
    batch,
    queries,
    a.keyTokens,
    k.shape[1]!,
    width,
    a.heads,
    a.queryChunk,
    a.keyChunk,
    a.topK,
    a.visible.offsets,
    a.visible.chunks,
    a.candidates?.offsets,
    a.candidates?.chunks,
    isHeadMajor(k, batch),
  ] as const;
}

const isHeadMajor = (x: TensorInfo, batch: number): number => (headsIn(x, batch) > 1 ? 1 : 0);

/**
 * What the dense lists and the routed chunks cost, in floating point operations at the rate of the dense ones. Chosen
 * chunks cost more: each is fetched and packed for the few rows that chose it. So do scores, which picks go with.
 */
function workOf(q: TensorInfo, a: AttentionAttributes): number {
  const chunks = a.visible.offsets.length - 1;
  const pairs = a.queryChunk * a.keyChunk * (a.visible.chunks.length + 2.5 * a.topK * chunks);
  const scored = a.topK > 0 ? a.queryChunk * (a.candidates?.chunks.length ?? 0) : 0;
  return 4 * q.shape[0]! * q.shape[2]! * (pairs + scored);
}

defineKernel<AttentionInputs & { pooled?: TensorInfo; gate?: TensorInfo }, AttentionAttributes>(
  "Fused.Attention",
  (backend, { q, k, v, pooled, gate }, attributes) => {
    const { heads, recording, counting, topK, keyTokens, queryChunk, keyChunk } = attributes;
    const [batch, queries] = q.shape as [number, number, number];
    const o = backend.output(q.shape, "float32");
    const lse = recording ? backend.output([batch, heads, queries], "float32") : undefined;
    const selection =
      recording && topK > 0 ? backend.output([batch, heads, queries, topK], "int32") : undefined;
    const counts = counting
      ? backend.output([batch, heads, queries / queryChunk, keyTokens / keyChunk], "float32")
      : undefined;
    if (counts && topK === 0) backend.peek(counts).fill(0);
    if (sizeOf(q.shape) > 0) {
      backend.call(
        "attention",
        workOf(q, attributes),
        ...shapeArguments(q, k, attributes),
        q,
        k,
        v,
        pooled,
        pooled?.shape[1] ?? 0,
        pooled ? isHeadMajor(pooled, batch) : 0,
        o,
        lse,
        selection,
        counts,
        gate,
        isPackedBf16(k) ? 1 : 0,
      );
    }
    return [o, lse, selection, counts].filter((t) => t !== undefined);
  },
);

defineKernel<
  AttentionInputs & { o: TensorInfo; lse: TensorInfo; dy: TensorInfo; selection?: TensorInfo },
  AttentionAttributes
>("Fused.AttentionGrad", (backend, { q, k, v, o, lse, selection, dy }, attributes) => {
  const dq = backend.output(q.shape, "float32");
  const dk = backend.output(k.shape, "float32");
  const dv = backend.output(v.shape, "float32");
  if (sizeOf(q.shape) + sizeOf(k.shape) > 0) {
    const shape = shapeArguments(q, k, attributes);
    const work = 2.5 * workOf(q, attributes) + sizeOf(k.shape);
    backend.call("attention_grad", work, ...shape, q, k, v, o, lse, selection, dy, dq, dk, dv);
  }
  return [dq, dk, dv];
});
