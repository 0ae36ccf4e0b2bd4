/**
 * Names of `WanTransformer3DModel` of diffusers for the tensors of the original Wan 2.1 checkpoint. The trap is the norms:
 * the original's affine norm3 is diffusers' norm2.
 */
import type { CausalWanConfig } from "./config.ts";
import { weightShapes } from "./weights.ts";

const renames: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/^time_embedding\.0\./, "condition_embedder.time_embedder.linear_1."],
  [/^time_embedding\.2\./, "condition_embedder.time_embedder.linear_2."],
  [/^text_embedding\.0\./, "condition_embedder.text_embedder.linear_1."],
  [/^text_embedding\.2\./, "condition_embedder.text_embedder.linear_2."],
  [/^time_projection\.1\./, "condition_embedder.time_proj."],
  [/^head\.modulation$/, "scale_shift_table"],
  [/^head\.head\./, "proj_out."],
  [/\.modulation$/, ".scale_shift_table"],
  [/\.self_attn\./, ".attn1."],
  [/\.cross_attn\./, ".attn2."],
  [/\.(attn[12])\.([qkv])\./, ".$1.to_$2."],
  [/\.(attn[12])\.o\./, ".$1.to_out.0."],
  [/\.norm3\./, ".norm2."],
  [/\.ffn\.0\./, ".ffn.net.0.proj."],
  [/\.ffn\.2\./, ".ffn.net.2."],
];

/** Original name -> diffusers name, for every weight of the config. */
export function diffusersNames(config: CausalWanConfig): ReadonlyMap<string, string> {
  return new Map(
    [...weightShapes(config).keys()].map((name) => [
      name,
      renames.reduce((renamed, [pattern, replacement]) => renamed.replace(pattern, replacement), name),
    ]),
  );
}
