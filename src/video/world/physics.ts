/**
 * From demands to exact states. Lengths are in world units (32 across), time in frames at 8 fps, y points down.
 * Every position is a closed form of time, so a longer clip continues a shorter one exactly, at any frame rate.
 */
import type { Rng } from "../../tensor/rng.ts";
import {
  axes,
  type Colour,
  type directions,
  type Motion,
  type PromptDemand,
  type Shape,
  type Speed,
} from "./grammar.ts";

/** Side of the world in world units. */
export const worldSize = 32;
/** Gravity in units per frame^2 at 8 fps. */
export const gravity = 0.25;

export type Rgb = readonly [number, number, number];

/** Pure colours in [0, 1]; blue is lifted and green and yellow lowered a little so that all six look equally bright. */
export const palette: { readonly [C in Colour]: Rgb } = {
  red: [1, 0.1, 0.1],
  green: [0.1, 0.9, 0.1],
  blue: [0.15, 0.25, 1],
  yellow: [1, 0.9, 0.1],
  magenta: [1, 0.1, 0.9],
  cyan: [0.1, 0.9, 0.95],
};

export interface ObjectState {
  readonly colour: Colour;
  readonly shape: Shape;
  readonly hollow: boolean;
  readonly motion: Motion;
  /** RGB in [0, 1]: the palette colour, dimmed and hue-jittered. */
  readonly rgb: Rgb;
  /** Half size in world units; the shape fits a box of this half side. */
  readonly halfSize: number;
  /** [frames] centre in world units. */
  readonly x: Float32Array;
  readonly y: Float32Array;
}

export interface BackgroundState {
  readonly rgb: Rgb;
  /** Amplitude per channel of a sinusoid (or of stripes). */
  readonly amplitude: Rgb;
  /** Radians per world unit. */
  readonly frequency: readonly [number, number];
  readonly phase: number;
  readonly striped: boolean;
}

export interface WallState {
  readonly left: number;
  readonly right: number;
  readonly grey: number;
}

export interface GlassState {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly colour: Colour;
  readonly rgb: Rgb;
  /** [frames] filled share of the inner height, 0..1, never falling. */
  readonly level: Float32Array;
}

/** The exact truth behind a clip. */
export interface ClipState {
  readonly objects: readonly ObjectState[];
  readonly background: BackgroundState;
  readonly wall?: WallState;
  readonly glass?: GlassState;
}

/** Units per frame: what "slowly" and "quickly" mean, and what an unmarked speed is. */
export const speedRange = { slowly: [0.5, 0.8], unmarked: [1, 1.6], quickly: [2, 2.6] } as const;
/** Share of the glass per frame. */
export const pourRange = { slowly: [0.01, 0.015], unmarked: [0.022, 0.034], quickly: [0.05, 0.07] } as const;

/** A point moving at constant speed between two elastic walls. */
export function reflect(x: number, low: number, high: number): number {
  const span = high - low;
  if (span <= 0) return (low + high) / 2;
  const phase = (((x - low) % (2 * span)) + 2 * span) % (2 * span);
  return low + (phase <= span ? phase : 2 * span - phase);
}

/** Height above the floor of an elastic ball dropped from `height` at time 0. */
export function bounceHeight(time: number, height: number): number {
  const half = Math.sqrt((2 * height) / gravity);
  const since = (((time + half) % (2 * half)) + 2 * half) % (2 * half);
  const fromPeak = since - half;
  return height - 0.5 * gravity * fromPeak * fromPeak;
}

