/**
 * One frame to coloured blobs, from pixels alone. Objects of the world are saturated, background, wall and glass are
 * not: a pixel's saturation along one of the six palette hues finds the objects, and the projection of the pixel on
 * the line from background to object colour gives its coverage, so places are known to about a tenth of a pixel.
 */
import { type Colour, colours, type Shape, shapes } from "../grammar.ts";
import { worldSize } from "../physics.ts";

const size = worldSize;
const pixels = size * size;

/** One connected patch of one hue. Lengths in world units (= pixels of a 32 x 32 frame). */
export interface Blob {
  readonly colour: Colour;
  /** Mean colour of the inner pixels, in [0, 1]. */
  readonly rgb: readonly [number, number, number];
  /** Covered area. */
  readonly area: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly shape: Shape;
  /** L1 distance to the best of the three shapes, as a share of the area: 0.1 is crisp, above 0.5 is no shape. */
  readonly misfit: number;
  readonly hollow: boolean;
  /** It reaches a side of the frame, so it may be cut. */
  readonly atEdge: boolean;
}

export interface Segmentation {
  readonly blobs: readonly Blob[];
  /** [32 * 32] 0 where no object is, else 1 + index of the blob (small specks included as 255). */
  readonly owner: Uint8Array;
  /** Median border colour. */
  readonly background: readonly [number, number, number];
}

/** Smallest patch that counts as an object, in pixels. */
const minArea = 8;
const minSaturation = 0.26;
const minContrast = 0.15;
const speck = 255;

/** Hue codes 0..5 in the order of `colours`: red green blue yellow magenta cyan. */
function saturation(r: number, g: number, b: number, hue: number): number {
  switch (hue) {
    case 0:
      return r - Math.max(g, b);
    case 1:
      return g - Math.max(r, b);
    case 2:
      return b - Math.max(r, g);
    case 3:
      return Math.min(r, g) - b;
    case 4:
      return Math.min(r, b) - g;
    default:
      return Math.min(g, b) - r;
  }
}

/** Blue of the palette leans to cyan and cyan to blue; one comparison of the two scores decides for each pixel. */
function hueOf(r: number, g: number, b: number): number {
  const high = Math.max(r, g, b);
  const low = Math.min(r, g, b);
  const middle = r + g + b - high - low;
  if (high - middle >= middle - low) return high === r ? 0 : high === g ? 1 : 2;
  return low === b ? 3 : low === g ? 4 : 5;
}

const hues = new Int8Array(pixels);
const stack = new Int16Array(pixels);
const coverage = new Float32Array(pixels);
const borderValues = new Float32Array(4 * (size - 1));

function borderMedian(frame: Float32Array, channel: number): number {
  let n = 0;
  for (let i = 0; i < size - 1; i++) {
    borderValues[n++] = frame[i * 3 + channel]!;
    borderValues[n++] = frame[(i * size + size - 1) * 3 + channel]!;
    borderValues[n++] = frame[((size - 1) * size + i + 1) * 3 + channel]!;
    borderValues[n++] = frame[(i + 1) * size * 3 + channel]!;
  }
  borderValues.sort();
  return borderValues[n >> 1]!;
}

/** Labels one 8-connected patch of a hue from `seed`; returns how many pixels, left in `stack[0..n)`. */
function flood(seed: number, hue: number, label: number, owner: Uint8Array): number {
  let n = 0;
  stack[n++] = seed;
  owner[seed] = label;
  for (let k = 0; k < n; k++) {
    const at = stack[k]!;
    const row = Math.floor(at / size);
    const column = at - row * size;
    for (let i = Math.max(0, row - 1); i <= Math.min(size - 1, row + 1); i++) {
      for (let j = Math.max(0, column - 1); j <= Math.min(size - 1, column + 1); j++) {
        const next = i * size + j;
        if (hues[next] === hue && owner[next] === 0) {
          owner[next] = label;
          stack[n++] = next;
        }
      }
    }
  }
  return n;
}

