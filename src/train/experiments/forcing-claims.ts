/**
 * Claims 18 to 24 about Resampling Forcing (2512.15702) at mini scale, over training seeds:
 *
 *   node dist/src/train/experiments/forcing-claims.js [--from RUN] [--seeds 0,1,2] [--steps 500] [--batch 4]
 *     [--arms ...] [--per-prompt 3] [--threads n] [--runs FOLDER] [--judge]
 *
 * Resumable: what the run "forcing-claims" of this setting holds is not made again; --judge only reads it. RUN (default
 * mini-seed-0) has the warm-up, by id or name. Several processes may share the work by --seeds. Rollouts are free, of four
 * Euler steps without guidance. Effects are means over held-out prompts of means over seeds (and rollouts), with
 * hierarchical bootstrap intervals of 95 %.
 */
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { someOf, whole, wholes } from "../../cli/option-values.ts";
import { type Claim, claim, type Region } from "../../lab/claim.ts";
import { canonicalJson } from "../../lab/hash.ts";
import { openRun, type Run } from "../../lab/run.ts";
import { listRuns } from "../../lab/store.ts";
import { type Cell, hierarchicalBootstrap } from "../../metrics/statistics/bootstrap.ts";
import { hasBf16, setThreads, useDevice } from "../../tensor/device.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { window } from "../recipes/mini.ts";
import { continuedArms, measureForcings, type RolloutRow, trainedArms } from "./forcing-arms.ts";

/** A difference below this in world score does not matter. */
const margin = 0.03;

