/** Frames ready for an encoder: 8-bit RGB at display size. Small clips are enlarged by whole pixels. */
import type { Video } from "./video.ts";

export interface Reel {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** RGB, width * height * 3 bytes each. */
  readonly frames: readonly Uint8Array[];
}

/** One frame as RGB bytes; values outside [-1, 1] are clamped, NaN is black. */
function bytesOf(source: Video, frame: number): Uint8Array {
  const size = source.height * source.width * 3;
  const out = new Uint8Array(size);
  const from = frame * size;
  for (let i = 0; i < size; i++) {
    const value = (source.data[from + i]! + 1) * 127.5;
    out[i] = value >= 0 ? Math.min(255, Math.round(value)) : 0;
  }
  return out;
}

function enlarge(rgb: Uint8Array, width: number, height: number, scale: number): Uint8Array {
  if (scale === 1) return rgb;
  const row = width * scale * 3;
  const out = new Uint8Array(row * height * scale);
  for (let i = 0; i < height; i++) {
    const start = i * scale * row;
    for (let j = 0; j < width; j++) {
      const at = (i * width + j) * 3;
      const [r, g, b] = [rgb[at]!, rgb[at + 1]!, rgb[at + 2]!];
      for (let k = 0, to = start + j * scale * 3; k < scale; k++, to += 3) {
        out[to] = r;
        out[to + 1] = g;
        out[to + 2] = b;
      }
    }
    for (let k = 1; k < scale; k++) out.copyWithin(start + k * row, start, start + row);
  }
  return out;
}

/** Mean over squares of `factor` pixels; what does not fill a square is cut off. */
function reduce(rgb: Uint8Array, width: number, height: number, factor: number): Uint8Array {
  const [w, h] = [Math.floor(width / factor), Math.floor(height / factor)];
  const out = new Uint8Array(w * h * 3);
  for (let i = 0; i < h; i++) {
    for (let j = 0; j < w; j++) {
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let a = 0; a < factor; a++) {
          for (let b = 0; b < factor; b++) sum += rgb[((i * factor + a) * width + j * factor + b) * 3 + c]!;
        }
        out[(i * w + j) * 3 + c] = Math.round(sum / (factor * factor));
      }
    }
  }
  return out;
}

/** Display scale of a clip: whole enlargement up to 8, or 1/n, so that the longer side comes near `side` pixels. */
export function fittingScale(width: number, height: number, side = 256): number {
  const longer = Math.max(width, height);
  return longer <= side ? Math.min(8, Math.floor(side / longer)) : 1 / Math.ceil(longer / side);
}

/** `scale`: a whole number, or 1 / a whole number. */
export function reelOf(source: Video, scale: number = fittingScale(source.width, source.height)): Reel {
  const { width, height, fps, numFrames } = source;
  const factor = scale < 1 ? Math.round(1 / scale) : scale;
  if (!(Number.isInteger(scale) || Math.abs(1 / factor - scale) < 1e-9) || factor < 1) {
    throw new RangeError(`Cannot scale a video by ${scale}: give a whole number, or 1 / a whole number.`);
  }
  const frames = Array.from({ length: numFrames }, (_, f) => {
    const rgb = bytesOf(source, f);
    return scale < 1 ? reduce(rgb, width, height, factor) : enlarge(rgb, width, height, scale);
  });
  return scale < 1
    ? { width: Math.floor(width / factor), height: Math.floor(height / factor), fps, frames }
    : { width: width * scale, height: height * scale, fps, frames };
}

/** At most `most` frames, evenly spaced, playing for the same time. */
export function thinned(reel: Reel, most: number): Reel {
  const n = reel.frames.length;
  if (n <= most) return reel;
  const frames = Array.from({ length: most }, (_, k) => reel.frames[Math.floor((k * n) / most)]!);
  return { ...reel, frames, fps: (reel.fps * most) / n };
}
