/**
 * What the part of a clip without objects says: flicker, slow change, noise, stray colour, sharpness, pattern.
 * All in units of the pixel range [0, 1] unless said otherwise.
 */
import type { ClipReading } from "../../video/world/oracle/read-clip.ts";
import { worldSize } from "../../video/world/physics.ts";

const size = worldSize;
const pixels = size * size;

export interface SceneMeasures {
  /** Mean absolute change of background pixels from frame to frame. */
  readonly flicker: number;
  /** Mean absolute change of background pixels, in blocks of 4 frames, against the first 4 frames. */
  readonly change: number;
  /** Mean absolute roughness (the smaller of the two second differences) of background pixels. */
  readonly noise: number;
  /** Steepest 24 steps between neighbouring pixels, as a share of the contrast: 0.5-1 is crisp. */
  readonly sharpness: number;
  /** Mean absolute second difference of background pixels along x and along y: stripes show in one of them. */
  readonly roughX: number;
  readonly roughY: number;
  /** Standard deviation of background pixels within a frame. */
  readonly spread: number;
}

/** The look of a clip's start, for measuring slow change of this clip or of its continuation. */
export interface SceneReference {
  /** [32 * 32 * 3] mean over the frames in which the pixel was background. */
  readonly mean: Float32Array;
  /** [32 * 32] number of such frames. */
  readonly count: Uint8Array;
}

/** Background pixels of each frame: no object within two pixels, nothing of the glass. */
export function backgroundMasks(reading: ClipReading): Uint8Array[] {
  return reading.segments.map(({ owner }, f) => {
    const rows = new Uint8Array(pixels);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        if (owner[i * size + j] === 0) continue;
        for (let k = Math.max(0, j - 2); k <= Math.min(size - 1, j + 2); k++) rows[i * size + k] = 1;
      }
    }
    const free = new Uint8Array(pixels).fill(1);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        if (!rows[i * size + j]) continue;
        for (let k = Math.max(0, i - 2); k <= Math.min(size - 1, i + 2); k++) free[k * size + j] = 0;
      }
    }
    const glass = reading.glasses[f];
    if (glass) {
      for (let i = Math.max(0, glass.top - 2); i < size; i++) {
        for (let j = Math.max(0, glass.left - 4); j < Math.min(size, glass.right + 4); j++)
          free[i * size + j] = 0;
      }
    }
    return free;
  });
}

/** Mean look of frames `from` to `to`. */
export function sceneReference(
  reading: ClipReading,
  masks: readonly Uint8Array[],
  from = 0,
  to = Math.min(4, reading.numFrames),
): SceneReference {
  const mean = new Float32Array(pixels * 3);
  const count = new Uint8Array(pixels);
  for (let f = from; f < to; f++) {
    const frame = reading.frames[f]!;
    const free = masks[f]!;
    for (let p = 0; p < pixels; p++) {
      if (!free[p]) continue;
      count[p]!++;
      mean[p * 3]! += frame[p * 3]!;
      mean[p * 3 + 1]! += frame[p * 3 + 1]!;
      mean[p * 3 + 2]! += frame[p * 3 + 2]!;
    }
  }
  for (let p = 0; p < pixels; p++) {
    const n = count[p]!;
    if (n > 0) for (let c = 0; c < 3; c++) mean[p * 3 + c]! /= n;
  }
  return { mean, count };
}

/** Mean |signed mean over 4 x 4 cells|: what is left of a difference once pixel noise has cancelled. */
function difference(a: SceneReference, b: SceneReference): number {
  const cell = 4;
  let [total, cells] = [0, 0];
  for (let top = 0; top < size; top += cell) {
    for (let left = 0; left < size; left += cell) {
      let [red, green, blue, n] = [0, 0, 0, 0];
      for (let i = top; i < top + cell; i++) {
        for (let p = i * size + left; p < i * size + left + cell; p++) {
          if (a.count[p] === 0 || b.count[p] === 0) continue;
          red += a.mean[p * 3]! - b.mean[p * 3]!;
          green += a.mean[p * 3 + 1]! - b.mean[p * 3 + 1]!;
          blue += a.mean[p * 3 + 2]! - b.mean[p * 3 + 2]!;
          n++;
        }
      }
      if (n < 4) continue;
      total += (Math.abs(red) + Math.abs(green) + Math.abs(blue)) / (3 * n);
      cells++;
    }
  }
  return cells > 0 ? total / cells : 0;
}

