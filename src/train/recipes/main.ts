/**
 * `node dist/src/train/recipes/main.js mini [options]`: makes the shipped checkpoints, seeded and resumable: the same
 * command goes on where it was stopped or killed. Curves ("train"), evaluations ("evaluation", one row per segment of the
 * rollouts) and checkpoints are kept in one run of the store, named after the recipe and its seed.
 */
import { parseArgs } from "node:util";
import { canonicalJson } from "../../lab/hash.ts";
import { openRun, type Run } from "../../lab/run.ts";
import { listRuns } from "../../lab/store.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { device, hasBf16, type Precision, setThreads, useDevice } from "../../tensor/device.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import type { TrainRow } from "../trainer.ts";
import { evaluateModel, type SegmentEvaluation } from "./evaluate.ts";
import { arm, armSteps, arms, clips, prompts, sampling, trainedChunks, warmup, warmupSteps } from "./mini.ts";
import { ship } from "./ship.ts";
import { averagedAfter, startFrom, trainStage } from "./stage.ts";

const usage = `Usage: main.js mini [--arms ${Object.keys(arms).join(",")}]
  [--warmup ${warmupSteps}] [--steps ${armSteps}] [--seed 0] [--precision bf16|float32] [--threads n] [--runs FOLDER] [--ship]
The precision is bf16 where the CPU has it.
Arms not named are left for later: the command may be repeated with others.`;

/** The samplers that every arm is evaluated with: as shipped, and cheap enough for errors to add up. */
const evaluations = [sampling, { ...sampling, steps: 4, guidanceScale: 1 }] as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      arms: { type: "string", default: Object.keys(arms).join(",") },
      warmup: { type: "string", default: String(warmupSteps) },
      steps: { type: "string", default: String(armSteps) },
      seed: { type: "string", default: "0" },
      precision: { type: "string" },
      threads: { type: "string" },
      runs: { type: "string" },
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
  const [seed, first, steps] = [values.seed, values.warmup, values.steps].map(Number) as [
    number,
    number,
    number,
  ];
  const codec = worldCodec();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const precision = (values.precision ?? (hasBf16() ? "bf16" : "float32")) as Precision;
  const common = { codec, precision, signal: stop.signal };
  const run = await recipeRun(
    `mini-seed-${seed}`,
    { recipe: "mini", seed, warmup: first, steps, precision },
    values.runs,
  );
  console.log(`run ${run.id}`);

  const base = CausalWan.mini({ codec, seed });
  await follow(trainStage(run, base, clips(seed), { ...warmup(first), ...common, seed, stage: "warmup" }));
  base.dispose();
  for (const name of wanted) {
    const { forcing, history } = arms[name]!();
    const model = CausalWan.mini({ codec, seed, ...(history && { history }) });
    await startFrom(model, run, "warmup");
    const options = { ...arm(forcing, steps), ...common, seed: seed + 1, stage: name };
    await follow(trainStage(run, model, clips(seed + 1), options), name);
    const averaged = await averagedAfter(model, run, name);
    const shown: SegmentEvaluation[][] = [];
    for (const sampler of evaluations) {
      const { segments } = await evaluateModel(averaged, codec, {
        ...sampler,
        ...(history && { history, maxDistance: trainedChunks - 1 }),
        prompts: prompts.heldOut,
        chunks: 3 * trainedChunks,
        perPrompt: 6,
        signal: stop.signal,
      });
      for (const segment of segments) {
        run.append("evaluation", { arm: name, ...sampler, ...segment });
        console.log(name, JSON.stringify({ ...sampler, ...segment }));
      }
      shown.push([...segments]);
    }
    if (values.ship) {
      await ship(averaged, {
        name: `mini-${name}`,
        forcing: forcing.name,
        recipe: `mini, seed ${seed}: ${first} steps of teacher forcing, ${steps} of ${forcing.name}${history ? ` under ${history.name}` : ""}, batch 8, averaged weights`,
        codec,
        sampling,
        ...(history && { topK: history.topK }),
        evaluation: manifestLine(shown[0]!),
      });
      console.log(`shipped mini-${name}`);
    }
    averaged.dispose();
    model.dispose();
  }
  const done = new Set(run.rows("evaluation").map((row) => row["arm"]));
  if (run.status() === "running" && Object.keys(arms).every((name) => done.has(name))) run.finish();
}

/** The run with this configuration that is not finished yet, or a new one. */
async function recipeRun(name: string, config: object, root: string | undefined): Promise<Run> {
  const options = root === undefined ? {} : { root };
  const same = listRuns({ ...options, name }).find(
    (run) => run.status() === "running" && canonicalJson(run.config) === canonicalJson(config),
  );
  return same ?? openRun(name, config, options);
}

async function follow(training: AsyncGenerator<TrainRow>, stage = "warmup"): Promise<void> {
  for await (const { step, steps, loss, secondsPerStep, etaSeconds } of training) {
    console.log(
      `${stage} ${step}/${steps} loss ${loss.toFixed(4)} ${Math.round(1000 * secondsPerStep)} ms/step, ${Math.round(etaSeconds)} s left`,
    );
  }
}

function manifestLine(segments: readonly SegmentEvaluation[]): Record<string, number> {
  return Object.fromEntries([
    ...segments.flatMap(({ segment, objectColourMotion, all, worldScore }) => [
      [`objectColourMotion${segment + 1}`, round(objectColourMotion)],
      [`all${segment + 1}`, round(all)],
      [`worldScore${segment + 1}`, round(worldScore)],
    ]),
    ["rollouts", segments[0]!.rollouts],
  ]);
}

const round = (x: number) => Math.round(1000 * x) / 1000;

main().catch((error: Error) => {
  console.error(error.name === "AbortError" ? "Stopped; run the same command to go on." : error.message);
  process.exitCode = 1;
});
