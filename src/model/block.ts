/**
 * One Wan 2.1 transformer block (Wan 2503.20314; architecture facts from the released model code):
 *
 *   e = modulation + time projection, six rows per chunk
 *   x <- x + e2 * SelfAttention(LN(x) (1 + e1) + e0)        q, k: RMSNorm over the full width, then 3-D rotation
 *   x <- x + CrossAttention(LN_affine(x), text)             q, k: RMSNorm; no gate, no rotation
 *   x <- x + e5 * FFN(LN(x) (1 + e4) + e3)                  Linear, GELU-tanh, Linear
 *
 * Difference: modulation is per chunk (each chunk has its own time), and which keys the self-attention sees is the
 * caller's affair (training mask, cache, routing).
 */
import { attention } from "../tensor/ops/attention.ts";
import { gatedResidual } from "../tensor/ops/gated-residual.ts";
import { linear } from "../tensor/ops/linear.ts";
import { linears } from "../tensor/ops/linears.ts";
import { layerNorm, layerNormModulate, rmsNorm } from "../tensor/ops/norm.ts";
import { normRope, rope as rotate } from "../tensor/ops/rope.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { RopeTable } from "./rope-table.ts";

/** Looks a weight of this block up by its name inside the block. */
export type BlockWeights = (name: string) => Tensor;

export interface BlockPass {
  readonly heads: number;
  /** [B, C, 6 D] time projection. */
  readonly timeRows: Tensor;
  /** [B, L, D] projected text. */
  readonly text: Tensor;
  readonly rope: RopeTable;
  /** Chunks from this one on are computed to the end; the earlier ones only lend their keys and values. */
  readonly queriesFrom: number;
  /** Hand unrotated queries and keys to `attend` besides the rotated ones. */
  readonly withUnrotated: boolean;
  /** Without: `k` comes as it is before rotation, for a cache that rotates. `withUnrotated` gives both all the same. */
  readonly rotatesKeys: boolean;
  /** Self-attention over whatever the caller lets these queries see. */
  attend(projected: Projected): Tensor;
}

/** Queries of the chunks `queriesFrom`.., keys and values of all, [B, tokens, D]; q and k normalised, q rotated, k if asked for. */
export interface Projected {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** Before rotation; only with `withUnrotated`. */
  readonly unrotated?: { readonly q: Tensor; readonly k: Tensor };
}

/** @param x [B, C T, D]; @returns the tokens of the chunks `queriesFrom`.. */
export function wanBlock(weights: BlockWeights, x: Tensor, pass: BlockPass): Tensor {
  const { heads, timeRows, text, rope, queriesFrom } = pass;
  const [batch, chunks, width6] = timeRows.shape as [number, number, number];
  const dim = width6 / 6;
  const tokens = x.shape[1]! / chunks;
  const dense = (name: string, input: Tensor) =>
    linear(input, weights(`${name}.weight`), weights(`${name}.bias`));
  const denseEach = (names: readonly string[], input: Tensor) =>
    linears(
      input,
      names.map((name) => ({ weight: weights(`${name}.weight`), bias: weights(`${name}.bias`) })),
    );

  const rows = timeRows.add(weights("modulation").reshape([6 * dim]));
  const e = tf.split(rows, 6, 2) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const lateTokens = (y: Tensor, perChunk: number) =>
    queriesFrom === 0
      ? y
      : y.slice([0, queriesFrom * perChunk, 0], [batch, (chunks - queriesFrom) * perChunk, dim]);
  const lateTable = (table: Tensor) => (queriesFrom === 0 ? table : table.slice([queriesFrom * tokens, 0]));
  const gate = (row: Tensor) => lateTokens(row, 1);

  const input = layerNormModulate(x, e[0], e[1]);
  const [v, keys, asking] = denseEach(
    ["self_attn.v", "self_attn.k", ...(queriesFrom === 0 ? ["self_attn.q"] : [])],
    input,
  ) as [Tensor, Tensor, Tensor | undefined];
  const queries = asking ?? dense("self_attn.q", lateTokens(input, tokens));
  const [cos, sin] = [lateTable(rope.cos), lateTable(rope.sin)];
  const [normQ, normK] = [weights("self_attn.norm_q.weight"), weights("self_attn.norm_k.weight")];
  let projected: Projected;
  if (pass.withUnrotated) {
    const unrotated = { q: rmsNorm(queries, normQ), k: rmsNorm(keys, normK) };
    const k = rotate(unrotated.k, rope.cos, rope.sin, heads);
    projected = { q: rotate(unrotated.q, cos, sin, heads), k, v, unrotated };
  } else {
    const k = pass.rotatesKeys ? normRope(keys, normK, rope.cos, rope.sin, heads) : rmsNorm(keys, normK);
    projected = { q: normRope(queries, normQ, cos, sin, heads), k, v };
  }
  const seen = dense("self_attn.o", pass.attend(projected));
  let y = gatedResidual(lateTokens(x, tokens), seen, gate(e[2]));

  const asked = layerNorm(y, weights("norm3.weight"), weights("norm3.bias"));
  const textQueries = rmsNorm(dense("cross_attn.q", asked), weights("cross_attn.norm_q.weight"));
  const [keysOfText, valuesOfText] = denseEach(["cross_attn.k", "cross_attn.v"], text) as [Tensor, Tensor];
  const textKeys = rmsNorm(keysOfText, weights("cross_attn.norm_k.weight"));
  const read = attention(textQueries, textKeys, valuesOfText, { heads });
  y = y.add(dense("cross_attn.o", read));

  const hidden = linear(
    layerNormModulate(y, gate(e[3]), gate(e[4])),
    weights("ffn.0.weight"),
    weights("ffn.0.bias"),
    { activation: "gelu" },
  );
  return gatedResidual(y, dense("ffn.2", hidden), gate(e[5]));
}
