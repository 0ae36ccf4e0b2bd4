/** Latent frames as tokens of p x p patches and back; tokens in the order frame, height, width. */
import type { Tensor } from "../tf.ts";
import { require } from "./fused.ts";

/**
 * @param x [B, F, H, W, C] with H and W multiples of p
 * @returns [B, F (H/p) (W/p), p p C]; features in the order row, column, channel
 */
export function patchify(x: Tensor, p: number): Tensor {
  const [batch, frames, height, width, channels] = x.shape as [number, number, number, number, number];
  require(x.rank === 5 && height % p === 0 && width % p === 0, () =>
    `Cannot cut patches of ${p}x${p} as x must be [batch, frames, height, width, channels] with height and width multiples of ${p}: got [${x.shape}].`);
  return (
    x
      // [B F, H/p, p, W/p, p, C] -> [B F, H/p, W/p, p, p, C]
      .reshape([batch * frames, height / p, p, width / p, p, channels])
      .transpose([0, 1, 3, 2, 4, 5])
      .reshape([batch, frames * (height / p) * (width / p), p * p * channels])
  );
}

/**
 * The inverse of `patchify`.
 * @param tokens [B, F (H/p) (W/p), p p C]
 * @param shape [F, H, W] of the result
 * @returns [B, F, H, W, C]
 */
export function unpatchify(
  tokens: Tensor,
  p: number,
  [frames, height, width]: readonly [frames: number, height: number, width: number],
): Tensor {
  const [batch, count, features] = tokens.shape as [number, number, number];
  require(tokens.rank === 3 &&
    height % p === 0 &&
    width % p === 0 &&
    count === (frames * height * width) / (p * p) &&
    features % (p * p) === 0, () =>
    `Cannot assemble ${frames} frames of ${height}x${width} from patches of ${p}x${p} as tokens must be [batch, ${(frames * height * width) / (p * p)}, multiple of ${p * p}]: got [${tokens.shape}].`);
  const channels = features / (p * p);
  return tokens
    .reshape([batch * frames, height / p, width / p, p, p, channels])
    .transpose([0, 1, 3, 2, 4, 5])
    .reshape([batch, frames, height, width, channels]);
}
