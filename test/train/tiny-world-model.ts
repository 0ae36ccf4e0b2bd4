/** An untrained model of the world's latents, small enough that a training step takes milliseconds. */
import { type CausalWan, causalWan } from "../../src/model/causal-wan.ts";
import { presets } from "../../src/model/config.ts";
import { worldText } from "../../src/model/text.ts";

export function tinyWorldModel({ seed = 3, dim = 32 } = {}): CausalWan {
  const textEncoder = worldText();
  const size = { dim, layers: 1, heads: 2, ffn: 2 * dim, textDim: textEncoder.dim };
  return causalWan({ ...presets.mini, name: "tiny", ...size }, { textEncoder, seed });
}
