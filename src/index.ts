/**
 * The public API: what a cell imports from "zoetrope". Re-exports only, one section a folder, in the order of the
 * stack (tensors below, the lab on top).
 */

// diffusion
export type { ChunkShape, Condition, Denoiser, History } from "./diffusion/denoiser.ts";
export { type Cost, type Meter, meter, metered, meteredNetwork, spent } from "./diffusion/nfe.ts";
export { addNoise, dataFrom, noiseFrom, shiftTime, velocityTarget } from "./diffusion/path.ts";
// tensor
export { type PathStep, type Rng, rng } from "./tensor/rng.ts";
export { type Tensor, tf, type Variable } from "./tensor/tf.ts";
// verify
export type { Stage, Verifier, VerifierInput } from "./verify/verifier.ts";
// video
export { clip, type Video, type VideoInit, video } from "./video/video.ts";
