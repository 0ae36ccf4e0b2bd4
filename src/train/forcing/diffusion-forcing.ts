/**
 * Diffusion forcing (Chen et al. 2407.01392): every chunk has its own noise level and attends to the noisy versions of
 * the chunks before it. Difference: the chunks of one causal transformer pass, instead of a recurrent state.
 */
import type { Forcing } from "./forcing.ts";

export function diffusionForcing(): Forcing {
  return Object.freeze({
    name: "diffusion-forcing",
    makePast: () => ({ history: undefined }),
  } satisfies Forcing);
}
