/**
 * The oracle's eye: a generated clip to states, from pixels only, with no knowledge of the prompt or of how the clip
 * was made. What the states are worth for a prompt is decided in src/metrics/world-score.ts.
 */
import type { Video } from "../../video.ts";
import { worldSize } from "../physics.ts";
import { type Blob, type Segmentation, segment } from "./segment.ts";
import { findGlass, findWall, type GlassReading, type WallReading } from "./structure.ts";
import { type TrackedObject, track } from "./track.ts";

export interface ClipReading {
  readonly numFrames: number;
  /** Frames in [0, 1], [32, 32, 3] each. */
  readonly frames: readonly Float32Array[];
  readonly segments: readonly Segmentation[];
  /** All coloured things, by falling number of frames seen. */
  readonly objects: readonly TrackedObject[];
  /** One entry a frame. */
  readonly walls: readonly (WallReading | undefined)[];
  readonly glasses: readonly (GlassReading | undefined)[];
}

/** Frame `index` as [32, 32, 3] in [0, 1]; larger frames are averaged down. */
function worldFrame(video: Video, index: number): Float32Array {
  const k = video.height / worldSize;
  const from = index * video.height * video.width * 3;
  const out = new Float32Array(worldSize * worldSize * 3);
  if (k === 1) {
    for (let i = 0; i < out.length; i++) {
      const value = (video.data[from + i]! + 1) / 2;
      out[i] = value >= 0 ? Math.min(1, value) : 0; // NaN becomes 0
    }
    return out;
  }
  for (let i = 0; i < video.height; i++) {
    for (let j = 0; j < video.width; j++) {
      const to = (Math.floor(i / k) * worldSize + Math.floor(j / k)) * 3;
      const at = from + (i * video.width + j) * 3;
      for (let c = 0; c < 3; c++) {
        const value = (video.data[at + c]! + 1) / 2;
        out[to + c]! += (value >= 0 ? Math.min(1, value) : 0) / (k * k);
      }
    }
  }
  return out;
}

/**
 * Reads a clip of the world (any number of frames, side a multiple of 32).
 * @throws RangeError for frames of another size.
 */
export function readClip(video: Video): ClipReading {
  if (video.height !== video.width || video.height % worldSize !== 0) {
    throw new RangeError(
      `Cannot read a clip of ${video.height}x${video.width} pixels: the oracle knows the procedural world, whose frames are ` +
        `square with a side that is a multiple of ${worldSize}. Resize the clip.`,
    );
  }
  const frames = Array.from({ length: video.numFrames }, (_, f) => worldFrame(video, f));
  const segments = frames.map(segment);
  const walls = frames.map(findWall);
  const glasses = frames.map((frame, f) =>
    findGlass(
      frame,
      segments[f]!,
      segments[f]!.blobs.map((b) => b.colour),
    ),
  );
  const objects = track(segments.map((s) => s.blobs));
  return { numFrames: video.numFrames, frames, segments, objects, walls, glasses };
}

export type { Blob, GlassReading, Segmentation, TrackedObject, WallReading };
