/**
 * Blobs of single frames to objects over time. Nearest pairs first, a changed hue costs as much as a jump of six
 * pixels; a lost object (behind a wall, past the edge of the frame, or truly gone) is taken up again by a new blob
 * of its hue.
 */
import type { Colour, Shape } from "../grammar.ts";
import type { Blob } from "./segment.ts";

export interface TrackedObject {
  /** One entry a frame; undefined where the object was not seen. */
  readonly blobs: readonly (Blob | undefined)[];
  /** Most frequent readings. */
  readonly colour: Colour;
  readonly shape: Shape;
  readonly hollow: boolean;
  /** Frames in which it was seen. */
  readonly seen: number;
}

const hueCost = 6;
/** Largest jump between neighbouring frames, in pixels. */
const reach = 9;

function most<T extends string | boolean>(values: readonly T[]): T {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
}

interface OpenTrack {
  readonly blobs: (Blob | undefined)[];
  last: Blob;
  lastFrame: number;
}

/** `frames`: the blobs of each frame. Objects come by falling number of frames seen. */
export function track(frames: readonly (readonly Blob[])[]): TrackedObject[] {
  const open: OpenTrack[] = [];
  frames.forEach((blobs, frame) => {
    const links: { cost: number; track: OpenTrack; blob: Blob }[] = [];
    for (const candidate of open) {
      const recent = candidate.lastFrame === frame - 1;
      for (const blob of blobs) {
        const other = blob.colour !== candidate.last.colour;
        const jump = Math.hypot(blob.x - candidate.last.x, blob.y - candidate.last.y);
        if (recent && jump <= reach)
          links.push({ cost: jump + (other ? hueCost : 0), track: candidate, blob });
        // A new blob of the same hue takes up what was lost, wherever it shows, after all neighbours are served.
        else if (!other) links.push({ cost: 100 + jump, track: candidate, blob });
      }
    }
    links.sort((a, b) => a.cost - b.cost);
    const used = new Set<Blob>();
    const served = new Set<OpenTrack>();
    for (const { track: owner, blob } of links) {
      if (served.has(owner) || used.has(blob)) continue;
      served.add(owner);
      used.add(blob);
      owner.blobs[frame] = blob;
      owner.last = blob;
      owner.lastFrame = frame;
    }
    for (const blob of blobs) {
      if (used.has(blob)) continue;
      const fresh: (Blob | undefined)[] = new Array<Blob | undefined>(frames.length).fill(undefined);
      fresh[frame] = blob;
      open.push({ blobs: fresh, last: blob, lastFrame: frame });
    }
  });
  return open
    .map(({ blobs }) => {
      const present = blobs.filter((b) => b !== undefined);
      // Cut blobs misread their shape: they vote only when there is nothing else.
      const clear = present.filter((b) => !b.atEdge);
      const voters = clear.length > 0 ? clear : present;
      return {
        blobs,
        colour: most(present.map((b) => b.colour)),
        shape: most(voters.map((b) => b.shape)),
        hollow: most(voters.map((b) => b.hollow)),
        seen: present.length,
      };
    })
    .sort((a, b) => b.seen - a.seen);
}