/** `frame`: [32, 32, 3] in [0, 1]. */
export function segment(frame: Float32Array): Segmentation {
  const background = [borderMedian(frame, 0), borderMedian(frame, 1), borderMedian(frame, 2)] as const;
  const owner = new Uint8Array(pixels);
  for (let p = 0; p < pixels; p++) {
    const r = frame[p * 3]!;
    const g = frame[p * 3 + 1]!;
    const b = frame[p * 3 + 2]!;
    const hue = hueOf(r, g, b);
    const vivid =
      saturation(r, g, b, hue) > minSaturation &&
      saturation(r - background[0], g - background[1], b - background[2], hue) > minContrast;
    hues[p] = vivid ? hue : -1;
  }
  const blobs: Blob[] = [];
  for (let p = 0; p < pixels; p++) {
    const hue = hues[p]!;
    if (hue < 0 || owner[p] !== 0) continue;
    const label = blobs.length < speck - 2 ? blobs.length + 1 : speck;
    const count = flood(p, hue, label, owner);
    const blob =
      count >= minArea && label !== speck ? measure(frame, owner, label, hue, count, background) : undefined;
    if (blob) blobs.push(blob);
    else for (let k = 0; k < count; k++) owner[stack[k]!] = speck;
  }
  return { blobs, owner, background };
}

function measure(
  frame: Float32Array,
  owner: Uint8Array,
  label: number,
  hue: number,
  count: number,
  background: readonly [number, number, number],
): Blob | undefined {
  // Object colour: the pixels whose saturation is near the patch's highest; edge pixels are mixtures.
  let peak = 0;
  let [top, bottom, left, right] = [size, -1, size, -1];
  for (let k = 0; k < count; k++) {
    const at = stack[k]!;
    peak = Math.max(peak, saturation(frame[at * 3]!, frame[at * 3 + 1]!, frame[at * 3 + 2]!, hue));
    const row = Math.floor(at / size);
    const column = at - row * size;
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
    left = Math.min(left, column);
    right = Math.max(right, column);
  }
  const rgb: [number, number, number] = [0, 0, 0];
  let core = 0;
  for (let k = 0; k < count; k++) {
    const at = stack[k]!;
    const [r, g, b] = [frame[at * 3]!, frame[at * 3 + 1]!, frame[at * 3 + 2]!];
    if (saturation(r, g, b, hue) < 0.8 * peak) continue;
    rgb[0] += r;
    rgb[1] += g;
    rgb[2] += b;
    core++;
  }
  for (let c = 0; c < 3; c++) rgb[c]! /= core;
  top = Math.max(0, top - 1);
  left = Math.max(0, left - 1);
  bottom = Math.min(size - 1, bottom + 1);
  right = Math.min(size - 1, right + 1);

  // Local background: free pixels of the box around the patch.
  const local: [number, number, number] = [0, 0, 0];
  let free = 0;
  for (let i = top; i <= bottom; i++) {
    for (let j = left; j <= right; j++) {
      const at = i * size + j;
      if (hues[at] !== -1 || !lonely(i, j)) continue;
      for (let c = 0; c < 3; c++) local[c]! += frame[at * 3 + c]!;
      free++;
    }
  }
  const ground = free >= 4 ? local.map((v) => v / free) : background;
  const [dr, dg, db] = [rgb[0] - ground[0]!, rgb[1] - ground[1]!, rgb[2] - ground[2]!];
  const norm = dr * dr + dg * dg + db * db;
  if (norm < 0.02) return undefined;

  let [area, sx, sy] = [0, 0, 0];
  let atEdge = false;
  for (let i = top; i <= bottom; i++) {
    for (let j = left; j <= right; j++) {
      const at = i * size + j;
      let a = 0;
      if (owner[at] === label || (owner[at] === 0 && touches(owner, label, i, j))) {
        a =
          ((frame[at * 3]! - ground[0]!) * dr +
            (frame[at * 3 + 1]! - ground[1]!) * dg +
            (frame[at * 3 + 2]! - ground[2]!) * db) /
          norm;
        a = a < 0.08 ? 0 : Math.min(1, a);
      }
      coverage[at] = a;
      area += a;
      sx += a * (j + 0.5);
      sy += a * (i + 0.5);
      if (a > 0.5 && (i === 0 || j === 0 || i === size - 1 || j === size - 1)) atEdge = true;
    }
  }
  if (area < minArea * 0.75) return undefined;
  const box = { top, bottom, left, right };
  const [width, height] = extents(box);
  const x = sx / area;
  const y = sy / area;
  const hole = centreCoverage(x, y) < 0.5;
  const solid = hole ? spanArea(box) : area;
  const { shape, misfit } = bestShape(box, x, y, solid, area, hole);
  return {
    colour: colours[hue]!,
    rgb,
    area: solid,
    x,
    y,
    width,
    height,
    shape,
    misfit,
    hollow: hole,
    atEdge,
  };
}

