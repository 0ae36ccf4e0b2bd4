/**
 * From what the oracle saw and what the prompt demands to the sixteen dimensions. Every grade is 1 up to the
 * measure's value on true (and codec-reconstructed) clips and falls linearly to 0 at a value where the fault is plain.
 */
import type { PromptDemand } from "../../video/world/grammar.ts";
import type { Blob, ClipReading } from "../../video/world/oracle/read-clip.ts";
import { gravity, pourRange, speedRange } from "../../video/world/physics.ts";
import type { Correctness, WorldDimension, WorldReference } from "../world-score.ts";
import { type AssignedObject, assign } from "./assign.ts";
import { isDirection, type MotionMeasures, measureMotion, median, showsMotion } from "./motion-measures.ts";
import { measureScene, type SceneMeasures } from "./scene-measures.ts";

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

/** 1 up to `good`, 0 from `bad` on; NaN is 0. */
const grade = (value: number, good: number, bad: number): number =>
  Number.isNaN(value) ? 0 : Math.min(1, Math.max(0, (bad - value) / (bad - good)));
const mean = (values: readonly number[]): number =>
  values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : 0;
const shareOf = (flags: ArrayLike<number | boolean>): number => {
  let sum = 0;
  for (let i = 0; i < flags.length; i++) sum += Number(flags[i]);
  return flags.length > 0 ? sum / flags.length : 0;
};

