/**
 * The world score: sixteen dimensions of a clip of the procedural world, read from its pixels by the oracle. The
 * shape follows VBench (seven of quality, nine of semantics, dynamics at half weight, total = (4 quality +
 * semantic) / 5), the names and definitions are our own: a world score is never a VBench score, and every row says
 * `source: "world"`. Every dimension is 1 on true clips and is asked of every prompt.
 */

import { clip, type Video } from "../video/video.ts";
import { type PromptDemand, parsePrompt } from "../video/world/grammar.ts";
import { type ClipReading, readClip } from "../video/world/oracle/read-clip.ts";
import { assign } from "./world/assign.ts";
import { judge, type Measures } from "./world/judge.ts";
import { backgroundMasks, type SceneReference, sceneReference } from "./world/scene-measures.ts";

/** In the order of VBench's sixteen; the comment names the counterpart. */
export const worldDimensions = [
  "object_permanence", // subject consistency
  "scene_stability", // background consistency
  "steady_light", // temporal flickering
  "smooth_motion", // motion smoothness
  "liveliness", // dynamic degree, as demanded: a still scene is right to be still
  "clean_picture", // aesthetic quality: no noise, no stray blobs
  "crisp_edges", // imaging quality
  "right_shape", // object class
  "right_count", // multiple objects
  "right_motion", // human action
  "right_colour", // colour
  "right_arrangement", // spatial relationship
  "right_scenery", // scene
  "right_style", // appearance style
  "right_pace", // temporal style
  "whole_prompt", // overall consistency
] as const;

export type WorldDimension = (typeof worldDimensions)[number];

export const qualityDimensions = worldDimensions.slice(0, 7);
export const semanticDimensions = worldDimensions.slice(7);

/** Weights within quality and within semantics; all others 1. */
const halfWeight: WorldDimension = "liveliness";

export interface WorldTotals {
  readonly quality: number;
  readonly semantic: number;
  readonly total: number;
}

/** Is the clip what was asked for? Each in at least 80 % of its frames. */
export interface Correctness {
  /** The demanded objects are there, and no others. */
  readonly object: boolean;
  readonly colour: boolean;
  readonly shape: boolean;
  readonly motion: boolean;
  readonly all: boolean;
}

export interface WorldScore extends WorldTotals {
  readonly source: "world";
  readonly prompt: string;
  readonly numFrames: number;
  /** Each in [0, 1], higher is better. */
  readonly dimensions: { readonly [D in WorldDimension]: number };
  readonly correct: Correctness;
  /** In natural units: lost-object rate, scene change, size drift, jerk, ... */
  readonly measures: Measures;
}

/**
 * Quality, semantic and total of a set of dimensions in [0, 1].
 * @throws RangeError while a dimension is missing or not a number: a partial total would not be comparable.
 */
export function worldTotals(dimensions: { readonly [D in WorldDimension]?: number }): WorldTotals {
  const missing = worldDimensions.filter((d) => !Number.isFinite(dimensions[d]));
  if (missing.length > 0) {
    throw new RangeError(
      `Cannot total a world score: ${missing.join(", ")} missing. Measure all ${worldDimensions.length} dimensions.`,
    );
  }
  const mean = (names: readonly WorldDimension[]) => {
    let [sum, weights] = [0, 0];
    for (const name of names) {
      const weight = name === halfWeight ? 0.5 : 1;
      sum += weight * dimensions[name]!;
      weights += weight;
    }
    return sum / weights;
  };
  const quality = mean(qualityDimensions);
  const semantic = mean(semanticDimensions);
  return { quality, semantic, total: (4 * quality + semantic) / 5 };
}

export interface WorldScoreOptions {
  /** The clip that this one continues: slow change and size are then measured against its first four frames. */
  readonly reference?: WorldReference;
}

/** How a clip began. */
export interface WorldReference {
  readonly scene: SceneReference;
  /** Area of each demanded object (NaN where it was not seen). */
  readonly areas: readonly number[];
}

function startOf(reading: ClipReading, demand: PromptDemand, masks: readonly Uint8Array[]): WorldReference {
  const areas = assign(demand, reading).map(({ seen, whole }) => {
    const first = seen?.blobs.filter((b, f) => b !== undefined && whole[f] === 1).slice(0, 4) ?? [];
    return first.length > 0 ? first.reduce((sum, b) => sum + b!.area, 0) / first.length : Number.NaN;
  });
  return { scene: sceneReference(reading, masks), areas };
}

/**
 * World score of one clip for a prompt of the grammar.
 * @throws RangeError for prompts outside the grammar, frames that are not the world's, fewer than 4 frames.
 */
export function worldScore(video: Video, prompt: string, options: WorldScoreOptions = {}): WorldScore {
  if (video.numFrames < 4) {
    throw new RangeError(
      `Cannot score ${video.numFrames} frames: motion needs at least 4. Score a longer clip, or use a stage verifier.`,
    );
  }
  const demand = parsePrompt(prompt);
  const reading = readClip(video);
  const masks = backgroundMasks(reading);
  const reference = options.reference ?? startOf(reading, demand, masks);
  const { dimensions, correct, measures } = judge(demand, reading, masks, reference);
  return Object.freeze({
    source: "world",
    prompt,
    numFrames: video.numFrames,
    dimensions,
    ...worldTotals(dimensions),
    correct,
    measures,
  });
}

/**
 * World score of `parts` equal segments in time (thirds: 3), each measured against the start of the whole clip, as
 * VBench's long-video protocols do for 0-5, 5-10 and 10-15 s. Frames that do not divide go to the last segment.
 */
export function scoreSegments(video: Video, prompt: string, parts: number): WorldScore[] {
  if (!(Number.isInteger(parts) && parts >= 1 && video.numFrames >= 4 * parts)) {
    throw new RangeError(
      `Cannot score ${video.numFrames} frames in ${parts} segments: each needs at least 4 frames. Give fewer segments.`,
    );
  }
  const length = Math.floor(video.numFrames / parts);
  const first = readClip(clip(video, 0, length));
  const reference = startOf(first, parsePrompt(prompt), backgroundMasks(first));
  return Array.from({ length: parts }, (_, i) =>
    worldScore(clip(video, i * length, i === parts - 1 ? video.numFrames : (i + 1) * length), prompt, {
      reference,
    }),
  );
}

/** Mean of each dimension over clips, and the totals of the means: one row of a table. */
export function meanWorldScore(scores: readonly WorldScore[]): WorldTotals & {
  readonly source: "world";
  readonly n: number;
  readonly dimensions: { readonly [D in WorldDimension]: number };
  /** Share of clips with object, colour, shape and motion all right. */
  readonly correct: number;
} {
  if (scores.length === 0)
    throw new RangeError("Cannot average world scores: got none. Score at least one clip.");
  const dimensions = Object.fromEntries(
    worldDimensions.map((d) => [d, scores.reduce((sum, s) => sum + s.dimensions[d], 0) / scores.length]),
  ) as { [D in WorldDimension]: number };
  return {
    source: "world",
    n: scores.length,
    dimensions,
    ...worldTotals(dimensions),
    correct: scores.filter((s) => s.correct.all).length / scores.length,
  };
}
