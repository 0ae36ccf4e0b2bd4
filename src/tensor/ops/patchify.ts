/** Latent frames as tokens of p x p patches and back; tokens in the order frame, height, width. */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import type { Tensor } from "../tf.ts";
import { hasKernel, require, runFused, withGradient } from "./fused.ts";

/**
 * @param x [B, F, H, W, C] with H and W multiples of p
 * @returns [B, F (H/p) (W/p), p p C]; features in the order row, column, channel
 */
export function patchify(x: Tensor, p: number): Tensor {
  const [batch, frames, height, width, channels] = x.shape as [number, number, number, number, number];
  require(x.rank === 5 && height % p === 0 && width % p === 0, () =>
    `Cannot cut patches of ${p}x${p} as x must be [batch, frames, height, width, channels] with height and width multiples of ${p}: got [${x.shape}].`);
  if (hasKernel("Fused.Patches")) return movePatches(x, p, [frames, height, width], false);
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
  if (hasKernel("Fused.Patches")) return movePatches(tokens, p, [frames, height, width], true);
  const channels = features / (p * p);
  return tokens
    .reshape([batch * frames, height / p, width / p, p, p, channels])
    .transpose([0, 1, 3, 2, 4, 5])
    .reshape([batch, frames, height, width, channels]);
}

type FrameShape = readonly [frames: number, height: number, width: number];

interface PatchAttributes {
  readonly p: number;
  readonly shape: FrameShape;
  /** From tokens to frames. */
  readonly back: boolean;
}

/** A permutation: its gradient is the permutation back. */
function movePatches(x: Tensor, p: number, shape: FrameShape, back: boolean): Tensor {
  return withGradient(
    { x },
    () => runFused("Fused.Patches", { x }, { p, shape, back })[0]!,
    (dy) => ({ x: () => runFused("Fused.Patches", { x: dy }, { p, shape, back: !back })[0]! }),
  );
}

defineKernel<{ x: TensorInfo }, PatchAttributes>("Fused.Patches", (backend, { x }, { p, shape, back }) => {
  const [frames, height, width] = shape;
  const batch = x.shape[0]!;
  const channels = back ? x.shape[2]! / (p * p) : x.shape[4]!;
  const tokens = (frames * height * width) / (p * p);
  const out = backend.output(
    back ? [batch, frames, height, width, channels] : [batch, tokens, p * p * channels],
    "float32",
  );
  const size = sizeOf(x.shape);
  if (size > 0) {
    backend.call("patches", 4 * size, batch * frames, height / p, width / p, p, channels, back, x, out);
  }
  return out;
});