/** Slow change against a reference: mean over blocks of 4 frames. */
export function sceneChange(
  reading: ClipReading,
  masks: readonly Uint8Array[],
  reference: SceneReference,
): number {
  let [sum, n] = [0, 0];
  for (let f = 0; f + 4 <= reading.numFrames; f += 4) {
    sum += difference(sceneReference(reading, masks, f, f + 4), reference);
    n++;
  }
  return n > 0 ? sum / n : 0;
}

const steps = new Float32Array(2 * pixels);

/** Mean of the 24 steepest steps over the contrast of one frame; 0 for a frame without contrast. */
function frameSharpness(frame: Float32Array, background: readonly number[]): number {
  let n = 0;
  let contrast = 0;
  const step = (a: number, b: number) =>
    Math.max(
      Math.abs(frame[a]! - frame[b]!),
      Math.abs(frame[a + 1]! - frame[b + 1]!),
      Math.abs(frame[a + 2]! - frame[b + 2]!),
    );
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const at = (i * size + j) * 3;
      for (let c = 0; c < 3; c++) contrast = Math.max(contrast, Math.abs(frame[at + c]! - background[c]!));
      // Only steep steps can be among the steepest: the rest need not be sorted.
      if (j + 1 < size) {
        const s = step(at, at + 3);
        if (s > 0.12) steps[n++] = s;
      }
      if (i + 1 < size) {
        const s = step(at, at + 3 * size);
        if (s > 0.12) steps[n++] = s;
      }
    }
  }
  if (contrast < 0.3) return 0;
  const sorted = steps.subarray(0, n).sort();
  let sum = 0;
  for (let k = 0; k < Math.min(24, n); k++) sum += sorted[n - 1 - k]!;
  return sum / 24 / contrast;
}

export function measureScene(
  reading: ClipReading,
  masks: readonly Uint8Array[],
  reference: SceneReference = sceneReference(reading, masks),
): SceneMeasures {
  const { frames, segments, numFrames } = reading;
  let [flicker, flickers, sharpness] = [0, 0, 0];
  let [noise, roughX, roughY, roughs, spread] = [0, 0, 0, 0, 0];
  for (let f = 0; f < numFrames; f++) {
    const frame = frames[f]!;
    const free = masks[f]!;
    sharpness += frameSharpness(frame, segments[f]!.background) / numFrames;
    if (f > 0) {
      const before = frames[f - 1]!;
      const freeBefore = masks[f - 1]!;
      for (let p = 0; p < pixels; p++) {
        if (free[p] === 0 || freeBefore[p] === 0) continue;
        const at = p * 3;
        flicker +=
          Math.abs(frame[at]! - before[at]!) +
          Math.abs(frame[at + 1]! - before[at + 1]!) +
          Math.abs(frame[at + 2]! - before[at + 2]!);
        flickers += 3;
      }
    }
    // Pattern and noise change slowly: every fourth frame is enough.
    if (f % 4 !== 0) continue;
    let [sum, squares, n] = [0, 0, 0];
    for (let i = 1; i < size - 1; i++) {
      for (let j = 1; j < size - 1; j++) {
        const p = i * size + j;
        if (!free[p] || !free[p - 1] || !free[p + 1] || !free[p - size] || !free[p + size]) continue;
        for (let c = 0; c < 3; c++) {
          const at = p * 3 + c;
          const twice = 2 * frame[at]!;
          const dx = Math.abs(frame[at - 3]! + frame[at + 3]! - twice);
          const dy = Math.abs(frame[at - 3 * size]! + frame[at + 3 * size]! - twice);
          noise += Math.min(dx, dy);
          roughX += dx;
          roughY += dy;
          roughs++;
        }
        const value = (frame[p * 3]! + frame[p * 3 + 1]! + frame[p * 3 + 2]!) / 3;
        sum += value;
        squares += value * value;
        n++;
      }
    }
    if (n > 0) spread += Math.sqrt(Math.max(0, squares / n - (sum / n) ** 2));
  }
  const looks = Math.ceil(numFrames / 4);
  const share = (total: number, count: number) => (count > 0 ? total / count : 0);
  return {
    flicker: share(flicker, flickers),
    change: sceneChange(reading, masks, reference),
    noise: share(noise, roughs),
    sharpness,
    roughX: share(roughX, roughs),
    roughY: share(roughY, roughs),
    spread: spread / looks,
  };
}
