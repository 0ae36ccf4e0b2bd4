/** What the demanded objects did: seen or lost, whole, of one colour, size and shape. */
import type { PromptDemand } from "../../video/world/grammar.ts";
import type { Blob, ClipReading } from "../../video/world/oracle/read-clip.ts";
import type { WorldReference } from "../world-score.ts";
import type { AssignedObject } from "./assign.ts";
import { grade, mean, shareOf } from "./grade.ts";
import { type MotionMeasures, median } from "./motion-measures.ts";
import type { SceneMeasures } from "./scene-measures.ts";

/** Everything known of a clip beside its prompt. */
export interface Seen {
  readonly demand: PromptDemand;
  readonly reading: ClipReading;
  readonly parts: readonly AssignedObject[];
  readonly motions: readonly (MotionMeasures | undefined)[];
  readonly scene: SceneMeasures;
  readonly reference: WorldReference;
}

type FrameTest = (part: AssignedObject, blob: Blob, frame: number) => boolean;

/** Per frame: every part passes the test where it is seen; excused absences pass, lost objects do not. */
export function shareOfFrames({ parts, reading }: Seen, test: FrameTest): boolean[] {
  return Array.from({ length: reading.numFrames }, (_, f) =>
    parts.every((p) => {
      const blob = p.seen?.blobs[f];
      return blob ? test(p, blob, f) : p.there[f] === 1;
    }),
  );
}

/** Coloured pixels that belong to none of the demanded things. */
export function strayArea({ demand, reading, parts }: Seen, f: number): number {
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
export function hueChange({ seen }: AssignedObject): number {
  const blobs = seen?.blobs.filter((b) => b !== undefined) ?? [];
  if (blobs.length === 0) return Number.NaN;
  const middle = [0, 1, 2].map((c) => median(blobs.map((b) => b!.rgb[c]!)));
  return mean(blobs.map((b) => Math.max(...middle.map((m, c) => Math.abs(b!.rgb[c]! - m)))));
}

/** Readings of the frames in which nothing cuts the object. */
export function wholeBlobs({ seen, whole }: AssignedObject): Blob[] {
  return (seen?.blobs ?? []).filter((b, f): b is Blob => b !== undefined && whole[f] === 1);
}

/** Share of frames that show the object's most frequent shape; an object that is never whole is given the benefit. */
export function sameShape(part: AssignedObject): number {
  const blobs = wholeBlobs(part);
  return blobs.length > 0 ? shareOf(blobs.map((b) => b.shape === part.seen!.shape)) : 1;
}

/** Outlines that are those of a shape: the typical distance to the best one, 0.1-0.3 after a codec. */
export function wellFormed(parts: readonly AssignedObject[]): number {
  const misfits = parts.flatMap((p) => wholeBlobs(p).map((b) => b.misfit));
  return misfits.length > 0 ? grade(median(misfits), 0.35, 0.9) : 1;
}

export function hueFlicker(parts: readonly AssignedObject[]): number {
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
export function sizeDrift({ parts, reference }: Seen): number {
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
export function recovery(there: readonly boolean[]): number {
  let [losses, returns] = [0, 0];
  for (let f = 0; f < there.length; f++) {
    if (there[f]) continue;
    losses++;
    while (f < there.length && !there[f]) f++;
    if (f < there.length) returns++;
  }
  return losses > 0 ? returns / losses : Number.NaN;
}
