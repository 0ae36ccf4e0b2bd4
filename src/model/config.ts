/**
 * Shapes of a causal Wan 2.1 transformer, and the sizes we use. `wan2.1-*` are the released models (2503.20314; tensor
 * names and shapes of the checkpoint, see weights.ts). `mini` and `small` are the same network for the 32x32 world; what
 * they need beyond Wan is switched by explicit fields, which are off in the Wan presets.
 */
import type { ChunkShape } from "../diffusion/denoiser.ts";

export interface CausalWanConfig {
  readonly name: string;
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  /** Hidden width of the feed-forward network. */
  readonly ffn: number;
  /** Width of the sinusoidal time embedding. */
  readonly freqDim: number;
  /** Width and fixed number of the text encoder's tokens. */
  readonly textDim: number;
  readonly textLength: number;
  /** Latents per token along height and width. */
  readonly patch: number;
  /** [frames, height, width, channels] of the latents generated together. */
  readonly chunkShape: ChunkShape;
  /** Chunks of a training clip: by default no chunk looks farther back than this, so that distances stay known. */
  readonly trainedChunks: number;
  readonly ropeTheta: number;
  /** Beyond Wan: a learned embedding per (frame in chunk, patch). */
  readonly learnedPosition: boolean;
  /** Beyond Wan: the sum of the projected text tokens joins the time embedding, so that adaLN sees the prompt. */
  readonly pooledPrompt: boolean;
  /** Standard deviation of the first text layer at initialisation; one-hot words need more than Wan's 0.02. */
  readonly textInitStd: number;
}

const world = {
  freqDim: 128,
  textLength: 16,
  patch: 1,
  chunkShape: [2, 4, 4, 64],
  trainedChunks: 8,
  ropeTheta: 100,
  learnedPosition: true,
  pooledPrompt: true,
  textInitStd: 0.5,
} as const;

const wan = {
  freqDim: 256,
  textDim: 4096,
  textLength: 512,
  patch: 2,
  chunkShape: [3, 60, 104, 16],
  trainedChunks: 7,
  ropeTheta: 10_000,
  learnedPosition: false,
  pooledPrompt: false,
  textInitStd: 0.02,
} as const;

/** The sizes by name. `textDim` of the world models follows their text encoder. */
export const presets = Object.freeze({
  mini: { name: "mini", dim: 128, layers: 4, heads: 4, ffn: 512, textDim: 0, ...world },
  small: { name: "small", dim: 192, layers: 8, heads: 6, ffn: 768, textDim: 0, ...world },
  "wan2.1-1.3b": { name: "wan2.1-1.3b", dim: 1536, layers: 30, heads: 12, ffn: 8960, ...wan },
  "wan2.1-14b": { name: "wan2.1-14b", dim: 5120, layers: 40, heads: 40, ffn: 13_824, ...wan },
}) satisfies Record<string, CausalWanConfig>;

export type PresetName = keyof typeof presets;

/** Tokens of one chunk. */
export function chunkTokens({ chunkShape, patch }: CausalWanConfig): number {
  const [frames, height, width] = chunkShape;
  return (frames * height * width) / (patch * patch);
}

/** @throws RangeError when widths, heads or patches do not divide. */
export function checkConfig(config: CausalWanConfig): CausalWanConfig {
  const [frames, height, width, channels] = config.chunkShape;
  const fail = (requirement: string, value: string, remedy: string): never => {
    throw new RangeError(`Cannot build CausalWan as ${requirement}: got ${value}. ${remedy}`);
  };
  for (const key of ["dim", "layers", "heads", "ffn", "freqDim", "textDim", "textLength", "patch"] as const) {
    if (!(Number.isInteger(config[key]) && config[key] >= 1))
      fail(`"${key}" must be a positive integer`, `${config[key]}`, "Start from presets.mini.");
  }
  if ([frames, height, width, channels].some((n) => !(Number.isInteger(n) && n >= 1)))
    fail(
      '"chunkShape" must be four positive integers',
      `[${config.chunkShape}]`,
      "Use [frames, height, width, channels].",
    );
  if (config.dim % (2 * config.heads) !== 0)
    fail(
      '"dim" must be a multiple of 2 x "heads"',
      `${config.dim} and ${config.heads} heads`,
      "Change the heads.",
    );
  if (height % config.patch !== 0 || width % config.patch !== 0)
    fail(
      '"patch" must divide the latent height and width',
      `patch ${config.patch} for ${height}x${width}`,
      "Choose a divisor.",
    );
  return Object.freeze({ ...config });
}
