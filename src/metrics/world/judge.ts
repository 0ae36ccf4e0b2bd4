/**
 * From what the oracle saw and what the prompt demands to the sixteen dimensions. Every grade is 1 up to the
 * measure's value on true (and codec-reconstructed) clips and falls linearly to 0 at a value where the fault is plain.
 */
import type { PromptDemand } from "../../video/world/grammar.ts";
import type { ClipReading } from "../../video/world/oracle/read-clip.ts";
import type { Correctness, WorldDimension, WorldReference } from "../world-score.ts";
import { type AssignedObject, assign } from "./assign.ts";
import { arrangement, liveliness, pace, scenery, style } from "./demand-measures.ts";
import { grade, mean, medianOf, shareOf } from "./grade.ts";
import { isDirection, type MotionMeasures, measureMotion, showsMotion } from "./motion-measures.ts";
import {
  hueChange,
  hueFlicker,
  recovery,
  type Seen,
  sameShape,
  shareOfFrames,
  sizeDrift,
  strayArea,
  wellFormed,
} from "./object-measures.ts";
import { measureScene } from "./scene-measures.ts";
import { readWater } from "./water.ts";

export interface Measures {
  /** Share of frames in which a demanded object is missing without an excuse. */
  readonly lostObjectRate: number;
  /** Share of lost objects that come back within the clip; NaN when none was lost. */
  readonly recoveryRate: number;
  /** Slow change of the background against the start, in [0, 1]. */
  readonly sceneChange: number;
  /** Mean |log area ratio| of the objects against the start. */
  readonly sizeDrift: number;
  /** Median |second difference - expected|, pixels per frame^2; NaN when no motion could be read. */
  readonly jerk: number;
  /** Median speed in pixels per frame. */
  readonly speed: number;
  readonly flicker: number;
  readonly noise: number;
  readonly sharpness: number;
  /** Area of stray coloured blobs in pixels, mean over frames. */
  readonly strayArea: number;
  /** Total fall of the water level, as a share of the glass; 0 without water. */
  readonly levelFall: number;
}

export function judge(
  demand: PromptDemand,
  reading: ClipReading,
  /** Background pixels of each frame. */
  masks: readonly Uint8Array[],
  reference: WorldReference,
): { dimensions: { [D in WorldDimension]: number }; correct: Correctness; measures: Measures } {
  const parts = assign(demand, reading);
  const motions = parts.map((part) => motionOf(part, demand));
  const scene = measureScene(reading, masks, reference.scene);
  const seen: Seen = { demand, reading, parts, motions, scene, reference };
  const frames = Array.from({ length: reading.numFrames }, (_, f) => f);

  const water = demand.water ? readWater(seen) : undefined;
  const there = demand.water ? water!.found : frames.map((f) => parts.every((p) => p.there[f] === 1));
  const stray = frames.map((f) => strayArea(seen, f));
  const counts = frames.map((f) => there[f]! && stray[f]! < 6);
  const shapeOk = shareOfFrames(seen, (p, b, f) => !p.whole[f] || b.shape === p.demand.shape);
  const colourOk = demand.water
    ? water!.colourOk
    : shareOfFrames(seen, (p, b) => b.colour === p.demand.colour);
  const rightShape = demand.water ? shareOf(water!.found) : shareOf(shapeOk);
  const motionOk = demand.water
    ? [water!.rises]
    : parts.map((p, i) =>
        p.demand.motion && motions[i] ? showsMotion(p.demand.motion, motions[i]!) : !p.demand.motion,
      );
  const enough = parts.every((p) => shareOf(p.there) > 0.5);
  const rightMotion = enough ? shareOf(motionOk) : 0;
  const drift = sizeDrift(seen);
  const jerk = demand.water ? water!.jerk : medianOf(motions.map((m) => m?.jerk ?? Number.NaN));
  const levelFall = water?.fall ?? 0;

  const permanence = demand.water
    ? shareOf(there) * grade(levelFall, 0.06, 0.4)
    : mean(parts.map((p) => shareOf(p.there) * grade(hueChange(p), 0.1, 0.4) * sameShape(p))) *
      grade(drift, 0.15, 0.9);
  const motionRight = rightMotion === 1;
  const frameRight = frames.map(
    (f) => counts[f]! && (demand.water ? water!.colourOk[f]! : colourOk[f]! && shapeOk[f]!),
  );
  const dimensions: { [D in WorldDimension]: number } = {
    object_permanence: permanence,
    scene_stability: grade(scene.change, 0.02, 0.1),
    steady_light: grade(Math.max(scene.flicker, 0.5 * hueFlicker(parts)), 0.018, 0.09),
    smooth_motion:
      (demand.water ? 1 : shareOf(there)) * grade(jerk, demand.water ? 0.02 : 0.5, demand.water ? 0.15 : 2.5),
    liveliness: liveliness(seen, water),
    clean_picture: grade(scene.noise, 0.015, 0.1) * grade(mean(stray), 1, 25) * wellFormed(parts),
    crisp_edges: 1 - grade(scene.sharpness, 0.2, 0.44),
    right_shape: rightShape,
    right_count: shareOf(counts),
    right_motion: rightMotion,
    right_colour: shareOf(colourOk),
    right_arrangement: arrangement(seen, there),
    right_scenery: scenery(seen),
    right_style: style(seen),
    right_pace: pace(seen, water),
    whole_prompt: shareOf(frameRight) * Number(motionRight),
  };
  const mostly = (share: number) => share >= 0.8;
  const object = mostly(shareOf(counts));
  const colour = mostly(dimensions.right_colour);
  const shape = mostly(dimensions.right_shape);
  const correct = {
    object,
    colour,
    shape,
    motion: motionRight,
    all: object && colour && shape && motionRight,
  };
  const measures: Measures = {
    lostObjectRate: 1 - shareOf(there),
    recoveryRate: recovery(there),
    sceneChange: scene.change,
    sizeDrift: drift,
    jerk,
    speed: medianOf(motions.map((m) => m?.speed ?? Number.NaN)),
    flicker: scene.flicker,
    noise: scene.noise,
    sharpness: scene.sharpness,
    strayArea: mean(stray),
    levelFall,
  };
  return { dimensions, correct, measures };
}

/**
 * Elastic walls are touched by whole objects; one that leaves the frame or hides is measured where it is whole, unless
 * that is hardly ever: a cut object moves in the right direction at least.
 */
function motionOf(part: AssignedObject, demand: PromptDemand): MotionMeasures | undefined {
  const { seen, whole } = part;
  if (!seen) return undefined;
  const falls = part.demand.motion === "bounce";
  if (!isDirection(part.demand.motion) && !demand.wall) return measureMotion(seen, { falls });
  const clear = measureMotion(seen, { frames: whole });
  const any = measureMotion(seen);
  if (clear.vx.length < 3) return any;
  // A few whole frames around a bounce off the wall would be nothing but that bounce.
  return { ...clear, jerk: Number.isNaN(clear.jerk) ? any.jerk : Math.min(clear.jerk, any.jerk) };
}