/** Verdicts over all rows of the run, stored in it; a claim whose arms are missing is left out. */
export async function judgeForcings(run: Run, { leastSeeds = 3 } = {}): Promise<Claim[]> {
  const rows = run.rows("rollout") as unknown as RolloutRow[];
  const verdicts: Claim[] = [];
  const find = (arm: string, history?: string) =>
    rows.filter((row) => row.arm === arm && (history === undefined || row.history === history));

  const decide = async (
    statement: string,
    needed: readonly (readonly RolloutRow[])[],
    cellOf: (value: (rows: readonly RolloutRow[], third: number) => number) => number,
    holds: Region,
    note?: string,
  ) => {
    const seeds = [...new Set(needed[0]!.map(({ seed }) => seed))].filter((seed) =>
      needed.every((some) => some.some((row) => row.seed === seed)),
    );
    if (seeds.length === 0) return;
    const cells: Cell[] = [];
    for (const seed of seeds) {
      for (const prompt of new Set(needed[0]!.map((row) => row.prompt))) {
        const value = (some: readonly RolloutRow[], third: number) =>
          mean(
            some
              .filter((row) => row.seed === seed && row.prompt === prompt && row.third === third)
              .map((row) => row.worldScore),
          );
        cells.push({ prompt, seed, value: cellOf(value) });
      }
    }
    verdicts.push(
      await claim(statement, {
        effect: hierarchicalBootstrap(cells),
        holds,
        seeds,
        leastSeeds,
        test: "world score, hierarchical bootstrap over held-out prompts and training seeds",
        runs: [run],
        ...(note !== undefined && { note }),
      }),
    );
  };

  const teacher = find("teacher-forcing");
  const resampled = find("resampling-forcing", window.name);
  const parallel = find("parallel-resampling");
  const noisy = find("noise-augmentation");
  await decide(
    "18: teacher forcing decays from the first third to the last",
    [teacher],
    (at) => at(teacher, 0) - at(teacher, 2),
    { atLeast: 0 },
  );
  await decide(
    "18: resampling forcing loses less than half of what teacher forcing loses",
    [teacher, resampled],
    (at) => 0.5 * (at(teacher, 0) - at(teacher, 2)) - (at(resampled, 0) - at(resampled, 2)),
    { atLeast: 0 },
  );
  const late = (statement: string, better: readonly RolloutRow[], worse: readonly RolloutRow[], least = 0) =>
    decide(statement, [better, worse], (at) => at(better, 2) - at(worse, 2), { atLeast: least });
  await late("19: autoregressive above parallel resampling in the last third", resampled, parallel);
  await late("19: parallel resampling above noise augmentation in the last third", parallel, noisy);
  await late("19: noise augmentation above teacher forcing in the last third", noisy, teacher);
  await late("19: resampling forcing above teacher forcing in the last third", resampled, teacher);
  await late("20: shift .6 above shift .1 in the last third", resampled, find("shift-0.1"));
  await late("20: shift .6 above shift 3 in the last third", resampled, find("shift-3"));
  const [five, one, recent] = ["routing 5", "routing 1", "window 1"].map((name) =>
    find("resampling-forcing", name),
  );
  await late(`21: routing to 5 chunks is at most ${margin} below the window of 7`, five!, resampled, -margin);
  await late("21: routing to 5 chunks above routing to 1", five!, one!);
  await late("21: routing to 1 chunk above a window of 1", one!, recent!);
  await late(
    `21: the routed arm is at most ${margin} below the dense one`,
    find("routed-resampling-forcing"),
    resampled,
    -margin,
  );
  await decide(
    `23: early quality of resampling forcing is at most ${margin} below teacher forcing`,
    [resampled, teacher],
    (at) => at(resampled, 0) - at(teacher, 0),
    { atLeast: -margin },
  );
  await late(
    "24: long clips improve the last third over as many more steps on short ones",
    find("long-clips", "window 15"),
    find("short-clips", window.name),
  );

  const overSeeds = async (
    statement: string,
    values: readonly (readonly [seed: number, value: number])[],
    holds: Region,
    test: string,
  ) => {
    if (values.length < 2) return;
    verdicts.push(
      await claim(statement, {
        effect: hierarchicalBootstrap(values.map(([seed, value]) => ({ prompt: seed, seed, value }))),
        holds,
        seeds: values.map(([seed]) => seed),
        leastSeeds,
        test,
        runs: [run],
      }),
    );
  };
  const shares = run.rows("routing");
  for (const chunk of ["first", "newest"] as const) {
    await overSeeds(
      `22: the ${chunk} chunk is picked more often than by chance`,
      shares.map((row) => [row["seed"] as number, (row[chunk] as number) - (row["chance"] as number)]),
      { atLeast: 0 },
      "share of queries at the 21st chunk minus chance, bootstrap over seeds",
    );
  }
  const stepTime = (arm: string, seed: number) =>
    median(
      run
        .rows("train")
        .filter((row) => row["stage"] === `${arm}, seed ${seed}`)
        .map((row) => row["secondsPerStep"] as number),
    );
  const ratios = [...new Set(resampled.map(({ seed }) => seed))]
    .map((seed) => [seed, stepTime("resampling-forcing", seed) / stepTime("teacher-forcing", seed)] as const)
    .filter(([, ratio]) => Number.isFinite(ratio));
  await overSeeds(
    "23: a step of resampling forcing costs at most three of teacher forcing",
    ratios,
    { atMost: 3 },
    "ratio of median step times, bootstrap over seeds",
  );
  return verdicts;
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

interface ForcingClaimsOptions {
  readonly from: string;
  readonly seeds: readonly number[];
  readonly steps: number;
  readonly batch: number;
  readonly arms: readonly string[];
  readonly perPrompt: number;
  readonly threads?: number;
  readonly runs?: string;
  readonly judge: boolean;
}

async function measureAndJudge(values: ForcingClaimsOptions): Promise<void> {
  const root = values.runs === undefined ? {} : { root: values.runs };
  const from = listRuns(root)
    .filter(({ id, name }) => id === values.from || name === values.from)
    .at(-1);
  if (!from) {
    throw new RangeError(
      `Cannot start from the warm-up of "${values.from}" as there is no such run. Make it: node dist/src/train/recipes/main.js mini.`,
    );
  }
  await useDevice("auto");
  if (values.threads) setThreads(values.threads);
  const { steps, batch: batchSize, perPrompt } = values;
  const config = { from: from.id, steps, batchSize, perPrompt };
  const run =
    listRuns({ ...root, name: "forcing-claims" }).find(
      (some) => canonicalJson(some.config) === canonicalJson(config),
    ) ?? (await openRun("forcing-claims", config, root));
  if (!values.judge) {
    const stop = new AbortController();
    process.once("SIGINT", () => stop.abort());
    await measureForcings(run, {
      codec: worldCodec(),
      from,
      modelSeed: Number((from.config as { seed?: number }).seed ?? 0),
      seeds: values.seeds,
      names: values.arms,
      steps,
      batchSize,
      perPrompt,
      ...(hasBf16() && { precision: "bf16" }),
      signal: stop.signal,
      onRow: (stage, { step, steps: all, loss, secondsPerStep }) =>
        process.stdout.write(
          `${stage} ${step}/${all} loss ${loss.toFixed(4)} ${Math.round(1000 * secondsPerStep)} ms/step\n`,
        ),
    });
  }
  for (const { statement, verdict, estimate, low, high, seeds } of await judgeForcings(run)) {
    process.stdout.write(
      `${verdict.padEnd(12)} ${estimate.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}] ${seeds.length} seeds  ${statement}\n`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const names = [...Object.keys(trainedArms), ...Object.keys(continuedArms)];
  const program = new Command("forcing-claims.js")
    .description("claims 18 to 24 over training seeds; resumable, what is measured is not measured again")
    .showHelpAfterError()
    .option("--from <run>", "run with the warm-up, by id or name", "mini-seed-0")
    .option("--seeds <list>", "training seeds", wholes, [0, 1, 2])
    .option("--steps <n>", "of each arm", whole(1), 500)
    .option("--batch <n>", "clips a step", whole(1), 4)
    .option("--arms <names>", "what to train", someOf(names), names)
    .option("--per-prompt <n>", "rollouts of each held-out prompt", whole(1), 3)
    .option("--threads <n>", "(default: all cores)", whole(1))
    .option("--runs <folder>", "run store (default: data/runs)")
    .option("--judge", "only read what was measured", false)
    .action(measureAndJudge);
  await program.parseAsync().catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
