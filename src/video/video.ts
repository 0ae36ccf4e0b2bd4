/** A clip as a plain value: what verifiers score, metrics read and notebooks show. */
import { positive, requireNumbers } from "../tensor/ranges.ts";

export interface Video {
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
  /** Frames per second of playback. */
  readonly fps: number;
  /** [frames, height, width, 3] row-major, RGB in [-1, 1]. */
  readonly data: Float32Array;
  /** The prompt it was made for, if any. */
  readonly prompt?: string;
}

export interface VideoInit {
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
  readonly fps?: number;
  readonly data: Float32Array;
  readonly prompt?: string;
}

/** Adds the drawing method outside of the enumerable fields, so that a video compares and prints as plain data. */
function showing(fields: Video): Video {
  const value = { ...fields };
  Object.defineProperty(value, Symbol.for("Jupyter.display"), {
    // Encoders are loaded when a video is first shown.
    value: async () => (await import("./display.ts")).videoBundle(value),
  });
  return Object.freeze(value);
}

/** @throws RangeError when the data does not fill frames x height x width x 3. */
export function video(init: VideoInit): Video {
  const { numFrames, height, width, data } = init;
  const expected = numFrames * height * width * 3;
  if (data.length !== expected) {
    throw new RangeError(
      `Cannot make a video of ${numFrames} frames of ${height}x${width} RGB: it needs ${expected} values, got ${data.length}.`,
    );
  }
  const shown = { fps: 8, ...init };
  requireNumbers("make a video", { fps: shown.fps }, positive);
  return showing(shown);
}

/** Frames `from` (inclusive) to `to` (exclusive) as a new video sharing the data. */
export function clip(source: Video, from: number, to: number): Video {
  if (!(from >= 0 && from <= to && to <= source.numFrames)) {
    throw new RangeError(
      `Cannot cut frames ${from}..${to}: the video has ${source.numFrames} frames. Give 0 <= from <= to <= ${source.numFrames}.`,
    );
  }
  const size = source.height * source.width * 3;
  return showing({
    ...source,
    numFrames: to - from,
    data: source.data.subarray(from * size, to * size),
  });
}
