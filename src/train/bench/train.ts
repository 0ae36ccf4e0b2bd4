/**
 * What training costs, per forcing: steps and noisy tokens per second, time against teacher forcing, memory. Steps of the
 * forcings alternate, so that a busy machine slows all of them alike. CausalWan.mini, 8 clips of 8 chunks, Muon + AdamW.
 */
import type { Measured } from "../../cli/bench.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { chunkTokens } from "../../model/config.ts";
import { device, hasBf16, useDevice } from "../../tensor/device.ts";
import { tf } from "../../tensor/tf.ts";
import { diffusionForcing } from "../forcing/diffusion-forcing.ts";
import type { Forcing } from "../forcing/forcing.ts";
import { noiseAugmentation } from "../forcing/noise-augmentation.ts";
import { parallelResampling } from "../forcing/parallel-resampling.ts";
import { replayedErrors } from "../forcing/replayed-errors.ts";
import { resamplingForcing } from "../forcing/resampling-forcing.ts";
import { teacherForcing } from "../forcing/teacher-forcing.ts";
import { clips, trainedChunks } from "../recipes/mini.ts";
import { type TrainOptions, train } from "../trainer.ts";

const batchSize = 8;

/** @param repeats measured steps per forcing, after one to warm up */
export async function bench({ repeats = 6 }: { readonly repeats?: number } = {}): Promise<Measured> {
  await useDevice("auto");
  const forcings: Readonly<Record<string, Forcing>> = {
    "teacher forcing": teacherForcing(),
    "diffusion forcing": diffusionForcing(),
    "noise augmentation": noiseAugmentation(),
    "parallel resampling": parallelResampling(),
    "replayed errors": replayedErrors(),
    "resampling forcing": resamplingForcing(),
  };
  const model = CausalWan.mini();
  const start = (name: string, options: Pick<TrainOptions, "forcing" | "precision">) => ({
    name,
    seconds: [] as number[],
    training: train(model, clips(0), { ...options, steps: repeats + 1, batchSize, logEvery: 1 }),
  });
  const trainings = Object.entries(forcings).map(([name, forcing]) => start(name, { forcing }));
  if (hasBf16()) {
    for (const name of ["teacher forcing", "resampling forcing"] as const)
      trainings.push(start(`${name}, bf16`, { forcing: forcings[name]!, precision: "bf16" }));
  }
  for (let step = 0; step <= repeats; step++) {
    for (const { training, seconds } of trainings) {
      const started = performance.now();
      await training.next();
      if (step > 0) seconds.push((performance.now() - started) / 1000);
    }
  }
  const tokens = batchSize * trainedChunks * chunkTokens(model.config);
  const baseline = median(trainings[0]!.seconds);
  const aliveBytes = tf.memory().numBytes;
  const rows: Measured["rows"][number][] = [];
  const ratios: Record<string, number> = {};
  for (const { name, seconds, training } of trainings) {
    const time = median(seconds);
    rows.push({ work: `${name}: steps`, value: 1 / time, unit: "steps/s" });
    rows.push({ work: `${name}: noisy tokens`, value: tokens / time, unit: "tokens/s" });
    // Of one step next to each other, so that drift of the machine's load cancels.
    ratios[`${name} / teacher forcing`] = median(seconds.map((s, i) => s / trainings[0]!.seconds[i]!));
    await training.return(undefined);
    training.averaged.dispose();
  }
  rows.push({ work: "teacher forcing: one step", value: 1000 * baseline, unit: "ms" });
  rows.push({
    work: `tensors alive between steps, ${trainings.length} trainings of one model`,
    value: aliveBytes / 2 ** 20,
    unit: "MiB",
  });
  rows.push({ work: "process memory", value: process.memoryUsage().rss / 2 ** 20, unit: "MiB" });
  model.dispose();
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
