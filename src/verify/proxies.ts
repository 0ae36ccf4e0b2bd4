/**
 * Cheap stand-ins for a vision-language grader. Each looks at one thing and is blind to the rest, as real graders are;
 * what each does not see is stated, and a test shows it. All but the last are honest: on clips of the world they go up
 * with what they measure. The last can be hacked: it likes colour for its own sake, so selecting hard by it ends in
 * clips that are colourful and wrong.
 *
 *   verifier       sees                                   does not see
 *   color          demanded colours are there             shape, motion, other objects, clutter
 *   shape          outline of the coloured region         which colour, motion, how many objects
 *   motion         path of the coloured region            colour, shape, clutter that moves along
 *   smoothness     even change from frame to frame        everything else; a frozen clip is perfect
 *   sharpness      edges                                  everything else; clutter is perfect
 *   vivid          demanded colours, and any colour       is fooled by saturated clutter
 */
import type { Video } from "../video/video.ts";
import { type Colour, type Motion, type PromptDemand, parsePrompt } from "../video/world/grammar.ts";
import { hasPixels } from "./pixels.ts";
import type { Verifier, VerifierInput } from "./verifier.ts";

/** Saturation along a palette hue above which a pixel counts as coloured, in [0, 1] units of intensity. */
const coloured = 0.26;

function proxy(name: string, judge: (video: Video, prompt: string) => number): Verifier {
  return Object.freeze({
    name,
    score: async (inputs: readonly VerifierInput[]) =>
      inputs.map(({ video, prompt }) => (hasPixels(video) ? judge(video, prompt) : Number.NaN)),
  });
}

/** Share of frames, per demanded colour, in which at least `pixels` (default 20 of 32 x 32) pixels have that colour. */
export function colorProxy({ pixels = 20 }: { readonly pixels?: number } = {}): Verifier {
  return proxy("color", (video, prompt) => colourPresence(video, parsePrompt(prompt), pixels));
}

/** How well area over bounding box of the coloured region fits the demanded shape: square 1, ball pi/4, triangle 1/2. */
export function shapeProxy(): Verifier {
  const fills = { square: 1, ball: Math.PI / 4, triangle: 0.5 } as const;
  return proxy("shape", (video, prompt) => {
    const wanted = parsePrompt(prompt).objects;
    if (wanted.length === 0) return 0.5;
    const expected = wanted.reduce((sum, object) => sum + fills[object.shape], 0) / wanted.length;
    const fits = regions(video).map((region) =>
      region ? Math.max(0, 1 - 3 * Math.abs(region.fill - expected)) : 0,
    );
    return mean(fits);
  });
}

/** How well the path of the coloured region's centre fits the demanded motion of the first object. */
export function motionProxy(): Verifier {
  return proxy("motion", (video, prompt) => {
    const motion = parsePrompt(prompt).objects[0]?.motion;
    const steps = pathSteps(regions(video));
    if (steps.length === 0) return 0;
    return motion ? mean(steps.map((step) => motionFit(motion, step))) : 0.5;
  });
}

/** 1 - mean absolute second difference in time, intensities in [0, 1]. */
export function smoothnessProxy(): Verifier {
  return proxy("smoothness", ({ data, numFrames, height, width }) => {
    const size = height * width * 3;
    if (numFrames < 3) return 1;
    let sum = 0;
    for (let i = size; i < data.length - size; i++)
      sum += Math.abs(data[i - size]! - 2 * data[i]! + data[i + size]!);
    return 1 - sum / (data.length - 2 * size) / 2;
  });
}

/** Mean absolute difference of neighbouring pixels, intensities in [0, 1]. */
export function sharpnessProxy(): Verifier {
  return proxy("sharpness", ({ data, height, width, numFrames }) => {
    let sum = 0;
    for (let f = 0; f < numFrames; f++) {
      for (let y = 0; y < height; y++) {
        for (let i = ((f * height + y) * width + 1) * 3; i < (f * height + y + 1) * width * 3; i++) {
          sum += Math.abs(data[i]! - data[i - 3]!) / 2;
        }
      }
    }
    return sum / (numFrames * height * (width - 1) * 3);
  });
}

