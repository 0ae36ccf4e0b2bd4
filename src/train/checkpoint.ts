/**
 * Checkpoints: a folder per step with everything the next step depends on.
 *
 *   <folder>/step-000200/  model.safetensors   weights, Wan names
 *                          average.safetensors averaged weights, same names
 *                          state.safetensors   optimizer.* and objective.*
 *                          train.json          step, loss, config
 *   <folder>/best.json     which kept step had the lowest mean loss since the one before
 *
 * A checkpoint is written under a temporary name, flushed, and renamed: it is whole or it is not there, whenever the
 * process dies. Resuming compares the config and refuses a different one.
 */
import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CausalWan } from "../model/causal-wan.ts";
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import { readSafetensors, writeSafetensors } from "../tensor/safetensors.ts";
import { type Tensor, tf, type Variable } from "../tensor/tf.ts";
import type { Objective } from "./objective.ts";

export interface CheckpointOptions {
  readonly folder: string;
  /** Saved after every so many steps, at the end and on interruption. */
  readonly every?: number;
  /** How many of the newest are kept, besides the best. */
  readonly keep?: number;
  /** Continue from the newest if there is one; false refuses to touch a folder that has any. */
  readonly resume?: boolean;
}

export interface CheckpointParts {
  readonly model: CausalWan;
  readonly averaged: ReadonlyMap<string, Variable>;
  readonly optimizer: ReadonlyMap<string, Variable>;
  readonly objective: Objective;
}

/** A checkpoint that cannot be used. */
export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

export interface CheckpointKeeper {
  /** Restores the newest checkpoint. @returns its step, 0 if there is none */
  resume(): Promise<number>;
  afterStep(step: number, loss: number): Promise<void>;
  save(step: number): Promise<void>;
  /** Folder of the newest checkpoint. */
  lastGood(): string | undefined;
}

interface TrainJson {
  readonly step: number;
  /** Mean loss since the checkpoint before. */
  readonly loss: number | null;
  readonly config: Record<string, unknown>;
}

const stepName = (step: number) => `step-${String(step).padStart(6, "0")}`;

