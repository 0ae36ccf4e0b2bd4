/** One stage of a recipe inside a run of the store: its curve as rows, its checkpoints beside them. */
import { join } from "node:path";
import type { Run } from "../../lab/run.ts";
import type { CausalWan } from "../../model/causal-wan.ts";
import { readSafetensors } from "../../tensor/safetensors.ts";
import { tf } from "../../tensor/tf.ts";
import type { Dataset } from "../../video/dataset.ts";
import { listCheckpoints } from "../checkpoint.ts";
import { type TrainOptions, type TrainRow, train } from "../trainer.ts";

export interface StageOptions extends Omit<TrainOptions, "checkpoint" | "run"> {
  /** Names the stage's rows and its folder. */
  readonly stage: string;
  /** Steps between checkpoints. */
  readonly every?: number;
}

/** Where a stage keeps its checkpoints. */
export const stageFolder = (run: Run, stage: string): string => run.path("checkpoints", stage);

/**
 * Trains one stage to its end; what is there already is not trained again. Rows that an interrupted stage recorded
 * after its last checkpoint come out the same the second time and are not recorded twice.
 */
export async function* trainStage(
  run: Run,
  model: CausalWan,
  clips: Dataset,
  { stage, every = 100, ...options }: StageOptions,
): AsyncGenerator<TrainRow, void, undefined> {
  const recorded = run
    .rows("train")
    .filter((row) => row["stage"] === stage)
    .reduce((last, row) => Math.max(last, row["step"] as number), 0);
  const training = train(model, clips, {
    ...options,
    checkpoint: { folder: stageFolder(run, stage), every, keep: 1 },
  });
  try {
    for await (const row of training) {
      if (row.step > recorded) run.append("train", { stage, ...row });
      yield row;
    }
  } finally {
    for (const variable of training.averaged.weights.values()) variable.dispose();
  }
}

/** Folder of a stage's newest checkpoint. @throws Error before its first one */
export async function newestCheckpoint(run: Run, stage: string): Promise<string> {
  const folder = stageFolder(run, stage);
  const last = (await listCheckpoints(folder)).at(-1);
  if (last === undefined) {
    throw new Error(
      `Cannot go on from the stage ${stage} as it must have a checkpoint in ${folder}: found none. Train the stage first.`,
    );
  }
  return join(folder, `step-${String(last).padStart(6, "0")}`);
}

/** Gives `model` the weights at the end of a stage. */
export async function startFrom(model: CausalWan, run: Run, stage: string): Promise<void> {
  const { tensors } = await readSafetensors(join(await newestCheckpoint(run, stage), "model.safetensors"));
  tf.tidy(() => {
    for (const [name, variable] of model.weights) variable.assign(tensors.get(name)!.add(0));
  });
  tf.dispose([...tensors.values()]);
}

/** `model` under the averaged weights at the end of a stage. */
export async function averagedAfter(model: CausalWan, run: Run, stage: string): Promise<CausalWan> {
  const { tensors } = await readSafetensors(join(await newestCheckpoint(run, stage), "average.safetensors"));
  return model.withWeights(tensors);
}
