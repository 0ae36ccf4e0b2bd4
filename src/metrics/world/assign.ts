/** Which of the seen objects is which of the demanded ones, and when an absence is part of the plot. */
import type { ObjectDemand, PromptDemand } from "../../video/world/grammar.ts";
import type { ClipReading, TrackedObject } from "../../video/world/oracle/read-clip.ts";
import { worldSize } from "../../video/world/physics.ts";
import { isDirection } from "./motion-measures.ts";

export interface AssignedObject {
  readonly demand: ObjectDemand;
  /** Undefined when nothing was left to take this part. */
  readonly seen: TrackedObject | undefined;
  /** [frames] 1 where it was seen or its absence is excused (behind the wall, past the edge of the frame). */
  readonly there: Uint8Array;
  /** [frames] 1 where it was seen and nothing cuts it: neither the side of the frame nor a wall. */
  readonly whole: Uint8Array;
}

/** An object must be seen in this share of the frames to take a part. */
const minShare = 0.15;

function likeness(demand: ObjectDemand, seen: TrackedObject, numFrames: number): number {
  return (
    seen.seen / numFrames + (seen.colour === demand.colour ? 2 : 0) + (seen.shape === demand.shape ? 0.5 : 0)
  );
}

/** Longest absence behind a wall or past an edge that the world itself shows, in frames. */
const longestAbsence = 24;

function presence(demand: ObjectDemand, seen: TrackedObject | undefined, reading: ClipReading): Uint8Array {
  const there = new Uint8Array(reading.numFrames);
  if (!seen) return there;
  seen.blobs.forEach((b, f) => {
    if (b) there[f] = 1;
  });
  const hides = demand.motion === "pass";
  if (!hides && !isDirection(demand.motion)) return there;
  const leaving = (f: number): boolean => {
    const b = seen.blobs[f]!;
    const reach = Math.max(b.width, b.height) / 2 + 4.5;
    if (!hides) return Math.min(b.x, b.y, worldSize - b.x, worldSize - b.y) < reach;
    const wall = reading.walls[f];
    return wall !== undefined && b.x > wall.left - reach && b.x < wall.right + reach;
  };
  for (let f = 0; f < reading.numFrames; f++) {
    if (seen.blobs[f]) continue;
    let end = f;
    while (end < reading.numFrames && !seen.blobs[end]) end++;
    const before = f === 0 || leaving(f - 1);
    const after = end === reading.numFrames || leaving(end);
    if (before && after && end - f <= longestAbsence) there.fill(1, f, end);
    f = end;
  }
  return there;
}

function wholeFrames(seen: TrackedObject | undefined, reading: ClipReading): Uint8Array {
  return Uint8Array.from(reading.walls, (wall, f) => {
    const b = seen?.blobs[f];
    if (!b || b.atEdge) return 0;
    const half = b.width / 2 + 0.7;
    return wall && b.x + half > wall.left && b.x - half < wall.right ? 0 : 1;
  });
}

/** The best one-to-one casting of at most two parts. */
export function assign(demand: PromptDemand, reading: ClipReading): AssignedObject[] {
  const cast = reading.objects.filter((o) => o.seen >= minShare * reading.numFrames).slice(0, 6);
  const [first, second] = demand.objects;
  let best: (TrackedObject | undefined)[] = [];
  if (first && second) {
    let top = -1;
    for (const a of [...cast, undefined]) {
      for (const b of [...cast, undefined]) {
        if (a === b && a !== undefined) continue;
        const value =
          (a ? likeness(first, a, reading.numFrames) : 0) + (b ? likeness(second, b, reading.numFrames) : 0);
        if (value > top) {
          top = value;
          best = [a, b];
        }
      }
    }
  } else if (first) {
    best = [
      cast.reduce<TrackedObject | undefined>(
        (a, b) =>
          a && likeness(first, a, reading.numFrames) >= likeness(first, b, reading.numFrames) ? a : b,
        undefined,
      ),
    ];
  }
  return demand.objects.map((object, i) => ({
    demand: object,
    seen: best[i],
    there: presence(object, best[i], reading),
    whole: wholeFrames(best[i], reading),
  }));
}