/** Colour presence plus `taste` (default 3) x mean saturation of the picture: the one that can be hacked. */
export function vividProxy({ taste = 3 }: { readonly taste?: number } = {}): Verifier {
  return proxy("vivid", (video, prompt) => {
    let sum = 0;
    for (let i = 0; i < video.data.length; i += 3) {
      const [r, g, b] = [video.data[i]!, video.data[i + 1]!, video.data[i + 2]!];
      sum += (Math.max(r, g, b) - Math.min(r, g, b)) / 2;
    }
    return colourPresence(video, parsePrompt(prompt), 20) + (taste * sum) / (video.data.length / 3);
  });
}

function colourPresence(video: Video, demand: PromptDemand, pixels: number): number {
  const wanted = [
    ...demand.objects.map((object) => object.colour),
    ...(demand.water ? [demand.water.colour] : []),
  ];
  const enough = (pixels * video.height * video.width) / 1024;
  const frame = video.height * video.width * 3;
  const presence = wanted.map((colour) => {
    let frames = 0;
    for (let start = 0; start < video.data.length; start += frame) {
      let count = 0;
      for (let i = start; i < start + frame; i += 3)
        if (saturation(video.data, i, colour) > coloured) count++;
      frames += Math.min(1, count / enough);
    }
    return frames / video.numFrames;
  });
  return mean(presence);
}

/** How far a pixel of [-1, 1] values leans to a palette hue, in units of [0, 1] intensity. */
function saturation(data: Float32Array, at: number, colour: Colour): number {
  const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
  switch (colour) {
    case "red":
      return (r - Math.max(g, b)) / 2;
    case "green":
      return (g - Math.max(r, b)) / 2;
    case "blue":
      return (b - Math.max(r, g)) / 2;
    case "yellow":
      return (Math.min(r, g) - b) / 2;
    case "magenta":
      return (Math.min(r, b) - g) / 2;
    default:
      return (Math.min(g, b) - r) / 2;
  }
}

interface Region {
  readonly x: number;
  readonly y: number;
  /** Area over bounding box. */
  readonly fill: number;
}

/** The coloured pixels of each frame as one region; undefined where there are fewer than 8. */
function regions({ data, numFrames, height, width }: Video): (Region | undefined)[] {
  return Array.from({ length: numFrames }, (_, f) => {
    let [count, sumX, sumY, left, right, top, bottom] = [0, 0, 0, width, -1, height, -1];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const at = ((f * height + y) * width + x) * 3;
        const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
        if (Math.max(r, g, b) - Math.min(r, g, b) < 2 * coloured) continue;
        count++;
        sumX += x;
        sumY += y;
        left = Math.min(left, x);
        right = Math.max(right, x);
        top = Math.min(top, y);
        bottom = y;
      }
    }
    if (count < 8) return undefined;
    return { x: sumX / count, y: sumY / count, fill: count / ((right - left + 1) * (bottom - top + 1)) };
  });
}

interface PathStep {
  readonly dx: number;
  readonly dy: number;
}

function pathSteps(path: readonly (Region | undefined)[]): PathStep[] {
  return path.flatMap((to, i) => {
    const from = path[i - 1];
    return from && to ? [{ dx: to.x - from.x, dy: to.y - from.y }] : [];
  });
}

/** In [0, 1]: 1 where a step of one pixel or more goes where the motion says (or stays where it says so). */
function motionFit(motion: Motion, { dx, dy }: PathStep): number {
  const along = (speed: number, stray: number) =>
    Math.max(0, Math.min(1, speed) - Math.min(1, Math.abs(stray) / 2));
  switch (motion) {
    case "still":
      return Math.max(0, 1 - Math.hypot(dx, dy));
    case "sideways":
      return along(Math.abs(dx), dy);
    case "vertically":
    case "bounce":
      return along(Math.abs(dy), dx);
    case "diagonally":
      return Math.min(1, Math.abs(dx), Math.abs(dy));
    case "left":
      return along(-dx, dy);
    case "right":
      return along(dx, dy);
    case "up":
      return along(-dy, dx);
    case "down":
      return along(dy, dx);
    default:
      return Math.min(1, Math.hypot(dx, dy));
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
