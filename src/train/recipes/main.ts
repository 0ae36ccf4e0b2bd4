/**
 * `node dist/src/train/recipes/main.js mini [options]`: makes the shipped checkpoints. Resumable at any point: run the
 * same command again. Every stage keeps its checkpoints and its curve (rows of JSON) under the output folder.
 */
import { appendFile, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CausalWan } from "../../model/causal-wan.ts";
import { device, setThreads, useDevice } from "../../tensor/device.ts";
import { readSafetensors } from "../../tensor/safetensors.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";
import type { Codec } from "../../video/codec.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { listCheckpoints } from "../checkpoint.ts";
import { type TrainOptions, train } from "../trainer.ts";
import { evaluateModel } from "./evaluate.ts";
import { arm, arms, clips, prompts, sampling, warmup } from "./mini.ts";
import { ship } from "./ship.ts";

const usage = `Usage: main.js mini [--out data/runs/mini] [--arms ${Object.keys(arms).join(",")}]
  [--warmup 1800] [--steps 2000] [--seed 0] [--threads n] [--ship]`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string", default: join("data", "runs", "mini") },
      arms: { type: "string", default: Object.keys(arms).join(",") },
      warmup: { type: "string", default: "1800" },
      steps: { type: "string", default: "2000" },
      seed: { type: "string", default: "0" },
      threads: { type: "string" },
      ship: { type: "boolean", default: false },
    },
  });
  const wanted = values.arms.split(",");
  const unknown = wanted.find((name) => !(name in arms));
  if (positionals[0] !== "mini" || unknown !== undefined) {
    throw new RangeError(
      `Cannot run this recipe: got ${JSON.stringify(unknown ?? positionals[0])}.\n${usage}`,
    );
  }
  await useDevice("auto");
  if (values.threads) setThreads(Number(values.threads));
  console.log(device().why);
  const codec = worldCodec();
  const seed = Number(values.seed);
  const out = join(values.out, `seed-${seed}`);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const common = { codec, seed, signal: stop.signal };

  const base = join(out, "warmup");
  const first = CausalWan.mini({ codec, seed });
  await runStage(first, base, { ...warmup(Number(values.warmup)), ...common });
  first.dispose();
  for (const name of wanted) {
    const model = CausalWan.mini({ codec, seed });
    await assignWeights(model, join(await newest(base), "model.safetensors"));
    const forcing = arms[name]!();
    const folder = join(out, name);
    await runStage(model, folder, { ...arm(forcing, Number(values.steps)), ...common, seed: seed + 1 });
    const averaged = await averagedModel(model, await newest(folder));
    const evaluation = await evaluate(averaged, codec);
    console.log(name, evaluation);
    if (values.ship) {
      const recipe = `mini, seed ${seed}: ${values.warmup} steps of teacher forcing, ${values.steps} of ${forcing.name}, batch 8`;
      await ship(averaged, {
        name: `mini-${name}`,
        forcing: forcing.name,
        recipe,
        codec,
        sampling,
        evaluation,
      });
    }
    averaged.dispose();
    model.dispose();
  }
}

/** Trains one stage, appending its rows to rows.jsonl; a finished stage returns at once. */
async function runStage(model: CausalWan, folder: string, options: TrainOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const rows = join(folder, "rows.jsonl");
  const done = (await listCheckpoints(folder)).at(-1) ?? 0;
  if (done === 0) await rm(rows, { force: true });
  const training = train(model, clips(options.seed ?? 0), {
    ...options,
    logEvery: 10,
    checkpoint: { folder, every: 100, keep: 2 },
  });
  for await (const row of training) {
    await appendFile(rows, `${JSON.stringify(row)}\n`);
    const { step, steps, loss, secondsPerStep, etaSeconds } = row;
    console.log(
      `${folder} ${step}/${steps} loss ${loss.toFixed(4)} ${Math.round(1000 * secondsPerStep)} ms/step, ${Math.round(etaSeconds)} s left`,
    );
  }
  training.averaged.dispose();
}

async function newest(folder: string): Promise<string> {
  const last = (await listCheckpoints(folder)).at(-1);
  if (last === undefined) throw new Error(`internal: ${folder} holds no checkpoint`);
  return join(folder, `step-${String(last).padStart(6, "0")}`);
}

async function assignWeights(model: CausalWan, path: string): Promise<void> {
  const { tensors } = await readSafetensors(path);
  for (const [name, variable] of model.weights) {
    const value: Tensor = tensors.get(name)!;
    tf.tidy(() => variable.assign(value.add(0)));
    value.dispose();
  }
}

async function averagedModel(model: CausalWan, checkpoint: string): Promise<CausalWan> {
  const { tensors } = await readSafetensors(join(checkpoint, "average.safetensors"));
  return model.withWeights(tensors);
}

/** Held-out prompts at the training length and at three times that length; sampled as `sampling` says. */
async function evaluate(model: CausalWan, codec: Codec): Promise<Record<string, number>> {
  const { segments } = await evaluateModel(model, codec, {
    prompts: prompts.heldOut,
    chunks: 24,
    perPrompt: 6,
  });
  return Object.fromEntries(
    segments.flatMap(({ segment, objectColourMotion, all, worldScore }) => [
      [`objectColourMotion${segment + 1}`, round(objectColourMotion)],
      [`all${segment + 1}`, round(all)],
      [`worldScore${segment + 1}`, round(worldScore)],
    ]),
  );
}

const round = (x: number) => Math.round(1000 * x) / 1000;

main().catch(async (error: Error) => {
  console.error(error.name === "AbortError" ? "Stopped; run the same command to go on." : error.message);
  process.exitCode = 1;
});
