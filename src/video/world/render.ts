/**
 * States to pixels: background, glass with its water, objects, and the wall in front of all. Edges are antialiased
 * by signed distance (coverage = clamp(1/2 - distance in pixels)).
 */
import { type Video, video } from "../video.ts";
import type { Shape } from "./grammar.ts";
import {
  type BackgroundState,
  type ClipState,
  type GlassState,
  type ObjectState,
  type Rgb,
  worldSize,
} from "./physics.ts";

const clamp01 = (x: number): number => Math.min(1, Math.max(0, x));

/** Signed distance in world units from a shape of half size r centred at the origin (negative inside). */
function distance(shape: Shape, dx: number, dy: number, r: number): number {
  if (shape === "ball") return Math.hypot(dx, dy) - r;
  if (shape === "square") return Math.max(Math.abs(dx), Math.abs(dy)) - 0.88 * r;
  return Math.max(dy - 0.9 * r, (2 * Math.abs(dx) - 1.1 * (dy + 0.9 * r)) / 2.28);
}

/** Thickness of a hollow shape's outline in world units. */
const outline = 2.2;

/** [size, size, 3] in [0, 1]. */
function paintBackground(background: BackgroundState, size: number): Float32Array {
  const { rgb, amplitude, frequency, phase, striped } = background;
  const unit = worldSize / size;
  const out = new Float32Array(size * size * 3);
  for (let i = 0, at = 0; i < size; i++) {
    for (let j = 0; j < size; j++, at += 3) {
      const angle = frequency[0] * (j + 0.5) * unit + frequency[1] * (i + 0.5) * unit + phase;
      // Stripes are a steep sine rather than a step: no aliasing at any size.
      const wave = striped ? Math.tanh(3 * Math.sin(angle)) : Math.sin(angle);
      out[at] = clamp01(rgb[0] + amplitude[0] * wave);
      out[at + 1] = clamp01(rgb[1] + amplitude[1] * wave);
      out[at + 2] = clamp01(rgb[2] + amplitude[2] * wave);
    }
  }
  return out;
}

function blend(frame: Float32Array, at: number, rgb: Rgb, coverage: number): void {
  for (let c = 0; c < 3; c++) frame[at + c] = frame[at + c]! * (1 - coverage) + rgb[c]! * coverage;
}

function drawBox(
  frame: Float32Array,
  size: number,
  box: readonly [number, number, number, number],
  rgb: Rgb,
): void {
  const k = size / worldSize;
  const [left, top, right, bottom] = box.map((edge) => edge * k) as [number, number, number, number];
  for (let i = Math.max(0, Math.floor(top)); i < Math.min(size, Math.ceil(bottom)); i++) {
    const tall = clamp01(Math.min(i + 1, bottom) - Math.max(i, top));
    for (let j = Math.max(0, Math.floor(left)); j < Math.min(size, Math.ceil(right)); j++) {
      const wide = clamp01(Math.min(j + 1, right) - Math.max(j, left));
      blend(frame, (i * size + j) * 3, rgb, tall * wide);
    }
  }
}

function drawObject(frame: Float32Array, size: number, object: ObjectState, index: number): void {
  const k = size / worldSize;
  const [cx, cy, r] = [object.x[index]!, object.y[index]!, object.halfSize];
  const low = (centre: number) => Math.max(0, Math.floor((centre - r) * k) - 1);
  const high = (centre: number) => Math.min(size, Math.ceil((centre + r) * k) + 1);
  for (let i = low(cy); i < high(cy); i++) {
    const dy = (i + 0.5) / k - cy;
    for (let j = low(cx); j < high(cx); j++) {
      const d = distance(object.shape, (j + 0.5) / k - cx, dy, r);
      const solid = clamp01(0.5 - d * k);
      if (solid === 0) continue;
      const hole = object.hollow ? clamp01(0.5 - (d + outline) * k) : 0;
      blend(frame, (i * size + j) * 3, object.rgb, solid - hole);
    }
  }
}

const glassRgb: Rgb = [0.86, 0.86, 0.86];
const glassThickness = 1.5;

function drawGlass(frame: Float32Array, size: number, glass: GlassState, index: number): void {
  const { left, right, top, bottom, rgb, level } = glass;
  const full = level[index]!;
  const surface = bottom - full * (bottom - top - 1);
  const middle = (left + right) / 2;
  if (full < 1) drawBox(frame, size, [middle - 1, 0, middle + 1, surface], rgb);
  drawBox(frame, size, [left, surface, right, bottom], rgb);
  drawBox(frame, size, [left - glassThickness, top, left, bottom + glassThickness], glassRgb);
  drawBox(frame, size, [right, top, right + glassThickness, bottom + glassThickness], glassRgb);
  drawBox(frame, size, [left, bottom, right, bottom + glassThickness], glassRgb);
}

export interface RenderOptions {
  /** Height and width in pixels. */
  readonly size?: number;
  readonly fps?: number;
  readonly prompt?: string;
}

/** All frames of a state as a video of size x size pixels. */
export function render(state: ClipState, numFrames: number, options: RenderOptions = {}): Video {
  const { size = 32, fps = 8, prompt } = options;
  const backdrop = paintBackground(state.background, size);
  const perFrame = size * size * 3;
  const data = new Float32Array(numFrames * perFrame);
  for (let index = 0; index < numFrames; index++) {
    const frame = data.subarray(index * perFrame, (index + 1) * perFrame);
    frame.set(backdrop);
    if (state.glass) drawGlass(frame, size, state.glass, index);
    for (const object of state.objects) drawObject(frame, size, object, index);
    if (state.wall) {
      const { left, right, grey } = state.wall;
      drawBox(frame, size, [left, 0, right, worldSize], [grey, grey, grey]);
    }
  }
  for (let i = 0; i < data.length; i++) data[i] = data[i]! * 2 - 1;
  return video({
    numFrames,
    height: size,
    width: size,
    fps,
    data,
    ...(prompt === undefined ? {} : { prompt }),
  });
}
