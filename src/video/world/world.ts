/**
 * The procedural world as a dataset: clip i is a pure function of (seed, i), made when asked for. Unprompted detail
 * (a coloured background with a random sinusoid, light and hue of each object, size, start, speed) is what a
 * model must carry in its history.
 */
import { positive, positiveInteger, requireNumbers } from "../../tensor/ranges.ts";
import { type Rng, rng } from "../../tensor/rng.ts";
import { checkIndex, type Dataset, type Example, stackVideos } from "../dataset.ts";
import type { Video } from "../video.ts";
import { parsePrompt, promptsOf, type Scene, scenes as sceneNames } from "./grammar.ts";
import { type ClipState, simulate } from "./physics.ts";
import { render } from "./render.ts";

export interface WorldExample extends Example {
  readonly scene: Scene;
  readonly state: ClipState;
}

export interface World extends Dataset<WorldExample> {
  readonly seed: number;
  readonly scenes: readonly Scene[];
  /** The prompts that clips are drawn from. */
  readonly prompts: readonly string[];
}

export interface WorldOptions {
  /** Scenes to draw from, equally often (one named twice comes twice as often); default: single objects. */
  readonly scenes?: readonly Scene[];
  /** Only these prompts of those scenes (for held-out splits); default: all. */
  readonly prompts?: readonly string[];
  readonly numClips?: number;
  readonly numFrames?: number;
  readonly seed?: number;
  /** Height and width in pixels. */
  readonly size?: number;
  readonly fps?: number;
}

/** One clip of the world for a prompt of the grammar. */
export function worldClip(
  prompt: string,
  {
    seed = 0,
    numFrames = 16,
    size = 32,
    fps = 8,
  }: { seed?: number; numFrames?: number; size?: number; fps?: number } = {},
): WorldExample {
  checkShape("make a clip", { numFrames, size, fps });
  return make(prompt, rng(seed), { numFrames, size, fps });
}

function make(prompt: string, r: Rng, shape: Shape): WorldExample {
  const demand = parsePrompt(prompt);
  const state = simulate(demand, r, shape.numFrames, shape.fps);
  const pixels: Video = render(state, shape.numFrames, { size: shape.size, fps: shape.fps, prompt });
  return Object.freeze({ video: pixels, prompt, scene: demand.scene, state });
}

interface Shape {
  readonly numFrames: number;
  readonly size: number;
  readonly fps: number;
}

function checkShape(action: string, { numFrames, size, fps }: Shape): void {
  requireNumbers(action, { numFrames, size }, positiveInteger, "Leave it out for the default.");
  requireNumbers(action, { fps }, positive, "Leave it out for the default.");
}

/**
 * A dataset of procedural clips.
 * @example const clips = world({ scenes: ["bounce", "pour"], numClips: 512, seed: 0 });
 */
export function world(options: WorldOptions = {}): World {
  const { numClips = 512, numFrames = 16, seed = 0, size = 32, fps = 8 } = options;
  const fromPrompts = options.prompts
    ? [...new Set(options.prompts.map((p) => parsePrompt(p).scene))]
    : undefined;
  const scenes = options.scenes ?? fromPrompts ?? (["still", "glide", "bounce"] as const);
  requireNumbers("make a world", { numClips }, positiveInteger, "Leave it out for the default.");
  checkShape("make a world", { numFrames, size, fps });
  if (scenes.length === 0) {
    throw new RangeError(`Cannot make a world without scenes. Choose from ${sceneNames.join(", ")}.`);
  }
  const byScene = scenes.map((scene) =>
    options.prompts ? options.prompts.filter((p) => parsePrompt(p).scene === scene) : promptsOf([scene]),
  );
  const empty = scenes.filter((_, i) => byScene[i]!.length === 0);
  if (empty.length > 0) {
    throw new RangeError(
      `Cannot make a world: none of the given prompts belongs to ${empty.join(", ")}. Leave the scene out or add prompts.`,
    );
  }
  const name = `world(${scenes.join("+")}, seed ${seed})`;
  const source = rng(seed).at("clip");
  const clip = (index: number): WorldExample => {
    checkIndex(index, numClips, name);
    const r = source.at(index);
    const choices = byScene[r.at("scene").int(byScene.length)]!;
    const prompt = choices[r.at("prompt").int(choices.length)]!;
    return make(prompt, r, { numFrames, size, fps });
  };
  return Object.freeze({
    name,
    seed,
    scenes,
    prompts: [...new Set(byScene.flat())],
    length: numClips,
    numFrames,
    height: size,
    width: size,
    fps,
    clip,
    batch(indices: readonly number[]) {
      const clips = indices.map(clip);
      return { videos: stackVideos(clips.map((c) => c.video)), prompts: clips.map((c) => c.prompt) };
    },
  });
}

/** A seeded split of prompts into those for training and those never trained on. */
export function holdOut(
  prompts: readonly string[],
  { share = 0.1, seed = 0 }: { share?: number; seed?: number } = {},
): { train: readonly string[]; heldOut: readonly string[] } {
  if (!(share > 0 && share < 1)) {
    throw new RangeError(`Cannot hold out a share of ${share}: it must lie between 0 and 1.`);
  }
  const order = rng(seed).at("hold out").permutation(prompts.length);
  const count = Math.max(1, Math.round(share * prompts.length));
  const out = new Set(order.subarray(0, count));
  return {
    train: prompts.filter((_, i) => !out.has(i)),
    heldOut: prompts.filter((_, i) => out.has(i)),
  };
}
