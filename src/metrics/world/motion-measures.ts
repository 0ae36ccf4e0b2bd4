/** How an object moved: velocities where it was seen whole, the motion class they show, speed and jerk. */
import { directions, type Motion } from "../../video/world/grammar.ts";
import type { TrackedObject } from "../../video/world/oracle/read-clip.ts";
import { directionStep, gravity } from "../../video/world/physics.ts";

export interface MotionMeasures {
  /** Pixels per frame, of neighbouring frames in which the object was seen whole. */
  readonly vx: readonly number[];
  readonly vy: readonly number[];
  /** Medians of |vx|, |vy|, vx, vy, and of the vertical acceleration (pixels per frame^2). */
  readonly fastX: number;
  readonly fastY: number;
  readonly alongX: number;
  readonly alongY: number;
  readonly fall: number;
  /** Median length of the velocity. */
  readonly speed: number;
  /** Median |second difference - expected| of x plus that of y, pixels per frame^2; NaN with fewer than 4 frames. */
  readonly jerk: number;
}

export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Jumps longer than this between neighbouring frames are not motion (a lost object that came back elsewhere). */
const longestStep = 8;

/** `falls`: gravity is expected. `frames`: 1 where the place may be used (default: wherever the object was seen). */
export function measureMotion(
  object: TrackedObject,
  { falls = false, frames }: { falls?: boolean; frames?: Uint8Array } = {},
): MotionMeasures {
  const places = object.blobs.map((b, f) => (frames && !frames[f] ? undefined : b));
  const vx: number[] = [];
  const vy: number[] = [];
  const ax: number[] = [];
  const ay: number[] = [];
  let [lastX, lastY] = [Number.NaN, Number.NaN];
  for (let f = 1; f < places.length; f++) {
    const [a, b] = [places[f - 1], places[f]];
    const dx = a && b ? b.x - a.x : Number.NaN;
    const dy = a && b ? b.y - a.y : Number.NaN;
    const moved = Number.isFinite(dx) && Math.hypot(dx, dy) <= longestStep;
    if (moved) {
      vx.push(dx);
      vy.push(dy);
      if (Number.isFinite(lastX)) {
        ax.push(dx - lastX);
        ay.push(dy - lastY);
      }
    }
    [lastX, lastY] = moved ? [dx, dy] : [Number.NaN, Number.NaN];
  }
  const size = (values: readonly number[]) => median(values.map(Math.abs));
  const expected = falls ? gravity : 0;
  return {
    vx,
    vy,
    fastX: size(vx),
    fastY: size(vy),
    alongX: median(vx),
    alongY: median(vy),
    fall: median(ay),
    speed: median(vx.map((v, i) => Math.hypot(v, vy[i]!))),
    jerk: ax.length < 2 ? Number.NaN : size(ax) + size(ay.map((a) => a - expected)),
  };
}

/** Slower than this is at rest, pixels per frame. */
const rest = 0.4;

/** Does the motion look like the class? Needs at least three velocities. */
export function showsMotion(motion: Motion, m: MotionMeasures): boolean {
  if (m.vx.length < 3) return false;
  const falling = m.fall > 0.12;
  const across = m.fastX >= rest;
  const upright = m.fastY >= rest;
  switch (motion) {
    case "still":
      return !across && !upright;
    case "sideways":
    case "pass":
      return across && !upright;
    case "vertically":
      return !across && upright && !falling;
    case "diagonally":
      return across && upright && !falling;
    case "bounce":
      return falling;
    case "hit":
    case "struck":
      // Each rests while the other moves, so only the axis and some motion can be asked of one of them.
      return !upright && m.vx.some((v) => Math.abs(v) > 0.6);
    default: {
      const [dx, dy] = directionStep[motion];
      const forward = m.alongX * dx + m.alongY * dy;
      return forward >= 0.3 && (dx === 0 ? !across : !upright);
    }
  }
}

export const isDirection = (motion: Motion | undefined): boolean =>
  motion !== undefined && (directions as readonly string[]).includes(motion);
