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
import { parseArgs } from "node:util";
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

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      from: {
        type: "string",
        default: join(packageRoot, "data", "checkpoints", "mini-teacher-forcing.safetensors"),
      },
      steps: { type: "string", default: "1500" },
      seed: { type: "string", default: "0" },
      precision: { type: "string", default: "float32" },
      threads: { type: "string", default: "1" },
      seconds: { type: "string" },
      out: { type: "string", default: join("data", "runs", "full-clip", "mini-full-clip.safetensors") },
    },
  });
  await useDevice("auto");
  setThreads(Number(values.threads));
  const [steps, seed] = [Number(values.steps), Number(values.seed)];
  const codec = worldCodec();
  const causal = await loadModel(values.from);
  const model = fullClip(causal);
  causal.dispose();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  if (values.seconds) setTimeout(() => stop.abort(), 1000 * Number(values.seconds)).unref();
  const training = train(model, clips(seed + 2), {
    ...arm(teacherForcing(), steps),
    codec,
    seed: seed + 2,
    precision: values.precision as Precision,
    checkpoint: { folder: join(dirname(values.out), "checkpoints"), every: 500, keep: 1 },
    signal: stop.signal,
  });
  for await (const { step, loss, secondsPerStep } of training) {
    console.log(`${step}/${steps} loss ${loss.toFixed(4)} ${Math.round(1000 * secondsPerStep)} ms/step`);
  }
  const recipe = `full clip, seed ${seed}: ${steps} steps from ${values.from}, batch 8, averaged weights`;
  await saveModel(training.averaged, values.out, {
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
  await main().catch((error: Error) => {
    console.error(error.name === "AbortError" ? "Stopped; run the same command to go on." : error.message);
    process.exitCode = 1;
  });
}
