/** A model small enough for the plain backend, with every weight away from its neutral start. */
import { type CausalWan, type CausalWanOptions, causalWan } from "../../src/model/causal-wan.ts";
import { type CausalWanConfig, presets } from "../../src/model/config.ts";
import { worldText } from "../../src/model/text.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { tf } from "../../src/tensor/tf.ts";

export function tinyConfig(changes: Partial<CausalWanConfig> = {}): CausalWanConfig {
  const text = worldText();
  return {
    ...presets.mini,
    name: "tiny",
    dim: 24,
    layers: 2,
    heads: 2,
    ffn: 32,
    freqDim: 16,
    chunkShape: [2, 2, 2, 4],
    textDim: text.dim,
    textLength: text.length,
    ...changes,
  };
}

export function tinyModel(
  options: Omit<CausalWanOptions, "config"> & { readonly config?: Partial<CausalWanConfig> } = {},
): CausalWan {
  const { config, ...rest } = options;
  const model = causalWan(tinyConfig(config), { textEncoder: worldText(), seed: 1, ...rest });
  for (const [name, variable] of model.weights) {
    const noise = randn(variable.shape, rng(7).at(name));
    const moved = variable.add(noise.mul(name.endsWith("weight") && variable.rank > 1 ? 0.25 : 0.1));
    variable.assign(moved);
    tf.dispose([noise, moved]);
  }
  return model;
}

export const prompts = ["a red ball bounces on the floor", "a blue square glides sideways"] as const;

/** [B, chunks frames, H, W, C] of standard normals. */
export function tinyClip(model: CausalWan, chunks: number, seed: number, batch = prompts.length) {
  const [frames, height, width, channels] = model.chunkShape;
  return randn([batch, chunks * frames, height, width, channels], rng(seed).at("clip"));
}
