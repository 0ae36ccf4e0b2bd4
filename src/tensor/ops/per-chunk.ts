/** Parameters that one row of serves all tokens of a chunk: shift, scale and gate of an adaptive layer norm. */
import type { Tensor } from "../tf.ts";
import { require } from "./fused.ts";

/** [B, S, D] as [B, C, S/C, D]. */
export function perChunk(x: Tensor, chunks: number): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return x.reshape([batch, chunks, chunks === 0 ? 0 : tokens / chunks, width]);
}

/** Requires x [B, S, D] and each parameter [B, C, D] with one C that divides S. */
export function requirePerChunk(verb: string, x: Tensor, parameters: Record<string, Tensor>): void {
  const [batch, tokens, width] = x.shape;
  require(x.rank === 3, () =>
    `Cannot ${verb} x as it must be [batch, tokens, features]: got [${x.shape}]. Reshape it first.`);
  let chunks: number | undefined;
  for (const [name, parameter] of Object.entries(parameters)) {
    chunks ??= parameter.shape[1] ?? 0;
    const fits =
      parameter.rank === 3 &&
      parameter.shape[0] === batch &&
      parameter.shape[1] === chunks &&
      parameter.shape[2] === width &&
      (chunks === 0 ? tokens === 0 : tokens! % chunks === 0);
    require(fits, () =>
      `Cannot ${verb} x [${x.shape}] as ${name} must be [${batch}, chunks, ${width}] with chunks dividing ${tokens}: got [${parameter.shape}]. Give one row per chunk of tokens.`);
  }
}
