/**
 * How often the shipped models do what held-out prompts ask, on fresh noise:
 *
 *   node dist/src/train/recipes/obedience.js [NAME ...] [--per-prompt 20] [--seed 7000] [--chunks 8] [--threads n]
 *     [--cache-precision bf16]
 *
 * One line of JSON a model: shares of rollouts over all prompts (each segment of the training length by itself), and
 * the share by prompt in the first. Sampled as the manifest says. The recipe's own evaluation has six rollouts a
 * prompt and other seeds.
 */
import { Command, Option } from "commander";
import { whole } from "../../cli/option-values.ts";
import { worldScore } from "../../metrics/world-score.ts";
import { pretrained, shippedModels } from "../../model/model-file.ts";
import { type Precision, setThreads, useDevice } from "../../tensor/device.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { clip } from "../../video/video.ts";
import { evaluateModel } from "./evaluate.ts";
import { prompts, trainedChunks, window } from "./mini.ts";

interface ObedienceOptions {
  readonly perPrompt: number;
  readonly seed: number;
  readonly chunks: number;
  readonly threads?: number;
  readonly cachePrecision: Precision;
}

async function obedience(names: readonly string[], options: ObedienceOptions): Promise<void> {
  const { perPrompt, seed, chunks, threads, cachePrecision } = options;
  await useDevice("auto");
  if (threads) setThreads(threads);
  const codec = worldCodec();
  const shipped = await shippedModels();
  for (const name of names.length > 0 ? names : shipped.map((model) => model.name)) {
    const model = await pretrained(name);
    const { sampling, topK } = shipped.find((one) => one.name === name)!;
    const { segments, videos } = await evaluateModel(model, codec, {
      ...sampling,
      ...(topK === undefined
        ? { history: window }
        : { history: model.historyPolicy, maxDistance: trainedChunks - 1 }),
      prompts: prompts.heldOut,
      perPrompt,
      seed,
      chunks,
      cachePrecision,
    });
    const right = videos.map((video, i) => {
      const prompt = prompts.heldOut[Math.floor(i / perPrompt)]!;
      const first = clip(video, 0, video.numFrames / (chunks / trainedChunks));
      const { correct } = worldScore(first, prompt);
      return { prompt, right: correct.object && correct.colour && correct.motion };
    });
    const byPrompt = Object.fromEntries(
      prompts.heldOut.map((prompt) => {
        const rows = right.filter((row) => row.prompt === prompt);
        return [prompt, rows.filter((row) => row.right).length / rows.length];
      }),
    );
    process.stdout.write(
      `${JSON.stringify({ name, sampling, cachePrecision, perPrompt, seed, segments, byPrompt })}\n`,
    );
    model.dispose();
  }
}

const program = new Command("obedience.js")
  .description(
    "how often shipped models do what held-out prompts ask, on fresh noise; one line of JSON a model",
  )
  .showHelpAfterError()
  .argument("[model...]", "names of shipped models (default: all)")
  .option("--per-prompt <n>", "rollouts of each prompt", whole(1), 20)
  .option("--seed <n>", "of the noise", whole(), 7000)
  .option("--chunks <n>", `length, at least ${trainedChunks}`, whole(trainedChunks), trainedChunks)
  .option("--threads <n>", "(default: all cores)", whole(1))
  .addOption(
    new Option("--cache-precision <type>", "how keys and values of finished chunks are kept")
      .choices(["float32", "bf16"])
      .default("float32"),
  )
  .action(obedience);

program.parseAsync().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
