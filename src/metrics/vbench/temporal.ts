/**
 * The temporal dimensions of VBench up to the network: temporal flickering needs none and is whole; for motion
 * smoothness and dynamic degree the network's output (interpolated frames, flow magnitudes) is an argument. Definitions:
 * temporal_flickering.py, static_filter.py, motion_smoothness.py, dynamic_degree.py at the commit in constants.ts.
 */
import type { Video } from "../../video/video.ts";
import { dynamicInterval, pythonRound } from "./rounding.ts";

/** [frames * height * width * 3] as a decoder gives them, 0..255. */
export function toBytes(video: Video): Uint8Array {
  const out = new Uint8Array(video.data.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.min(255, Math.max(0, Math.round((video.data[i]! + 1) * 127.5)));
  }
  return out;
}

/** Mean absolute difference of two byte frames. */
function meanDifference(bytes: Uint8Array, a: number, b: number, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += Math.abs(bytes[a + i]! - bytes[b + i]!);
  return sum / size;
}

/** (255 - mean over adjacent pairs of the mean absolute difference) / 255, full resolution, every pair, all channels. */
export function temporalFlickering(video: Video): number {
  if (video.numFrames < 2) {
    throw new RangeError(
      `Cannot measure flickering of ${video.numFrames} frame: it compares neighbours. Give at least 2 frames.`,
    );
  }
  const bytes = toBytes(video);
  const size = video.height * video.width * 3;
  let sum = 0;
  for (let f = 0; f + 1 < video.numFrames; f++) sum += meanDifference(bytes, f * size, (f + 1) * size, size);
  return (255 - sum / (video.numFrames - 1)) / 255;
}

/** Adjacent pairs, then the two wrap-around pairs that the static filter also looks at. */
export function staticFilterPairs(numFrames: number): [number, number][] {
  const pairs: [number, number][] = Array.from({ length: Math.max(0, numFrames - 1) }, (_, f) => [f, f + 1]);
  return [...pairs, [0, numFrames - 1], [numFrames - 1, 0]];
}

/** Mean of the largest magnitudes: the top `share` of the pixels, their number cut to an integer. */
export function topMean(magnitudes: ArrayLike<number>, share: number): number {
  const count = Math.trunc(share * magnitudes.length);
  if (count < 1)
    throw new RangeError(
      `Cannot average the top ${share} of ${magnitudes.length} flow values: that is none.`,
    );
  const sorted = Float64Array.from(magnitudes).sort();
  let sum = 0;
  for (let k = 0; k < count; k++) sum += sorted[sorted.length - 1 - k]!;
  return sum / count;
}

/**
 * Is a video static enough for temporal flickering? `tops`: mean of the top 2 % flow magnitudes of each pair of
 * `staticFilterPairs`, in that order.
 */
export function isStatic(tops: readonly number[], size: { width: number; height: number }): boolean {
  const wrapped = tops.slice(-2);
  const adjacent = tops.slice(0, -2);
  const numFrames = adjacent.length + 1;
  const threshold = (3 * Math.min(size.width, size.height)) / 256;
  const limit = pythonRound((2 * numFrames) / 16);
  return (
    adjacent.filter((top) => top > threshold).length <= limit &&
    wrapped.every((top) => !(top > threshold * limit * 2))
  );
}

/** Frames that the dynamic degree samples: every `interval`-th from the first. */
export function dynamicFrames(numFrames: number, fps: number): number[] {
  const interval = dynamicInterval(fps);
  return Array.from({ length: Math.ceil(numFrames / interval) }, (_, k) => k * interval);
}

/** `tops`: mean of the top 5 % flow magnitudes of each adjacent pair of sampled frames. */
export function isDynamic(tops: readonly number[], size: { width: number; height: number }): boolean {
  const threshold = (6 * Math.min(size.width, size.height)) / 256;
  const needed = pythonRound((4 * (tops.length + 1)) / 16);
  return tops.filter((top) => top > threshold).length >= needed;
}

/** Frames that motion smoothness predicts (odd) and from which (the even ones on both sides). */
export function smoothnessTriples(numFrames: number): [before: number, target: number, after: number][] {
  const evens = Math.ceil(numFrames / 2);
  if (evens < 2) {
    throw new RangeError(
      `Cannot measure smoothness of ${numFrames} frames: it interpolates between every second one. Give at least 3.`,
    );
  }
  return Array.from({ length: evens - 1 }, (_, k) => [2 * k, 2 * k + 1, 2 * k + 2]);
}

/**
 * (255 - mean |real - predicted|) / 255 over the triples' targets. `predictions`: one frame a triple, [height * width *
 * 3] in [0, 1] as the interpolator gives it; it is cut, not rounded, to bytes.
 */
export function motionSmoothness(video: Video, predictions: readonly ArrayLike<number>[]): number {
  const triples = smoothnessTriples(video.numFrames);
  if (predictions.length !== triples.length) {
    throw new RangeError(
      `Cannot measure smoothness: ${triples.length} frames are predicted, got ${predictions.length} predictions.`,
    );
  }
  const bytes = toBytes(video);
  const size = video.height * video.width * 3;
  let sum = 0;
  triples.forEach(([, target], k) => {
    const predicted = predictions[k]!;
    let difference = 0;
    for (let i = 0; i < size; i++) {
      const byte = Math.trunc(255 * Math.min(1, Math.max(0, predicted[i]!)));
      difference += Math.abs(bytes[target * size + i]! - byte);
    }
    sum += difference / size;
  });
  return (255 - sum / triples.length) / 255;
}
