/**
 * `node dist/src/train/recipes/main.js mini [options]` (`--help` lists them): makes the shipped checkpoints, seeded and resumable: the same
 * command goes on where it was stopped or killed. Curves ("train"), evaluations ("evaluation", one row per segment of the
 * rollouts) and checkpoints are kept in one run of the store, named after the recipe and its seed.
 */
import { Command, Option } from "commander";
import { someOf, whole } from "../../cli/option-values.ts";
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

/** The samplers that every arm is evaluated with: as shipped, and cheap enough for errors to add up. */
const evaluations = [sampling, { ...sampling, steps: 4, guidanceScale: 1 }] as const;

interface RecipeOptions {
  readonly arms: readonly string[];
  readonly warmup: number;
  readonly steps: number;
  readonly seed: number;
  readonly precision?: Precision;
  readonly threads?: number;
  readonly runs?: string;
  readonly ship: boolean;
}

async function mini({ arms: wanted, seed, warmup: first, steps, ...values }: RecipeOptions): Promise<void> {
  await useDevice("auto");
  if (values.threads) setThreads(values.threads);
  console.log(device().why);
  const codec = worldCodec();
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  const precision = values.precision ?? (hasBf16() ? "bf16" : "float32");
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

const program = new Command("main.js")
  .description("makes shipped checkpoints by a seeded recipe")
  .showHelpAfterError();
program
  .command("mini")
  .description("the mini models of single objects; the same command goes on where it was stopped or killed")
  .option(
    "--arms <names>",
    "arms to train; others may follow later by the same command",
    someOf(Object.keys(arms)),
    Object.keys(arms),
  )
  .option("--warmup <steps>", "steps of teacher forcing before the arms", whole(1), warmupSteps)
  .option("--steps <steps>", "steps of each arm", whole(1), armSteps)
  .option("--seed <n>", "of weights, clips and noise", whole(), 0)
  .addOption(
    new Option("--precision <name>", "of products (default: bf16 where the CPU has it)").choices([
      "bf16",
      "float32",
    ]),
  )
  .option("--threads <n>", "(default: all cores)", whole(1))
  .option("--runs <folder>", "run store (default: data/runs)")
  .option("--ship", "put the models among the shipped checkpoints", false)
  .action(mini);

program.parseAsync().catch((error: Error) => {
  console.error(error.name === "AbortError" ? "Stopped; run the same command to go on." : error.message);
  process.exitCode = 1;
});