export function checkpointKeeper(
  options: CheckpointOptions,
  config: Record<string, unknown>,
  parts: CheckpointParts,
): CheckpointKeeper {
  const { folder, every = 200, keep = 2, resume = true } = options;
  requireNumbers(`keep checkpoints in ${folder}`, { every, keep }, { ...positiveInteger, endless: true });
  let losses: number[] = [];
  let newest: number | undefined;

  const save = async (step: number) => {
    if (step === newest) return;
    const target = join(folder, stepName(step));
    const temporary = join(folder, `.writing-${stepName(step)}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    const objectiveState = parts.objective.state?.() ?? new Map<string, Tensor>();
    const state = new Map<string, Tensor>([
      ...[...parts.optimizer].map(([name, value]) => [`optimizer.${name}`, value] as const),
      ...[...objectiveState].map(([name, value]) => [`objective.${name}`, value] as const),
    ]);
    await writeSafetensors(join(temporary, "model.safetensors"), parts.model.weights);
    await writeSafetensors(join(temporary, "average.safetensors"), parts.averaged);
    await writeSafetensors(join(temporary, "state.safetensors"), state);
    for (const tensor of objectiveState.values()) tensor.dispose();
    const loss = losses.length > 0 ? losses.reduce((a, b) => a + b, 0) / losses.length : null;
    const train: TrainJson = { step, loss, config };
    await writeFlushed(join(temporary, "train.json"), JSON.stringify(train, null, 1));
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
    losses = [];
    newest = step;
    await prune(folder, keep);
  };

  return Object.freeze({
    async resume() {
      const found = await listCheckpoints(folder);
      const last = found.at(-1);
      if (last === undefined) return 0;
      const path = join(folder, stepName(last));
      if (!resume) {
        throw new CheckpointError(
          `Cannot start training in ${folder} as it must hold no checkpoints: found ${found.length}. Pass resume: true or another folder.`,
        );
      }
      const train = JSON.parse(await readFile(join(path, "train.json"), "utf8")) as TrainJson;
      const differences = differingFields(train.config, config);
      if (differences.length > 0) {
        throw new CheckpointError(
          `Cannot resume ${path} as it must come from the same config: got ${differences.join("; ")}. Use the old options or another folder.`,
        );
      }
      await assignFrom(join(path, "model.safetensors"), parts.model.weights);
      await assignFrom(join(path, "average.safetensors"), parts.averaged);
      const { tensors } = await readSafetensors(join(path, "state.safetensors"));
      const section = (prefix: string) =>
        new Map(
          [...tensors].flatMap(([name, x]) =>
            name.startsWith(prefix) ? [[name.slice(prefix.length), x]] : [],
          ),
        );
      assignAll(join(path, "state.safetensors"), section("optimizer."), parts.optimizer);
      const objectiveState = section("objective.");
      if (objectiveState.size > 0) parts.objective.restore?.(objectiveState);
      for (const tensor of tensors.values()) tensor.dispose();
      newest = last;
      return train.step;
    },
    async afterStep(step: number, loss: number) {
      losses.push(loss);
      if (step % every === 0) await save(step);
    },
    save,
    lastGood: () => (newest === undefined ? undefined : join(folder, stepName(newest))),
  });
}

/** Steps of the whole checkpoints in a folder, ascending. */
export async function listCheckpoints(folder: string): Promise<number[]> {
  if (!existsSync(folder)) return [];
  return (await readdir(folder))
    .flatMap((name) => /^step-(\d{6,})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

async function writeFlushed(path: string, text: string): Promise<void> {
  const file = await open(path, "w");
  await file.writeFile(text);
  await file.sync();
  await file.close();
}

/** Removes what neither the newest `keep` nor the best needs, and what a killed process left half-written. */
async function prune(folder: string, keep: number): Promise<void> {
  const steps = await listCheckpoints(folder);
  let best: TrainJson | undefined;
  for (const step of steps) {
    const train = JSON.parse(await readFile(join(folder, stepName(step), "train.json"), "utf8")) as TrainJson;
    if (train.loss !== null && (!best || train.loss <= best.loss!)) best = train;
  }
  if (best) await writeFile(join(folder, "best.json"), JSON.stringify({ step: best.step, loss: best.loss }));
  for (const step of steps.slice(0, -keep)) {
    if (step !== best?.step) await rm(join(folder, stepName(step)), { recursive: true, force: true });
  }
  for (const name of await readdir(folder)) {
    if (name.startsWith(".writing-")) await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Paths at which two plain values differ, as "path: old -> new". */
export function differingFields(before: unknown, after: unknown, path = ""): string[] {
  if (typeof before === "object" && typeof after === "object" && before && after && !Array.isArray(before)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) =>
      differingFields(
        (before as Record<string, unknown>)[key],
        (after as Record<string, unknown>)[key],
        path ? `${path}.${key}` : key,
      ),
    );
  }
  const [old, now] = [JSON.stringify(before), JSON.stringify(after)];
  return old === now ? [] : [`${path}: ${old} -> ${now}`];
}

async function assignFrom(path: string, targets: ReadonlyMap<string, Variable>): Promise<void> {
  const { tensors } = await readSafetensors(path);
  assignAll(path, tensors, targets);
  for (const tensor of tensors.values()) tensor.dispose();
}

function assignAll(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  targets: ReadonlyMap<string, Variable>,
): void {
  for (const [name, variable] of targets) {
    const found = tensors.get(name);
    if (!found || found.shape.join() !== variable.shape.join()) {
      throw new CheckpointError(
        `Cannot load ${path} as "${name}" must be [${variable.shape}]: got ${found ? `[${found.shape}]` : "nothing"}. Use the model that wrote it.`,
      );
    }
  }
  tf.tidy(() => {
    // A copy, so that the file's memory and the variable's are never shared.
    for (const [name, variable] of targets) variable.assign(tensors.get(name)!.add(0));
  });
}