/** No vivid pixel among the neighbours. */
function lonely(i: number, j: number): boolean {
  for (let a = Math.max(0, i - 1); a <= Math.min(size - 1, i + 1); a++) {
    for (let b = Math.max(0, j - 1); b <= Math.min(size - 1, j + 1); b++) {
      if (hues[a * size + b] !== -1) return false;
    }
  }
  return true;
}

function touches(owner: Uint8Array, label: number, i: number, j: number): boolean {
  for (let a = Math.max(0, i - 1); a <= Math.min(size - 1, i + 1); a++) {
    for (let b = Math.max(0, j - 1); b <= Math.min(size - 1, j + 1); b++) {
      if (owner[a * size + b] === label) return true;
    }
  }
  return false;
}

interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Soft width and height: sums of the largest coverage of each column and row. */
function extents({ top, bottom, left, right }: Box): [number, number] {
  let [width, height] = [0, 0];
  for (let j = left; j <= right; j++) {
    let most = 0;
    for (let i = top; i <= bottom; i++) most = Math.max(most, coverage[i * size + j]!);
    width += most;
  }
  for (let i = top; i <= bottom; i++) {
    let most = 0;
    for (let j = left; j <= right; j++) most = Math.max(most, coverage[i * size + j]!);
    height += most;
  }
  return [width, height];
}

/** Least coverage of the four pixels around the centroid: an outline may leave a hole of hardly two pixels. */
function centreCoverage(x: number, y: number): number {
  let least = 1;
  for (let i = Math.max(0, Math.round(y - 1)); i < Math.min(size, Math.round(y + 1)); i++) {
    for (let j = Math.max(0, Math.round(x - 1)); j < Math.min(size, Math.round(x + 1)); j++) {
      least = Math.min(least, coverage[i * size + j]!);
    }
  }
  return least;
}

/** Area with holes filled row by row. */
function spanArea({ top, bottom, left, right }: Box): number {
  let area = 0;
  for (let i = top; i <= bottom; i++) {
    let [first, last] = [-1, -1];
    for (let j = left; j <= right; j++) {
      if (coverage[i * size + j]! > 0.15) {
        if (first < 0) first = j;
        last = j;
      }
    }
    if (first < 0) continue;
    const [a, b] = [coverage[i * size + first]!, coverage[i * size + last]!];
    area += first === last ? a : a + b + (last - first - 1);
  }
  return area;
}

/** Compares the coverage with a ball, a square and a triangle of the same area and centroid. */
function bestShape(
  { top, bottom, left, right }: Box,
  x: number,
  y: number,
  solid: number,
  area: number,
  hollow: boolean,
): { shape: Shape; misfit: number } {
  const ball = Math.sqrt(solid / Math.PI);
  const square = Math.sqrt(solid) / 2;
  const triangle = Math.sqrt(solid / 1.782);
  const outline = 2.2;
  const error = [0, 0, 0];
  for (let i = top; i <= bottom; i++) {
    const dy = i + 0.5 - y;
    const dyTriangle = dy + 0.3 * triangle; // the centroid lies 0.3 below the middle of its box
    for (let j = left; j <= right; j++) {
      const dx = Math.abs(j + 0.5 - x);
      const seen = coverage[i * size + j]!;
      const d0 = Math.sqrt(dx * dx + dy * dy) - ball;
      const d1 = Math.max(dx, Math.abs(dy)) - square;
      const d2 = Math.max(dyTriangle - 0.9 * triangle, (2 * dx - 1.1 * (dyTriangle + 0.9 * triangle)) / 2.28);
      error[0]! += Math.abs(seen - cover(d0, hollow, outline));
      error[1]! += Math.abs(seen - cover(d1, hollow, outline));
      error[2]! += Math.abs(seen - cover(d2, hollow, outline));
    }
  }
  const best = error[0]! <= error[1]! ? (error[0]! <= error[2]! ? 0 : 2) : error[1]! <= error[2]! ? 1 : 2;
  return { shape: shapes[best]!, misfit: error[best]! / area };
}

function cover(distance: number, hollow: boolean, outline: number): number {
  const solid = Math.min(1, Math.max(0, 0.5 - distance));
  return hollow ? solid - Math.min(1, Math.max(0, 0.5 - distance - outline)) : solid;
}