interface Seen {
  readonly demand: PromptDemand;
  readonly reading: ClipReading;
  readonly parts: readonly AssignedObject[];
  readonly motions: readonly (MotionMeasures | undefined)[];
  readonly scene: SceneMeasures;
  readonly reference: WorldReference;
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

const medianOf = (values: readonly number[]): number => median(values.filter((v) => Number.isFinite(v)));

type FrameTest = (part: AssignedObject, blob: Blob, frame: number) => boolean;

/** Per frame: every part passes the test where it is seen; excused absences pass, lost objects do not. */
function shareOfFrames({ parts, reading }: Seen, test: FrameTest): boolean[] {
  return Array.from({ length: reading.numFrames }, (_, f) =>
    parts.every((p) => {
      const blob = p.seen?.blobs[f];
      return blob ? test(p, blob, f) : p.there[f] === 1;
    }),
  );
}

/** Coloured pixels that belong to none of the demanded things. */
function strayArea({ demand, reading, parts }: Seen, f: number): number {
  const mine = new Set(parts.map((p) => p.seen?.blobs[f]));
  const glass = reading.glasses[f];
  let area = 0;
  for (const blob of reading.segments[f]!.blobs) {
    if (mine.has(blob)) continue;
    const wet = demand.water && glass && blob.x > glass.left && blob.x < glass.right;
    if (!wet) area += blob.area;
  }
  return area;
}

/** Total-variation-free hue change: mean distance of each frame's colour from the object's median colour. */
function hueChange({ seen }: AssignedObject): number {
  const blobs = seen?.blobs.filter((b) => b !== undefined) ?? [];
  if (blobs.length === 0) return Number.NaN;
  const middle = [0, 1, 2].map((c) => median(blobs.map((b) => b!.rgb[c]!)));
  return mean(blobs.map((b) => Math.max(...middle.map((m, c) => Math.abs(b!.rgb[c]! - m)))));
}

/** Readings of the frames in which nothing cuts the object. */
function wholeBlobs({ seen, whole }: AssignedObject): Blob[] {
  return (seen?.blobs ?? []).filter((b, f): b is Blob => b !== undefined && whole[f] === 1);
}

/** Share of frames that show the object's most frequent shape; an object that is never whole is given the benefit. */
function sameShape(part: AssignedObject): number {
  const blobs = wholeBlobs(part);
  return blobs.length > 0 ? shareOf(blobs.map((b) => b.shape === part.seen!.shape)) : 1;
}

/** Outlines that are those of a shape: the typical distance to the best one, 0.1-0.3 after a codec. */
function wellFormed(parts: readonly AssignedObject[]): number {
  const misfits = parts.flatMap((p) => wholeBlobs(p).map((b) => b.misfit));
  return misfits.length > 0 ? grade(median(misfits), 0.35, 0.9) : 1;
}

function hueFlicker(parts: readonly AssignedObject[]): number {
  const changes: number[] = [];
  for (const { seen, whole } of parts) {
    seen?.blobs.forEach((b, f) => {
      const before = seen.blobs[f - 1];
      if (b && before && whole[f] && whole[f - 1])
        changes.push(mean(b.rgb.map((v, c) => Math.abs(v - before.rgb[c]!))));
    });
  }
  return mean(changes);
}

/** Against the start of the clip; cut objects do not count. */
function sizeDrift({ parts, reference }: Seen): number {
  const drifts: number[] = [];
  parts.forEach(({ seen, whole }, i) => {
    const start = reference.areas[i]!;
    if (!(start > 0)) return;
    seen?.blobs.forEach((b, f) => {
      if (b && whole[f]) drifts.push(Math.abs(Math.log(b.area / start)));
    });
  });
  return mean(drifts);
}

/** Share of losses (runs of frames without a demanded object) that end before the clip does. */
function recovery(there: readonly boolean[]): number {
  let [losses, returns] = [0, 0];
  for (let f = 0; f < there.length; f++) {
    if (there[f]) continue;
    losses++;
    while (f < there.length && !there[f]) f++;
    if (f < there.length) returns++;
  }
  return losses > 0 ? returns / losses : Number.NaN;
}

interface Water {
  readonly found: boolean[];
  readonly colourOk: boolean[];
  /** Level per frame, NaN where no glass was found. */
  readonly levels: number[];
  readonly rises: boolean;
  readonly fall: number;
  /** Median rise per frame while the glass is not full. */
  readonly rate: number;
  readonly jerk: number;
}

/** A glass this full may stop rising. */
const brimful = 0.93;

function readWater({ demand, reading }: Seen): Water {
  const levels = reading.glasses.map((g) => g?.level ?? Number.NaN);
  const rates: number[] = [];
  const changes: number[] = [];
  let fall = 0;
  let highest = 0;
  levels.forEach((level, f) => {
    if (Number.isNaN(level)) return;
    fall = Math.max(fall, highest - level);
    highest = Math.max(highest, level);
    const before = levels[f - 1];
    if (before === undefined || Number.isNaN(before)) return;
    if (before < brimful) rates.push(level - before);
    const earlier = levels[f - 2];
    if (earlier !== undefined && before < brimful) changes.push(Math.abs(level - 2 * before + earlier));
  });
  const known = levels.filter((l) => !Number.isNaN(l));
  const full = known.length > 0 && known[0]! >= brimful;
  const rate = median(rates);
  return {
    found: reading.glasses.map((g) => g?.colour !== undefined),
    colourOk: reading.glasses.map((g) => g?.colour === demand.water!.colour),
    levels,
    rises: full || (rate > 0.005 && fall < 0.1),
    fall,
    rate: full && rates.length < 3 ? Number.NaN : rate,
    jerk: full ? 0 : mean(changes.filter((c) => Number.isFinite(c))),
  };
}

function liveliness({ demand, parts, motions }: Seen, water: Water | undefined): number {
  if (water) return water.rises ? 1 : grade(0.005 - Math.max(0, water.rate || 0), 0, 0.005);
  const moving = (m: MotionMeasures | undefined) => 1 - grade(m ? m.speed : Number.NaN, 0.15, 0.4);
  if (demand.scene === "collide") {
    // One moves while the other rests: the sum of their speeds counts.
    const most = Math.max(...motions.map((m) => (m ? Math.max(0, ...m.vx.map(Math.abs)) : 0)));
    return 1 - grade(most, 0.3, 0.8);
  }
  const grades = parts.map((p, i) => {
    if (!motions[i] || motions[i].vx.length === 0) return 0;
    if (!p.demand.motion) return 1;
    return p.demand.motion === "still" ? grade(motions[i].speed, 0.25, 0.8) : moving(motions[i]);
  });
  return mean(grades);
}

/** The demanded relation, else: objects apart and inside, behind the wall where there is one, water in its glass. */
function arrangement({ demand, reading, parts }: Seen, there: readonly boolean[]): number {
  const ok = Array.from({ length: reading.numFrames }, (_, f) => {
    if (demand.water) return reading.glasses[f] !== undefined && (reading.glasses[f]!.level > 0.02 || f < 2);
    if (!there[f]) return false;
    const [a, b] = parts.map((p) => p.seen?.blobs[f]);
    if (demand.wall) {
      const wall = reading.walls[f];
      return wall !== undefined && !(a && a.x > wall.left + 1.5 && a.x < wall.right - 1.5);
    }
    if (demand.relation && a && b) {
      const [dx, dy] = [b.x - a.x, b.y - a.y];
      const clear = Math.abs(demand.relation.endsWith("of") ? dx : dy);
      if (clear < 0.75 * Math.abs(demand.relation.endsWith("of") ? dy : dx)) return false;
      return { "left of": dx > 0, "right of": dx < 0, above: dy > 0, below: dy < 0 }[demand.relation];
    }
    if (a && b) {
      // Collisions touch but never mix: their boxes meet at one point.
      const gap = Math.max(
        Math.abs(a.x - b.x) - (a.width + b.width) / 2,
        Math.abs(a.y - b.y) - (a.height + b.height) / 2,
      );
      return gap > -1.5;
    }
    return true;
  });
  return shareOf(ok);
}

/** A wall or a glass exactly where demanded. */
function scenery({ demand, reading }: Seen): number {
  const ok = Array.from(
    { length: reading.numFrames },
    (_, f) =>
      (reading.walls[f] !== undefined) === demand.wall &&
      (reading.glasses[f] !== undefined) === (demand.water !== undefined),
  );
  return shareOf(ok);
}

/** Hollow or filled as demanded; the background's pattern where one is demanded. */
function style({ demand, parts, scene }: Seen): number {
  const filled = parts.map((p) => {
    const { seen, demand: part } = p;
    const clear = wholeBlobs(p);
    return clear.length > 0
      ? shareOf(clear.map((b) => b.hollow === part.hollow))
      : Number(seen !== undefined);
  });
  const objects = demand.water ? 1 : mean(filled);
  if (demand.background === "striped") {
    return (
      objects *
      (1 - grade(scene.roughX, 0.015, 0.035)) *
      (1 - grade(scene.roughX / Math.max(scene.roughY, 1e-3), 1.2, 2))
    );
  }
  if (demand.background === "plain") return objects * grade(scene.spread, 0.025, 0.06);
  return objects;
}

/** The demanded speed word, else a speed that the world shows. */
function pace({ demand, parts, motions }: Seen, water: Water | undefined): number {
  const within = (value: number, [low, high]: readonly [number, number], slack: number) =>
    Math.min(
      grade(value, high * (1 + slack), high * (1 + 3 * slack)),
      1 - grade(value, low * (1 - 3 * slack), low * (1 - slack)),
    );
  if (water) {
    if (Number.isNaN(water.rate)) return Number(water.rises);
    return within(water.rate, pourRange[demand.water!.speed ?? "unmarked"], 0.2);
  }
  const grades = parts.map(({ demand: part }, i) => {
    const m = motions[i];
    if (!m || m.vx.length === 0) return 0;
    if (isDirection(part.motion)) return within(m.speed, speedRange[part.speed ?? "unmarked"], 0.12);
    if (part.motion === "still") return grade(m.speed, 0.3, 1);
    if (part.motion === "hit" || part.motion === "struck")
      return grade(Math.max(0, ...m.vx.map(Math.abs)), 2.6, 5);
    if (part.motion === "bounce") return within(m.speed, [0.6, 3 + 4 * gravity], 0.2);
    // Glides are drawn from 1 to 2 unless a word says otherwise; on the diagonal they are 6 % faster.
    if (part.motion) return within(m.speed, part.speed ? speedRange[part.speed] : [1, 2.2], 0.2);
    return grade(m.speed, 4, 8);
  });
  return mean(grades);
}
