/**
 * How often the shipped models do what held-out prompts ask, on fresh noise:
 *
 *   node dist/src/train/recipes/obedience.js [NAME ...] [--per-prompt 20] [--seed 7000] [--chunks 8] [--threads n]
 *
 * One line of JSON a model: shares of rollouts over all prompts (each segment of the training length by itself), and
 * the share by prompt in the first. Sampled as the manifest says. The recipe's own evaluation has six rollouts a
 * prompt and other seeds.
 */
import { parseArgs } from "node:util";
import { worldScore } from "../../metrics/world-score.ts";
import { pretrained, shippedModels } from "../../model/model-file.ts";
import { setThreads, useDevice } from "../../tensor/device.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { clip } from "../../video/video.ts";
import { evaluateModel } from "./evaluate.ts";
import { prompts, trainedChunks, window } from "./mini.ts";

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "per-prompt": { type: "string", default: "20" },
      seed: { type: "string", default: "7000" },
      chunks: { type: "string", default: String(trainedChunks) },
      threads: { type: "string" },
    },
  });
  const [perPrompt, seed, chunks] = [values["per-prompt"], values.seed, values.chunks].map(Number) as [
    number,
    number,
    number,
  ];
  if (
    !(Number.isInteger(perPrompt) && perPrompt > 0 && Number.isInteger(chunks) && chunks >= trainedChunks)
  ) {
    throw new RangeError(
      `Cannot measure with --per-prompt ${values["per-prompt"]} --chunks ${values.chunks}. Give whole numbers, of at least ${trainedChunks} chunks.`,
    );
  }
  await useDevice("auto");
  if (values.threads) setThreads(Number(values.threads));
  const codec = worldCodec();
  const shipped = await shippedModels();
  for (const name of positionals.length > 0 ? positionals : shipped.map((model) => model.name)) {
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
    process.stdout.write(`${JSON.stringify({ name, sampling, perPrompt, seed, segments, byPrompt })}\n`);
    model.dispose();
  }
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
