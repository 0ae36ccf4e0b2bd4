/**
 * What training costs, per forcing: steps and noisy tokens per second, time against teacher forcing, memory. Steps of the
 * forcings alternate, so that a busy machine slows all of them alike. CausalWan.mini, 8 clips of 8 chunks, Muon + AdamW.
 */
import { pathToFileURL } from "node:url";
import { CausalWan } from "../../model/causal-wan.ts";
import { chunkTokens } from "../../model/config.ts";
import { device, useDevice } from "../../tensor/device.ts";
import { tf } from "../../tensor/tf.ts";
import { diffusionForcing } from "../forcing/diffusion-forcing.ts";
import type { Forcing } from "../forcing/forcing.ts";
import { noiseAugmentation } from "../forcing/noise-augmentation.ts";
import { parallelResampling } from "../forcing/parallel-resampling.ts";
import { replayedErrors } from "../forcing/replayed-errors.ts";
import { resamplingForcing } from "../forcing/resampling-forcing.ts";
import { teacherForcing } from "../forcing/teacher-forcing.ts";
import { clips, trainedChunks } from "../recipes/mini.ts";
import { train } from "../trainer.ts";

export interface BenchRow {
  readonly work: string;
  readonly value: number;
  readonly unit: string;
}

export interface Bench {
  readonly machine: string;
  readonly rows: readonly BenchRow[];
  readonly ratios: Readonly<Record<string, number>>;
}

const batchSize = 8;

/** @param repeats measured steps per forcing, after one to warm up */
export async function bench({ repeats = 6 }: { readonly repeats?: number } = {}): Promise<Bench> {
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
  const trainings = Object.entries(forcings).map(([name, forcing]) => {
    const options = { forcing, steps: repeats + 1, batchSize, logEvery: 1 };
    return { name, seconds: [] as number[], training: train(model, clips(0), options) };
  });
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
  const rows: BenchRow[] = [];
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
  for (const [name, value] of Object.entries(ratios)) rows.push({ work: name, value, unit: "x" });
  model.dispose();
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const result = await bench();
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(`${result.machine}\n`);
    for (const { work, value, unit } of result.rows)
      process.stdout.write(`${work.padEnd(64)} ${value.toFixed(2).padStart(10)} ${unit}\n`);
  }
}
