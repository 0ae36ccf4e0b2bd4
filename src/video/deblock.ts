/**
 * A codec whose decoder smooths the seams between patches. A patch codec decodes every patch on its own; latents that
 * a model made do not agree at the borders, and flat backgrounds fall into squares. As in a video codec's loop filter
 * (List et al., "Adaptive deblocking filter", IEEE TCSVT 2003), a small step across a border between two smooth sides is
 * an error and is spread over both patches; a large one, or one beside an edge, is content and stays.
 *
 * On each side of a border, pixel d = 0..p/2-1 away from it moves by gate * step / 2 * (1 - (d + 1/2) / (p/2)):
 * the border itself closes, the middle of the patch stays.
 */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Codec } from "./codec.ts";

export interface DeblockOptions {
  /** Steps of this size (pixels in [-1, 1]) and above are content. */
  readonly limit?: number;
}

/** Filters the borders along the third of four axes. `x`: [N, lines, length, 3]; borders at multiples of `patch`. */
function filterAxis(x: tf.Tensor4D, patch: number, limit: number): tf.Tensor4D {
  const [n, lines, length] = x.shape;
  const borders = length / patch - 1;
  if (borders < 1) return x;
  const half = patch / 2;
  // Blocks that straddle a border: `half` pixels of the one patch, `half` of the next.
  const inner = x.slice([0, 0, half, 0], [n, lines, length - patch, 3]);
  const blocks = inner.reshape([n * lines, borders, patch, 3]) as tf.Tensor4D;
  const at = (k: number) => blocks.slice([0, 0, k, 0], [n * lines, borders, 1, 3]);
  const [before, last, next, after] = [at(half - 2), at(half - 1), at(half), at(half + 1)];
  const step = next.sub(last);
  // All channels decide together, or colours would come apart.
  const size = tf.max(step.abs(), 3, true);
  const activity = tf.max(tf.maximum(last.sub(before).abs(), after.sub(next).abs()), 3, true);
  const open = (value: Tensor) => tf.relu(tf.sub(1, value.div(limit)));
  const gate = open(size).mul(open(activity)).sqrt();
  const ramp = Float32Array.from({ length: patch }, (_, i) => {
    const d = i < half ? half - 1 - i : i - half;
    const share = 0.5 * (1 - (d + 0.5) / half);
    return i < half ? share : -share;
  });
  const moved = blocks.add(step.mul(gate).mul(tf.tensor(ramp, [1, 1, patch, 1])));
  const head = x.slice([0, 0, 0, 0], [n, lines, half, 3]);
  const tail = x.slice([0, 0, length - half, 0], [n, lines, half, 3]);
  return tf.concat([head, moved.reshape([n, lines, length - patch, 3]) as tf.Tensor4D, tail], 2);
}

/** Smooths the seams of decoded videos [B, F, H, W, 3] at multiples of `patch`. */
export function deblock(videos: Tensor, patch: number, { limit = 0.3 }: DeblockOptions = {}): Tensor {
  if (!(patch >= 4 && patch % 2 === 0)) {
    throw new RangeError(
      `Cannot smooth seams every ${patch} pixels: the filter needs an even patch of at least 4.`,
    );
  }
  if (!(limit > 0)) throw new RangeError(`Cannot smooth seams below ${limit}: the limit must be positive.`);
  const [b, f, h, w] = videos.shape as [number, number, number, number, number];
  return tf.tidy(() => {
    const columns = filterAxis(videos.reshape([b * f, h, w, 3]) as tf.Tensor4D, patch, limit);
    const rows = filterAxis(columns.transpose([0, 2, 1, 3]) as tf.Tensor4D, patch, limit);
    return rows.transpose([0, 2, 1, 3]).reshape([b, f, h, w, 3]);
  });
}

/** The same latents; decoding smooths the seams between patches. */
export function deblocked(codec: Codec, options: DeblockOptions = {}): Codec {
  return Object.freeze({
    ...codec,
    name: `${codec.name}-deblocked`,
    latentShape: (frames: number, height: number, width: number) => codec.latentShape(frames, height, width),
    encode: (videos: Tensor) => codec.encode(videos),
    decode: (latents: Tensor) => tf.tidy(() => deblock(codec.decode(latents), codec.stride, options)),
  });
}
