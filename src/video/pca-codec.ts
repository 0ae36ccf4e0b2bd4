/**
 * A linear codec: principal components of pixel patches under one global scale. Component variances are kept (no
 * whitening), because position and colour carry most variance and a flow model then learns them first.
 *
 *   latent = V^T (patch - mean) / scale,   scale = sqrt(mean component variance)
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { givenText } from "../tensor/given-file.ts";
import { packageRoot } from "../tensor/package-root.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Codec } from "./codec.ts";
import type { Dataset } from "./dataset.ts";
import { covarianceEigen } from "./eigen.ts";

export interface PcaCodecWeights {
  /** Side of a patch in pixels. */
  readonly patch: number;
  readonly channels: number;
  readonly scale: number;
  /** [patch * patch * 3] */
  readonly mean: Float32Array;
  /** [patch * patch * 3, channels], orthonormal columns, by falling variance. */
  readonly basis: Float32Array;
  /** How it was fitted, in words. */
  readonly recipe: string;
}

/** [B, F, H, W, 3] -> [B*F*H/p*W/p, p*p*3]; rank 4 at most, so that every backend can transpose. */
function toPatches(videos: Tensor, patch: number): Tensor {
  const [b, f, h, w] = videos.shape as [number, number, number, number, number];
  const rows = b * f * (h / patch);
  return videos
    .reshape([rows, patch, w / patch, patch * 3])
    .transpose([0, 2, 1, 3])
    .reshape([(rows * w) / patch, patch * patch * 3]);
}

function fromPatches(
  patches: Tensor,
  shape: readonly [number, number, number, number, number],
  patch: number,
): Tensor {
  const [b, f, h, w] = shape;
  return patches
    .reshape([b * f * (h / patch), w / patch, patch, patch * 3])
    .transpose([0, 2, 1, 3])
    .reshape([b, f, h, w, 3]);
}

/** A codec from fitted weights. Its tensors live as long as the process. */
export function pcaCodec(weights: PcaCodecWeights): Codec {
  const { patch, channels, scale, mean, basis } = weights;
  const width = patch * patch * 3;
  if (mean.length !== width || basis.length !== width * channels) {
    throw new RangeError(
      `Cannot make a PCA codec of ${patch}x${patch} patches and ${channels} channels: it needs a mean of ${width} and a ` +
        `basis of ${width * channels} values, got ${mean.length} and ${basis.length}.`,
    );
  }
  // latent = patch E + e0 and patch = latent D + mean, with the scale folded into E and D.
  const forward = basis.map((v) => v / scale);
  const back = new Float32Array(width * channels);
  const offset = new Float32Array(channels);
  for (let i = 0; i < width; i++) {
    for (let k = 0; k < channels; k++) {
      back[k * width + i] = basis[i * channels + k]! * scale;
      offset[k]! -= mean[i]! * forward[i * channels + k]!;
    }
  }
  const constant = (values: Float32Array, shape: number[]) => tf.keep(tf.tensor(values, shape, "float32"));
  let parts: { forward: Tensor; offset: Tensor; back: Tensor; mean: Tensor; backend: string } | undefined;
  const tensors = () => {
    // Made on first use and again after a change of device: a constant must live on the active backend.
    if (parts?.backend !== tf.getBackend()) {
      parts = {
        forward: constant(forward, [width, channels]),
        offset: constant(offset, [channels]),
        back: constant(back, [channels, width]),
        mean: constant(mean, [width]),
        backend: tf.getBackend(),
      };
    }
    return parts;
  };
  return Object.freeze({
    name: `pca-${patch}x${patch}x3-${channels}`,
    frameStride: 1,
    stride: patch,
    channels,
    latentShape(frames: number, h: number, w: number) {
      if (h % patch !== 0 || w % patch !== 0) {
        throw new RangeError(
          `Cannot encode frames of ${h}x${w}: height and width must be multiples of ${patch}. Resize the videos.`,
        );
      }
      return [frames, h / patch, w / patch, channels] as const;
    },
    encode(videos: Tensor): Tensor {
      if (!(videos instanceof tf.Tensor) || videos.rank !== 5 || videos.shape[4] !== 3) {
        const found = videos instanceof tf.Tensor ? `a tensor of shape [${videos.shape}]` : "no tensor";
        throw new RangeError(
          `Cannot encode as videos must be a tensor [B, frames, height, width, 3]: got ${found}. Of a clip: tf.tensor5d(clip.data, [1, clip.numFrames, clip.height, clip.width, 3]).`,
        );
      }
      const [b, f, h, w] = videos.shape as [number, number, number, number, 3];
      const shape = this.latentShape(f, h, w);
      return tf.tidy(() => {
        const t = tensors();
        return tf
          .matMul(toPatches(videos, patch) as tf.Tensor2D, t.forward as tf.Tensor2D)
          .add(t.offset)
          .reshape([b, ...shape]);
      });
    },
    decode(latents: Tensor): Tensor {
      const [b, f, h, w, c] = latents.shape as [number, number, number, number, number];
      if (latents.rank !== 5 || c !== channels) {
        throw new RangeError(
          `Cannot decode a tensor of shape [${latents.shape}]: latents are [B, frames, height, width, ${channels}].`,
        );
      }
      return tf.tidy(() => {
        const t = tensors();
        const patches = tf
          .matMul(latents.reshape([-1, channels]) as tf.Tensor2D, t.back as tf.Tensor2D)
          .add(t.mean);
        return fromPatches(patches, [b, f, h * patch, w * patch, 3], patch).clipByValue(-1, 1);
      });
    },
  });
}