/** Where an object may move: its centre stays inside. */
interface Room {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const between = (r: Rng, name: string, low: number, high: number): number =>
  low + (high - low) * r.at(name).float();
const sign = (r: Rng, name: string): number => (r.at(name).int(2) === 0 ? -1 : 1);
const speedOf = (r: Rng, speed: Speed | undefined): number => {
  const [low, high] = speedRange[speed ?? "unmarked"];
  return between(r, "speed", low, high);
};

type Path = (time: number) => readonly [number, number];

function path(motion: Motion, speed: Speed | undefined, halfSize: number, room: Room, r: Rng): Path {
  const { left, right, top, bottom } = room;
  const x0 = between(r, "x", left, right);
  const y0 = between(r, "y", top, bottom);
  const rate = speed ? speedOf(r, speed) : between(r, "speed", 1, 2);
  const vx = rate * sign(r, "x sign");
  const vy = rate * sign(r, "y sign");
  switch (motion) {
    case "still":
      return () => [x0, y0];
    case "sideways":
      return (t) => [reflect(x0 + vx * t, left, right), y0];
    case "vertically":
      return (t) => [x0, reflect(y0 + vy * t, top, bottom)];
    case "diagonally":
      return (t) => [reflect(x0 + 0.75 * vx * t, left, right), reflect(y0 + 0.75 * vy * t, top, bottom)];
    case "bounce": {
      const height = between(r, "height", 0.6, 1) * (bottom - top);
      return (t) => [reflect(x0 + 0.6 * vx * t, left, right), bottom - bounceHeight(t, height)];
    }
    case "left":
    case "right":
    case "up":
    case "down": {
      // It leaves at one side and comes back at the other: the direction holds for ever.
      const travel = speedOf(r, speed) * (motion === "right" || motion === "down" ? 1 : -1);
      const period = worldSize + 2 * halfSize;
      const wrap = (p: number) => ((((p + halfSize) % period) + period) % period) - halfSize;
      return motion === "left" || motion === "right"
        ? (t) => [wrap(x0 + travel * t), y0]
        : (t) => [x0, wrap(y0 + travel * t)];
    }
    default:
      throw new Error(`internal: the motion "${motion}" needs a scene of its own`);
  }
}

function paint(colour: Colour, r: Rng): Rgb {
  const light = between(r, "light", 0.8, 1);
  const jitter = r.at("hue").uniform(3, -0.12, 0.12);
  const channel = (i: 0 | 1 | 2) => Math.min(1, Math.max(0, palette[colour][i] * light + jitter[i]!));
  return [channel(0), channel(1), channel(2)];
}

function paintBackground(kind: PromptDemand["background"], r: Rng): BackgroundState {
  const rgb = [...r.at("colour").uniform(3, 0.1, 0.35)] as unknown as Rgb;
  if (kind === "plain") return { rgb, amplitude: [0, 0, 0], frequency: [0, 0], phase: 0, striped: false };
  if (kind === "striped") {
    const period = between(r, "period", 6, 8);
    const phase = between(r, "phase", 0, 2 * Math.PI);
    return {
      rgb,
      amplitude: [0.09, 0.09, 0.09],
      frequency: [(2 * Math.PI) / period, 0],
      phase,
      striped: true,
    };
  }
  const [kx, ky] = r.at("frequency").uniform(2, -0.35, 0.35);
  const amplitude = [...r.at("amplitude").uniform(3, -0.1, 0.1)] as unknown as Rgb;
  const phase = between(r, "phase", 0, 2 * Math.PI);
  return { rgb, amplitude, frequency: [kx!, ky!], phase, striped: false };
}

const openMotions: readonly Motion[] = ["still", ...axes, "bounce"];

interface Placed {
  readonly halfSize: number;
  readonly at: Path;
}

const roomFor = (halfSize: number, box: Room): Room => ({
  left: box.left + halfSize,
  right: box.right - halfSize,
  top: box.top + halfSize,
  bottom: box.bottom - halfSize,
});
const wholeWorld: Room = { left: 0, right: worldSize, top: 0, bottom: worldSize };

/** Left/right or upper/lower halves, with a gap of one unit. */
function halves(stacked: boolean): readonly [Room, Room] {
  const middle = worldSize / 2;
  return stacked
    ? [
        { ...wholeWorld, bottom: middle - 0.5 },
        { ...wholeWorld, top: middle + 0.5 },
      ]
    : [
        { ...wholeWorld, right: middle - 0.5 },
        { ...wholeWorld, left: middle + 0.5 },
      ];
}

function place(demand: PromptDemand, motions: readonly Motion[], r: Rng): Placed[] {
  const one = r.at("object", 0);
  const two = r.at("object", 1);
  if (demand.scene === "collide") {
    const [a, b] = [between(one, "size", 3.2, 4.2), between(two, "size", 3.2, 4.2)];
    const y = between(r, "height", 6, worldSize - 6);
    // Equal masses exchange velocities, i.e. two points pass through each other and swap names; the sizes are cut
    // out of the line first and added back to the right one.
    const end = worldSize - 2 * b - a;
    const mover = between(one, "x", a, a + 0.3 * (end - a));
    const target = between(two, "x", a + 0.45 * (end - a), a + 0.7 * (end - a));
    const rate = between(r, "speed", 1.2, 2);
    const mirrored = r.at("side").int(2) === 1;
    const flip = (x: number) => (mirrored ? worldSize - x : x);
    const ghost = (t: number) => reflect(mover + rate * t, a, end);
    return [
      { halfSize: a, at: (t) => [flip(Math.min(ghost(t), target)), y] },
      { halfSize: b, at: (t) => [flip(Math.max(ghost(t), target) + a + b), y] },
    ];
  }
  if (demand.relation) {
    const sizes = [between(one, "size", 3.4, 4.6), between(two, "size", 3.4, 4.6)];
    const stacked = demand.relation === "above" || demand.relation === "below";
    const rooms = halves(stacked);
    const swapped = demand.relation === "right of" || demand.relation === "below";
    const line = between(r, "line", 8, worldSize - 8);
    return [one, two].map((own, i) => {
      const halfSize = sizes[i]!;
      const room = roomFor(halfSize, rooms[swapped ? 1 - i : i]!);
      // Roughly on one line, so that "left of" is what the eye sees first.
      const cross = line + between(own, "cross", -2, 2);
      const [x, y] = stacked
        ? [cross, between(own, "y", room.top, room.bottom)]
        : [between(own, "x", room.left, room.right), cross];
      return { halfSize, at: () => [x, y] as const };
    });
  }
  if (demand.objects.length === 2) {
    const tall = motions.includes("bounce") || motions.includes("vertically");
    const rooms = halves(motions.includes("sideways") && !tall);
    const swapped = r.at("swap").int(2);
    return [one, two].map((own, i) => {
      const halfSize = between(own, "size", 3.4, 4.6);
      const room = roomFor(halfSize, rooms[swapped ? 1 - i : i]!);
      return { halfSize, at: path(motions[i]!, demand.objects[i]!.speed, halfSize, room, own) };
    });
  }
  return demand.objects.map((object, i) => {
    const halfSize = demand.wall ? between(one, "size", 3.2, 4) : between(one, "size", 4.5, 6.5);
    const room = roomFor(halfSize, wholeWorld);
    if (!demand.wall) return { halfSize, at: path(motions[i]!, object.speed, halfSize, room, one) };
    // It starts in the open, at the far end of the wider side, and heads for the wall.
    const fromLeft = wallSide(r) === "right";
    const start = between(one, "x", 0, 2);
    const rate = between(one, "speed", 1, 1.8);
    const y = between(one, "y", room.top, room.bottom);
    const forth = (t: number) => reflect(room.left + start + rate * t, room.left, room.right);
    return { halfSize, at: (t: number) => [fromLeft ? forth(t) : worldSize - forth(t), y] as const };
  });
}

/** The narrower side of the scene is left or right of the wall. */
const wallSide = (r: Rng): "left" | "right" => (r.at("wall side").int(2) === 0 ? "left" : "right");

/**
 * The states of one clip: `numFrames` frames at `fps`. Everything a prompt leaves open (place, size, speed, light,
 * hue, background) is drawn from `r` by name.
 */
export function simulate(demand: PromptDemand, r: Rng, numFrames: number, fps = 8): ClipState {
  const times = Array.from({ length: numFrames }, (_, frame) => (frame * 8) / fps);
  const motions = demand.objects.map(
    (object, i) => object.motion ?? openMotions[r.at("open motion", i).int(openMotions.length)]!,
  );
  const objects = place(demand, motions, r).map(({ halfSize, at }, i): ObjectState => {
    const { colour, shape, hollow } = demand.objects[i]!;
    const places = times.map(at);
    return {
      colour,
      shape,
      hollow,
      motion: motions[i]!,
      rgb: paint(colour, r.at("paint", i)),
      halfSize,
      x: Float32Array.from(places, ([x]) => x),
      y: Float32Array.from(places, ([, y]) => y),
    };
  });
  const background = paintBackground(demand.background, r.at("background"));
  if (demand.wall) {
    const width = 2 * objects[0]!.halfSize + 1.5;
    const margin = between(r, "wall", 8, (worldSize - width) / 2);
    const left = wallSide(r) === "left" ? margin : worldSize - margin - width;
    const wall = { left, right: left + width, grey: between(r, "wall grey", 0.58, 0.68) };
    return { objects, background, wall };
  }
  if (demand.water) {
    const width = between(r, "glass width", 13, 18);
    const left = between(r, "glass left", 4, worldSize - 4 - width);
    const [slow, fast] = pourRange[demand.water.speed ?? "unmarked"];
    const rate = between(r, "pour", slow, fast);
    const start = between(r, "level", 0.05, 0.2);
    const level = Float32Array.from(times, (t) => Math.min(1, start + rate * t));
    const { colour } = demand.water;
    const glass = {
      left,
      right: left + width,
      top: between(r, "glass top", 8, 11),
      bottom: between(r, "glass bottom", 27, 30),
      colour,
      rgb: paint(colour, r.at("paint", 0)),
      level,
    };
    return { objects, background, glass };
  }
  return { objects, background };
}

/** Directions as unit steps, y down. */
export const directionStep: { readonly [D in (typeof directions)[number]]: readonly [number, number] } = {
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  down: [0, 1],
};
