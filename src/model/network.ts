/**
 * The forward pass of CausalWan over a row of chunks, each with its own time and place: patch embedding, time and text
 * embeddings, blocks, head. What every chunk's queries see is decided by `attend`; training, sampling and cache writing
 * are three ways to call this one function.
 */
import { silu } from "../tensor/ops/activation.ts";
import { timeEmbedding } from "../tensor/ops/embedding.ts";
import { linear } from "../tensor/ops/linear.ts";
import { layerNormModulate } from "../tensor/ops/norm.ts";
import { patchify, unpatchify } from "../tensor/ops/patchify.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Projected, wanBlock } from "./block.ts";
import { type CausalWanConfig, chunkTokens } from "./config.ts";
import type { RopeTable } from "./rope-table.ts";

export interface NetworkPass {
  /** [B, C frames, H, W, channels]: C chunks, one behind the other. */
  readonly x: Tensor;
  /** [B, C] time of every chunk. */
  readonly t: Tensor;
  /** [B, L, textDim] */
  readonly text: Tensor;
  /** Rotation of every token of the pass. */
  readonly rope: RopeTable;
  /** The velocity is wanted for chunks from this one on. */
  readonly outputFrom: number;
  /** Hand unrotated queries and keys to `attend` as well. */
  readonly withUnrotated?: boolean;
  /** Hand keys to `attend` as they are before rotation if false; default true. */
  readonly rotatesKeys?: boolean;
  /** q holds the chunks from `queriesFrom` on, k and v those of the whole pass. */
  attend(layer: number, projected: Projected, queriesFrom: number): Tensor;
}

/** Looks a weight up by its checkpoint name. */
export type WeightLookup = (name: string) => Tensor;

/** @returns [B, (C - outputFrom) frames, H, W, channels] */
export function networkVelocity(config: CausalWanConfig, weight: WeightLookup, pass: NetworkPass): Tensor {
  const { dim, heads, layers, patch, freqDim } = config;
  const [frames, height, width, channels] = config.chunkShape;
  const [batch, chunks] = pass.t.shape as [number, number];
  const tokens = chunkTokens(config);
  const dense = (name: string, input: Tensor, activation?: "gelu" | "silu") =>
    linear(input, weight(`${name}.weight`), weight(`${name}.bias`), activation && { activation });

  // A Conv3d with stride = kernel is a linear layer on patches; its weight is stored [D, C, 1, p, p].
  const kernel = weight("patch_embedding.weight");
  const flat = (patch === 1 ? kernel : kernel.transpose([0, 2, 3, 4, 1])).reshape([
    dim,
    patch * patch * channels,
  ]);
  let x = linear(patchify(pass.x, patch), flat, weight("patch_embedding.bias"));
  if (config.learnedPosition) {
    x = x
      .reshape([batch, chunks, tokens, dim])
      .add(weight("chunk_position.weight"))
      .reshape([batch, chunks * tokens, dim]);
  }

  const text = dense("text_embedding.2", dense("text_embedding.0", pass.text, "gelu"));
  let time = dense("time_embedding.2", dense("time_embedding.0", timeEmbedding(pass.t, freqDim), "silu"));
  if (config.pooledPrompt) time = time.add(text.sum(1, true));
  const timeRows = dense("time_projection.1", silu(time));

  for (let layer = 0; layer < layers; layer++) {
    const queriesFrom = layer === layers - 1 ? pass.outputFrom : 0;
    x = wanBlock((name) => weight(`blocks.${layer}.${name}`), x, {
      heads,
      timeRows,
      text,
      rope: pass.rope,
      queriesFrom,
      withUnrotated: pass.withUnrotated ?? false,
      rotatesKeys: pass.rotatesKeys ?? true,
      attend: (projected) => pass.attend(layer, projected, queriesFrom),
    });
  }

  const shown = chunks - pass.outputFrom;
  const late = pass.outputFrom === 0 ? time : time.slice([0, pass.outputFrom, 0], [batch, shown, dim]);
  const [shift, scale] = tf.split(weight("head.modulation").reshape([2 * dim]), 2) as [Tensor, Tensor];
  const out = dense("head.head", layerNormModulate(x, late.add(shift), late.add(scale)));
  return unpatchify(out, patch, [shown * frames, height, width]);
}
