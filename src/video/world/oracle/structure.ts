/** The colourless parts of a frame: a wall in front of the scene, a glass and the level of the water in it. */
import { type Colour, colours } from "../grammar.ts";
import { worldSize } from "../physics.ts";
import type { Segmentation } from "./segment.ts";

const size = worldSize;

export interface WallReading {
  /** First and last column (inclusive, exclusive). */
  readonly left: number;
  readonly right: number;
}

export interface GlassReading {
  /** Inner columns (inclusive, exclusive), rows of the rim and of the inner bottom. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  /** Filled share of the inner height. */
  readonly level: number;
  /** Hue of most water pixels; undefined when the glass holds none. */
  readonly colour: Colour | undefined;
}

/** Unsaturated and at least this bright: neither background (<= 0.45) nor object. */
function isGrey(frame: Float32Array, at: number, bright: number): boolean {
  const [r, g, b] = [frame[at]!, frame[at + 1]!, frame[at + 2]!];
  const low = Math.min(r, g, b);
  return low > bright && Math.max(r, g, b) - low < 0.2;
}

/** The widest run of columns that are grey over most of their height: a wall of the world spans the frame. */
export function findWall(frame: Float32Array): WallReading | undefined {
  let [best, bestLeft, run] = [0, 0, 0];
  for (let j = 0; j <= size; j++) {
    let grey = 0;
    if (j < size) for (let i = 0; i < size; i++) if (isGrey(frame, (i * size + j) * 3, 0.48)) grey++;
    if (grey >= 0.8 * size) {
      run++;
      if (run > best) [best, bestLeft] = [run, j - run + 1];
    } else run = 0;
  }
  return best >= 6 ? { left: bestLeft, right: bestLeft + best } : undefined;
}

/** Light enough and colourless enough for glass, on average over a few pixels. */
const isGlass = (r: number, g: number, b: number): boolean => {
  const low = Math.min(r, g, b);
  return low > 0.47 && Math.max(r, g, b) - low < 0.22;
};

/** Two upright grey lines joined at the bottom. */
export function findGlass(
  frame: Float32Array,
  { owner }: Segmentation,
  blobHues: readonly Colour[],
): GlassReading | undefined {
  // Most frames hold nothing light and colourless: no need to look for lines.
  let light = 0;
  for (let at = 0; at < frame.length; at += 3) {
    if (frame[at]! > 0.4 && frame[at + 1]! > 0.4 && frame[at + 2]! > 0.4) light++;
  }
  if (light < 24) return undefined;
  // Lines are looked for in means of five pixels along them: noise cancels, their neighbours stay out.
  const grey = new Uint8Array(size * size);
  const perColumn = new Uint8Array(size);
  for (let j = 0; j < size; j++) {
    const sum = [0, 0, 0];
    for (let i = -2; i < size; i++) {
      for (let c = 0; c < 3; c++) {
        if (i + 2 < size) sum[c]! += frame[((i + 2) * size + j) * 3 + c]!;
        if (i - 3 >= 0) sum[c]! -= frame[((i - 3) * size + j) * 3 + c]!;
      }
      if (i < 0) continue;
      const n = Math.min(size - 1, i + 2) - Math.max(0, i - 2) + 1;
      if (!isGlass(sum[0]! / n, sum[1]! / n, sum[2]! / n)) continue;
      grey[i * size + j] = 1;
      perColumn[j]!++;
    }
  }
  const upright = (j: number) => perColumn[j]! >= 10 && perColumn[j]! <= 26;
  const columns = Array.from({ length: size }, (_, j) => j).filter(upright);
  if (columns.length < 2) return undefined;
  const outerLeft = columns[0]!;
  const outerRight = columns.at(-1)!;
  let left = outerLeft;
  while (left < size && upright(left)) left++;
  let right = outerRight;
  while (right > 0 && upright(right)) right--;
  right++;
  if (right - left < 8) return undefined;
  let bottom = -1;
  for (let i = size - 1; i >= size / 2; i--) {
    const [r, g, b] = rowColour(frame, i, left, right) as [number, number, number];
    if (isGlass(r, g, b)) bottom = i;
    else if (bottom >= 0) break;
  }
  if (bottom < 0) return undefined;
  let top = bottom;
  while (top > 0 && (grey[(top - 1) * size + outerLeft] || grey[(top - 1) * size + outerRight])) top--;
  if (bottom - top < 6) return undefined;
  return { left, right, top, bottom, ...readLevel(frame, owner, blobHues, left, right, top, bottom) };
}

/** Rows of water from the bottom up; the falling stream is narrower than half the glass and does not count. */
function readLevel(
  frame: Float32Array,
  owner: Uint8Array,
  blobHues: readonly Colour[],
  left: number,
  right: number,
  top: number,
  bottom: number,
): { level: number; colour: Colour | undefined } {
  const counts = new Map<Colour, number>();
  const inner = right - left;
  let surface = bottom; // the highest wet row
  for (let i = bottom - 1; i >= top; i--) {
    let wet = 0;
    for (let j = left; j < right; j++) {
      const label = owner[i * size + j]!;
      if (label === 0) continue;
      wet++;
      const hue = label <= blobHues.length ? blobHues[label - 1]! : undefined;
      if (hue) counts.set(hue, (counts.get(hue) ?? 0) + 1);
    }
    // A row that is half glass, half water may lie below the first wet one.
    if (wet >= 0.5 * inner) surface = i;
    else if (surface < bottom || i < bottom - 2) break;
  }
  let rows = 0;
  if (surface < bottom) {
    // The surface cuts one row: this one or the next. Both count by how far their colour has come from dry to full.
    const full = rowColour(frame, Math.min(surface + 1, bottom - 1), left, right);
    const dry = rowColour(frame, Math.max(0, surface - 2), left, right);
    const share = (i: number) => (i < 0 ? 0 : along(rowColour(frame, i, left, right), dry, full));
    rows = bottom - 1 - surface + share(surface) + share(surface - 1);
  }
  const colour = [...counts].sort(
    (a, b) => b[1] - a[1] || colours.indexOf(a[0]) - colours.indexOf(b[0]),
  )[0]?.[0];
  return { level: Math.min(1, rows / (bottom - top - 1)), colour };
}

function rowColour(frame: Float32Array, row: number, left: number, right: number): number[] {
  const mean = [0, 0, 0];
  for (let j = left; j < right; j++) {
    for (let c = 0; c < 3; c++) mean[c]! += frame[(row * size + j) * 3 + c]! / (right - left);
  }
  return mean;
}

/** Place of `colour` on the line from `dry` (0) to `full` (1). */
function along(colour: readonly number[], dry: readonly number[], full: readonly number[]): number {
  let [dot, norm] = [0, 0];
  for (let c = 0; c < 3; c++) {
    const span = full[c]! - dry[c]!;
    dot += (colour[c]! - dry[c]!) * span;
    norm += span * span;
  }
  return norm < 1e-4 ? 0 : Math.min(1, Math.max(0, dot / norm));
}
