/**
 * The recipe of the shipped mini checkpoints: single objects with unprompted detail, 16-frame clips, 8 chunks of 2 frames.
 *
 *   warm-up   teacher forcing, constant rate
 *   arms      from the warm-up's weights, equal steps, rate restarted lower and decayed linearly over the last 60 %
 *
 * Numbers follow what was measured to work at this scale: Muon .02 + AdamW 1.5e-3, batch 8, times 70 % logit-normal and
 * 30 % uniform at shift 2, resampling shift .6 with one Euler step. Held-out prompts are never trained on.
 */
import { type HistoryPolicy, routing, slidingWindow } from "../../model/history-policy.ts";
import { promptsOf } from "../../video/world/grammar.ts";
import type { World } from "../../video/world/world.ts";
import { holdOut, world } from "../../video/world/world.ts";
import type { Forcing } from "../forcing/forcing.ts";
import { noiseAugmentation } from "../forcing/noise-augmentation.ts";
import { parallelResampling } from "../forcing/parallel-resampling.ts";
import { resamplingForcing } from "../forcing/resampling-forcing.ts";
import { teacherForcing } from "../forcing/teacher-forcing.ts";
import { warmupDecay } from "../learning-rate.ts";
import { muonOptimizer } from "../optimizer.ts";
import type { TrainOptions } from "../trainer.ts";

/** Scenes of the shipped checkpoint, and the prompts kept away from training. */
export const scenes = ["still", "glide", "bounce"] as const;
export const prompts = holdOut(promptsOf(scenes), { share: 0.1, seed: 0 });

/** Chunks of a training clip, and how far back a rollout may look so that distances stay in the trained range. */
export const trainedChunks = 8;
export const window = slidingWindow({ chunks: trainedChunks - 1 });

/** Chunks that the routed arm picks of a history of at most seven. */
export const routedTopK = 3;

/** Steps of the warm-up and of each arm. */
export const warmupSteps = 12000;
export const armSteps = 4000;

/** How the shipped models are sampled and evaluated. */
export const sampling = { steps: 10, shift: 2, guidanceScale: 2.5 } as const;

/** How often each scene is drawn: the three axes of a glide need more clips than standing still, which is learnt at once. */
const drawn = [
  ...Array.from({ length: 1 }, () => "still" as const),
  ...Array.from({ length: 5 }, () => "glide" as const),
  ...Array.from({ length: 2 }, () => "bounce" as const),
];

/** Training clips: practically endless, made when asked for. */
export function clips(seed: number, numFrames = 2 * trainedChunks): World {
  return world({ scenes: drawn, prompts: prompts.train, numClips: 1_000_000, numFrames, seed });
}

type Stage = Pick<
  TrainOptions,
  "forcing" | "steps" | "batchSize" | "optimizer" | "rate" | "emaDecay" | "firstChunkWeight"
>;

const shared = { batchSize: 8, emaDecay: 0.995, firstChunkWeight: 2 } as const;

export function warmup(steps: number): Stage {
  return {
    ...shared,
    forcing: teacherForcing(),
    steps,
    optimizer: muonOptimizer({ matrixRate: 0.02, learningRate: 1.5e-3 }),
    rate: warmupDecay({ warmup: 60, decay: 0 }),
  };
}

export function arm(forcing: Forcing, steps: number): Stage {
  return {
    ...shared,
    forcing,
    steps,
    optimizer: muonOptimizer({ matrixRate: 0.015, learningRate: 1e-3 }),
    rate: warmupDecay({ warmup: 60, decay: 0.6, floor: 0.03 }),
  };
}

/** What distinguishes an arm. */
export interface Arm {
  readonly forcing: Forcing;
  /** How it is trained and sampled; default `window`. */
  readonly history?: HistoryPolicy;
}

/** The compared arms by the name of their checkpoint. */
export const arms: Readonly<Record<string, () => Arm>> = Object.freeze({
  "resampling-forcing": () => ({ forcing: resamplingForcing({ shift: 0.6 }) }),
  "teacher-forcing": () => ({ forcing: teacherForcing() }),
  "noise-augmentation": () => ({ forcing: noiseAugmentation({ max: 0.5 }) }),
  "parallel-resampling": () => ({ forcing: parallelResampling({ shift: 0.6 }) }),
  "routed-resampling-forcing": () => ({
    forcing: resamplingForcing({ shift: 0.6 }),
    history: routing({ topK: routedTopK }),
  }),
});
