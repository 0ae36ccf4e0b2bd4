/** Pixels <-> normalised latents. A model sees only latents; a codec is exchanged without touching it. */
import type { Tensor } from "../tensor/tf.ts";

export interface Codec {
  readonly name: string;
  /** Pixel frames per latent frame. */
  readonly frameStride: number;
  /** Pixels per latent cell along height and width. */
  readonly stride: number;
  /** Channels of a latent cell. */
  readonly channels: number;
  /** [frames, height, width, channels] of the latents of a clip. @throws RangeError when it does not divide. */
  latentShape(frames: number, height: number, width: number): readonly [number, number, number, number];
  /** [B, F, H, W, 3] in [-1, 1] -> [B, F', H', W', channels], about unit variance. */
  encode(videos: Tensor): Tensor;
  /** Latents -> pixels, clamped to [-1, 1]. */
  decode(latents: Tensor): Tensor;
}
