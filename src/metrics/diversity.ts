/**
 * How different are samples from each other? Two measures on feature vectors (pixels, latents, oracle states, CLIP
 * embeddings: say which in the row).
 *
 * pairwiseDiversity: mean squared L2 distance of L2-normalised features over ordered pairs, as EvoSearch (2505.17618)
 * reports it for CLIP features: 0 = all alike, 2 = all orthogonal.
 * vendiScore: Friedman and Dieng, TMLR 2023 (2210.02410): exp of the entropy of the eigenvalues of K / n, with the
 * cosine kernel; an effective number of distinct samples, 1 to n.
 */
import { covarianceEigen } from "../video/eigen.ts";
import type { Video } from "../video/video.ts";

export type Feature = ArrayLike<number>;

function unit(features: readonly Feature[], what: string): Float64Array[] {
  const length = features[0]?.length ?? 0;
  return features.map((f, i) => {
    if (f.length !== length) {
      throw new RangeError(
        `Cannot measure ${what}: feature 0 has ${length} values, feature ${i} has ${f.length}. Use one extractor.`,
      );
    }
    let norm = 0;
    for (let k = 0; k < f.length; k++) norm += f[k]! * f[k]!;
    if (!(norm > 0)) {
      throw new RangeError(
        `Cannot measure ${what}: feature ${i} is zero or not a number, so it has no direction. Drop that sample.`,
      );
    }
    const scale = 1 / Math.sqrt(norm);
    return Float64Array.from(f, (v) => v * scale);
  });
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

/** Mean over ordered pairs of |f_i - f_j|^2 with unit f. @throws RangeError for fewer than two samples. */
export function pairwiseDiversity(features: readonly Feature[]): number {
  const n = features.length;
  if (n < 2)
    throw new RangeError(`Cannot measure diversity of ${n} sample: it compares pairs. Give at least two.`);
  const units = unit(features, "diversity");
  // sum over ordered pairs of 2 - 2 u_i.u_j = 2 n (n - 1) - 2 (|sum u|^2 - n)
  const total = new Float64Array(units[0]!.length);
  for (const u of units) for (let k = 0; k < u.length; k++) total[k]! += u[k]!;
  const pairs = n * (n - 1);
  return Math.max(0, (2 * pairs - 2 * (dot(total, total) - n)) / pairs);
}

/** Effective number of distinct samples, 1 to n. */
export function vendiScore(features: readonly Feature[]): number {
  const n = features.length;
  if (n < 1) throw new RangeError("Cannot measure the Vendi score of no samples. Give at least one.");
  const units = unit(features, "the Vendi score");
  const kernel = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) kernel[i * n + j] = dot(units[i]!, units[j]!) / n;
  let entropy = 0;
  for (const value of covarianceEigen(kernel, n, n).values)
    if (value > 1e-12) entropy -= value * Math.log(value);
  return Math.exp(entropy);
}

/**
 * A plain feature of a clip for diversity within one prompt: mean colour of `cells` x `cells` blocks of `frames` evenly
 * spaced frames, the clip's mean taken off (so that pixels need not be positive). [frames * cells * cells * 3]
 */
export function layoutFeature(
  video: Video,
  { frames = 4, cells = 8 }: { frames?: number; cells?: number } = {},
): Float32Array {
  const out = new Float32Array(frames * cells * cells * 3);
  const count = new Float32Array(frames * cells * cells);
  for (let f = 0; f < frames; f++) {
    const source = frames === 1 ? 0 : Math.round((f * (video.numFrames - 1)) / (frames - 1));
    for (let i = 0; i < video.height; i++) {
      for (let j = 0; j < video.width; j++) {
        const cell =
          (f * cells + Math.floor((i * cells) / video.height)) * cells +
          Math.floor((j * cells) / video.width);
        count[cell]!++;
        const at = ((source * video.height + i) * video.width + j) * 3;
        for (let c = 0; c < 3; c++) out[cell * 3 + c]! += video.data[at + c]!;
      }
    }
  }
  let mean = 0;
  for (let i = 0; i < out.length; i++) {
    out[i]! /= Math.max(1, count[Math.floor(i / 3)]!);
    mean += out[i]! / out.length;
  }
  for (let i = 0; i < out.length; i++) out[i]! -= mean;
  return out;
}
