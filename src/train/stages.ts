/**
 * Training in stages, one behind the other on the same weights (Resampling Forcing 2512.15702, section 3.6):
 *
 *   teacher forcing, short clips -> resampling forcing -> resampling forcing, long clips -> the same with routed history
 *
 * in the paper's proportions 10K : 15K : 5K : 1.5K. Each stage has its own optimiser state, clips and history policy, and
 * its own checkpoints, so an interrupted recipe goes on where it stopped.
 */
import { join } from "node:path";
import type { CausalWan } from "../model/causal-wan.ts";
import { dense, type HistoryPolicy, routing } from "../model/history-policy.ts";
import type { Dataset } from "../video/dataset.ts";
import type { CheckpointOptions } from "./checkpoint.ts";
import type { Forcing } from "./forcing/forcing.ts";
import { resamplingForcing } from "./forcing/resampling-forcing.ts";
import { teacherForcing } from "./forcing/teacher-forcing.ts";
import { type TrainOptions, type TrainRow, train } from "./trainer.ts";

export interface Stage {
  /** Names the stage's checkpoint folder. */
  readonly name: string;
  readonly clips: Dataset;
  readonly forcing: Forcing;
  readonly steps: number;
  /** Default: the model's. */
  readonly history?: HistoryPolicy;
  /** What this stage does differently from the common options. */
  readonly options?: Partial<TrainOptions>;
}

export interface StageRow extends TrainRow {
  readonly stage: string;
}

export interface StagedRecipeOptions {
  readonly clips: Dataset;
  /** Longer clips of the same size. */
  readonly longClips: Dataset;
  /** Steps of all stages together. */
  readonly steps: number;
  /** s of the resampling time. */
  readonly shift?: number;
  /** Chunks that routing picks. */
  readonly topK?: number;
}

/** The paper's four stages; steps are split 20 : 30 : 10 : 3. @throws RangeError below 63 steps */
export function stagedRecipe({
  clips,
  longClips,
  steps,
  shift = 0.6,
  topK = 5,
}: StagedRecipeOptions): readonly Stage[] {
  if (!(Number.isInteger(steps) && steps >= 63)) {
    throw new RangeError(
      `Cannot split ${steps} steps in stages of 20 : 30 : 10 : 3: give an integer of at least 63.`,
    );
  }
  if (longClips.numFrames <= clips.numFrames) {
    throw new RangeError(
      `Cannot train on long clips as they must be longer than the short ones: got ${longClips.numFrames} and ${clips.numFrames} frames. Make the world with more frames.`,
    );
  }
  const part = (share: number) => Math.round((steps * share) / 63);
  const resampling = () => resamplingForcing({ shift });
  return [
    { name: "teacher-forcing", clips, forcing: teacherForcing(), steps: part(20) },
    { name: "resampling", clips, forcing: resampling(), steps: part(30) },
    { name: "long-clips", clips: longClips, forcing: resampling(), steps: part(10), history: dense() },
    { name: "routing", clips: longClips, forcing: resampling(), steps: part(3), history: routing({ topK }) },
  ];
}

/**
 * Trains `model` in place through all stages; rows say their stage.
 * @param common options of every stage; with a checkpoint folder, each stage keeps its own below it
 */
export async function* trainStages(
  model: CausalWan,
  stages: readonly Stage[],
  common: Omit<TrainOptions, "forcing" | "objective" | "steps" | "checkpoint"> & {
    readonly checkpoint?: CheckpointOptions;
  } = {},
): AsyncGenerator<StageRow, void, undefined> {
  if (new Set(stages.map(({ name }) => name)).size !== stages.length) {
    throw new RangeError(
      `Cannot train stages of the same name: got ${stages.map(({ name }) => name).join(", ")}. Name each once.`,
    );
  }
  for (const { name, clips, forcing, steps, history, options } of stages) {
    const { checkpoint } = common;
    const training = train(history ? model.withHistory(history) : model, clips, {
      ...common,
      ...options,
      forcing,
      steps,
      ...(checkpoint && { checkpoint: { ...checkpoint, folder: join(checkpoint.folder, name) } }),
    });
    try {
      for await (const row of training) yield { ...row, stage: name };
    } finally {
      for (const variable of training.averaged.weights.values()) variable.dispose();
    }
  }
}