export interface FitPcaOptions {
  readonly patch?: number;
  readonly channels?: number;
  /** Frames used of each clip, evenly spaced. */
  readonly framesPerClip?: number;
}

/** Fits a PCA codec to all clips of a dataset; deterministic for a deterministic dataset. */
export function fitPcaCodec(clips: Dataset, options: FitPcaOptions = {}): PcaCodecWeights {
  const { patch = 8, channels = 64, framesPerClip = 8 } = options;
  const width = patch * patch * 3;
  if (clips.height % patch !== 0 || clips.width % patch !== 0) {
    throw new RangeError(
      `Cannot fit ${patch}x${patch} patches to frames of ${clips.height}x${clips.width}: both must be multiples of ${patch}.`,
    );
  }
  if (!(channels >= 1 && channels <= width)) {
    throw new RangeError(
      `Cannot keep ${channels} components: a patch has ${width} values. Give 1 to ${width}.`,
    );
  }
  const sum = new Float64Array(width);
  const products = new Float64Array(width * width);
  const one = new Float64Array(width);
  let count = 0;
  for (let index = 0; index < clips.length; index++) {
    const { video } = clips.clip(index);
    const step = Math.max(1, Math.floor(video.numFrames / framesPerClip));
    for (let frame = 0; frame < video.numFrames; frame += step) {
      for (let top = 0; top < video.height; top += patch) {
        for (let left = 0; left < video.width; left += patch) {
          for (let i = 0; i < patch; i++) {
            const from = ((frame * video.height + top + i) * video.width + left) * 3;
            for (let j = 0; j < patch * 3; j++) one[i * patch * 3 + j] = video.data[from + j]!;
          }
          for (let i = 0; i < width; i++) {
            const value = one[i]!;
            sum[i]! += value;
            for (let j = i; j < width; j++) products[i * width + j]! += value * one[j]!;
          }
          count++;
        }
      }
    }
  }
  const mean = sum.map((s) => s / count);
  for (let i = 0; i < width; i++) {
    for (let j = i; j < width; j++) {
      const c = products[i * width + j]! / count - mean[i]! * mean[j]!;
      products[i * width + j] = c;
      products[j * width + i] = c;
    }
  }
  const { values, vectors } = covarianceEigen(products, width, channels);
  const scale = Math.sqrt(values.reduce((a, b) => a + b, 0) / channels);
  return {
    patch,
    channels,
    scale,
    mean: Float32Array.from(mean),
    basis: Float32Array.from(vectors),
    recipe: `PCA of ${count} ${patch}x${patch}x3 patches, ${clips.length} clips of ${clips.name}, ${clips.numFrames} frames each`,
  };
}

const base64 = (values: Float32Array): string =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
const floats = (text: string): Float32Array => {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(new Uint8Array(bytes).buffer);
};

/** Writes weights as JSON with base64 little-endian float32. */
export function savePcaCodec(path: string, weights: PcaCodecWeights): void {
  const { mean, basis, ...rest } = weights;
  writeFileSync(path, `${JSON.stringify({ ...rest, mean: base64(mean), basis: base64(basis) }, null, 1)}\n`);
}

/** Reads what `savePcaCodec` wrote. */
export function loadPcaCodec(path: string): PcaCodecWeights {
  const raw = JSON.parse(givenText(path, "load a PCA codec")) as Record<string, unknown>;
  const { patch, channels, scale, recipe, mean, basis } = raw;
  if (
    typeof patch !== "number" ||
    typeof channels !== "number" ||
    typeof mean !== "string" ||
    typeof basis !== "string"
  ) {
    throw new TypeError(
      `Cannot load a PCA codec from ${path}: the file lacks patch, channels, mean or basis. Fit it again.`,
    );
  }
  return {
    patch,
    channels,
    scale: Number(scale),
    recipe: String(recipe),
    mean: floats(mean),
    basis: floats(basis),
  };
}

let shipped: Codec | undefined;

/** The codec of the world that ships with the package: 8x8x3 patches, 64 channels, fitted to all scenes. */
export function worldCodec(): Codec {
  shipped ??= pcaCodec(loadPcaCodec(join(packageRoot, "data/codec/world-pca-64.json")));
  return shipped;
}
