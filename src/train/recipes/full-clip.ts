/**
 * `node dist/src/train/recipes/full-clip.js [options]`: a bidirectional model of whole clips, made from a causal one by
 * fine-tuning. All frames of a clip share one time and see each other: the generator that EvoSearch (2505.17618) was
 * proposed for, and on which linear search is all that Video-T1 can do. Seeded and resumable; `--seconds` stops early.
 *
 * One chunk becomes the whole clip, so that the mask is full attention; the weights are those of the causal model, the
 * learned position of a chunk repeated for each of the clip's chunks.
 */
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, Option } from "commander";
import { whole } from "../../cli/option-values.ts";
import { type CausalWan, modelOf } from "../../model/causal-wan.ts";
import { loadModel, saveModel } from "../../model/model-file.ts";
import { type Precision, setThreads, useDevice } from "../../tensor/device.ts";
import { packageRoot } from "../../tensor/package-root.ts";
import type { Tensor } from "../../tensor/tf.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { teacherForcing } from "../forcing/teacher-forcing.ts";
import { train } from "../trainer.ts";
import { evaluateModel } from "./evaluate.ts";
import { arm, clips, prompts, sampling } from "./mini.ts";

/** The same network over clips of `trainedChunks` chunks at once, with weights of its own. */
export function fullClip(model: CausalWan): CausalWan {
  const { chunkShape, trainedChunks } = model.config;
  const [frames, ...cell] = chunkShape;
  const config = {
    ...model.config,
    chunkShape: [frames * trainedChunks, ...cell] as unknown as typeof chunkShape,
    trainedChunks: 1,
  };
  const position = model.weights.get("chunk_position.weight");
  const tiled = position?.tile([trainedChunks, 1]);
  const weights = new Map<string, Tensor>(model.weights);
  if (tiled) weights.set("chunk_position.weight", tiled);
  try {
    return modelOf(config, model.textEncoder, weights);
  } finally {
    tiled?.dispose();
  }
}

interface FullClipOptions {
  readonly from: string;
  readonly steps: number;
  readonly seed: number;
  readonly precision: Precision;
  readonly threads: number;
  readonly seconds?: number;
  readonly out: string;
}

async function trainFullClip({
  from,
  steps,
  seed,
  precision,
  threads,
  seconds,
  out,
}: FullClipOptions): Promise<void> {
  await useDevice("auto");
  setThreads(threads);
  const codec = worldCodec();
  const causal = await loadModel(from);
  const model = fullClip(causal);
  causal.dispose();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  if (seconds) setTimeout(() => stop.abort(), 1000 * seconds).unref();
  const training = train(model, clips(seed + 2), {
    ...arm(teacherForcing(), steps),
    codec,
    seed: seed + 2,
    precision,
    checkpoint: { folder: join(dirname(out), "checkpoints"), every: 500, keep: 1 },
    signal: stop.signal,
  });
  for await (const { step, loss, secondsPerStep } of training) {
    console.log(`${step}/${steps} loss ${loss.toFixed(4)} ${Math.round(1000 * secondsPerStep)} ms/step`);
  }
  const recipe = `full clip, seed ${seed}: ${steps} steps from ${from}, batch 8, averaged weights`;
  await saveModel(training.averaged, out, {
    floats: "F16",
    notes: { name: "mini-full-clip", recipe },
  });
  for (const sampler of [sampling, { ...sampling, steps: 4, guidanceScale: 1 }]) {
    const options = { ...sampler, prompts: prompts.heldOut, chunks: 1, perPrompt: 4 };
    const { segments } = await evaluateModel(training.averaged, codec, options);
    console.log(JSON.stringify({ ...sampler, ...segments[0] }));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const program = new Command("full-clip.js")
    .description(
      "makes a bidirectional model of whole clips from a causal one; the same command goes on where it was stopped",
    )
    .showHelpAfterError()
    .option(
      "--from <file>",
      "the causal model",
      join(packageRoot, "data", "checkpoints", "mini-teacher-forcing.safetensors"),
    )
    .option("--steps <n>", "of fine-tuning", whole(1), 1500)
    .option("--seed <n>", "of clips and noise", whole(), 0)
    .addOption(
      new Option("--precision <name>", "of products").choices(["float32", "bf16"]).default("float32"),
    )
    .option("--threads <n>", "", whole(1), 1)
    .option("--seconds <n>", "stop after so long", whole(1))
    .option("--out <file>", "the model", join("data", "runs", "full-clip", "mini-full-clip.safetensors"))
    .action(trainFullClip);
  await program.parseAsync().catch((error: Error) => {
    console.error(error.name === "AbortError" ? "Stopped; run the same command to go on." : error.message);
    process.exitCode = 1;
  });
}
