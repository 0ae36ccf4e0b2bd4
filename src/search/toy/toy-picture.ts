/**
 * The toy as a picture that moves: one panel per method, the data's density in grey, the circle of best reward, and the
 * points of the method at each of its steps; every panel ends on what the method delivers.
 */
import { type Video, video } from "../../video/video.ts";
import type { ToyFrame } from "./evo-toy.ts";
import type { Mixture } from "./mixture.ts";

export interface ToyVideoOptions {
  /** Pixels of a panel's side; default 128. */
  readonly size?: number;
  /** Frames of the video; default 24, of which the last third shows what was delivered. */
  readonly numFrames?: number;
  /** Panels side by side; default 3. */
  readonly columns?: number;
}

/** The plane that is shown: -reach..reach in both directions. */
const reach = 6;
const paper = [1, 1, 1] as const;
const ink = [0.85, 0.25, 0.1] as const;
const circle = [0.1, 0.45, 0.75] as const;

/** @throws RangeError without frames */
export function toyVideo(data: Mixture, frames: readonly ToyFrame[], options: ToyVideoOptions = {}): Video {
  const { size = 128, numFrames = 24, columns = 3 } = options;
  const methods = [...new Set(frames.map((frame) => frame.method))];
  if (methods.length === 0)
    throw new RangeError("Cannot draw the toy without frames. Collect what evoToy() yields.");
  const rows = Math.ceil(methods.length / columns);
  const [height, width] = [rows * size, Math.min(columns, methods.length) * size];
  const pixels = new Float32Array(numFrames * height * width * 3);
  const ground = groundOf(data, size);
  const moving = Math.max(1, Math.floor((2 * numFrames) / 3));
  methods.forEach((method, panel) => {
    const own = frames.filter((frame) => frame.method === method);
    const [top, left] = [Math.floor(panel / columns) * size, (panel % columns) * size];
    for (let f = 0; f < numFrames; f++) {
      const shown = own[Math.min(own.length - 1, Math.floor((f * own.length) / moving))]!;
      const canvas = ground.slice();
      for (let i = 0; i < shown.points.length; i += 2)
        dot(canvas, size, shown.points[i]!, shown.points[i + 1]!);
      for (let y = 0; y < size; y++) {
        const to = ((f * height + top + y) * width + left) * 3;
        pixels.set(canvas.subarray(y * size * 3, (y + 1) * size * 3), to);
      }
    }
  });
  for (let i = 0; i < pixels.length; i++) pixels[i] = 2 * pixels[i]! - 1;
  return video({ numFrames, height, width, fps: 8, data: pixels, prompt: methods.join(" | ") });
}

/** Density as grey, the circle of radius 2, a frame line at the right and below. */
function groundOf(data: Mixture, size: number): Float32Array {
  const out = new Float32Array(size * size * 3);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const x = ((column + 0.5) / size) * 2 * reach - reach;
      const y = reach - ((row + 0.5) / size) * 2 * reach;
      const shade = 1 - 0.5 * Math.exp(Math.max(-6, Math.min(0, (data.logDensity(x, y) + 2.5) / 1.5)));
      const onCircle = Math.abs(Math.hypot(x, y) - 2) < reach / size;
      const isEdge = row === size - 1 || column === size - 1;
      for (let c = 0; c < 3; c++) {
        out[(row * size + column) * 3 + c] = onCircle ? circle[c]! : isEdge ? 0.7 : shade * paper[c]!;
      }
    }
  }
  return out;
}

/** Two by two pixels; points outside the plane are left out. */
function dot(canvas: Float32Array, size: number, x: number, y: number): void {
  const column = Math.round(((x + reach) / (2 * reach)) * size) - 1;
  const row = Math.round(((reach - y) / (2 * reach)) * size) - 1;
  for (let r = row; r < row + 2; r++) {
    for (let c = column; c < column + 2; c++) {
      if (r >= 0 && c >= 0 && r < size && c < size) canvas.set(ink, (r * size + c) * 3);
    }
  }
}
