/**
 * Claims 1-10, 12-14 and 17 of Video-T1 and EvoSearch at mini scale (11 is the toy, 8, 16 and 30 are exact and tested, 15
 * needs a larger trained model): measures what is missing, then judges.
 *
 *   node dist/src/search/experiments/claims.js [--weights FILE] [--rows FILE ...] [--prompts 20] [--seeds 5]
 *        [--setting clip|picture|"picture 64"|"full clip"|"full clip 32"|"full clip motion"] [--only LABEL] [--share 1/2] [--threads N] [--judge]
 *
 * The full clips need the weights of src/train/recipes/full-clip.ts, the others those of a causal model.
 *
 * --from N leaves out the first N prompts and --first-seed N starts at another seed: a fresh sample, to confirm what was found
 * on the first. --only runs the searches whose label begins so.
 *
 * Rows are appended to the first --rows file and taken up again from all of them; several processes take a share each, and
 * --judge reads the rows of all. Prompts are the nine held-out ones and training prompts spread over the scenes: search
 * does not train, so both are fair.
 */
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { whole } from "../../cli/option-values.ts";
import { loadModel } from "../../model/model-file.ts";
import { setThreads, useDevice } from "../../tensor/device.ts";
import { givenBytes } from "../../tensor/given-file.ts";
import { packageRoot } from "../../tensor/package-root.ts";
import { prompts as split } from "../../train/recipes/mini.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { type ClaimRow, claimRows } from "./claim-rows.ts";
import {
  clipSetting,
  fullClipSetting,
  largeFullClipSetting,
  largePictureSetting,
  motionFullClipSetting,
  pictureSetting,
} from "./claim-settings.ts";
import { judgeClaims } from "./claim-verdicts.ts";

/** Held-out prompts first, then training prompts, spread over the scenes; all differ. */
export function claimPrompts(count: number, from = 0): readonly string[] {
  const known = [1, 3, 5, 0, 2, 4, 6].flatMap((rest) => split.train.filter((_, i) => i % 7 === rest));
  return [...split.heldOut, ...known].slice(from, from + count);
}

function readRows(path: string): ClaimRow[] {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return text.split("\n").flatMap((line) => (line.endsWith("}") ? [JSON.parse(line) as ClaimRow] : []));
}

const settings = [
  clipSetting(),
  pictureSetting(),
  fullClipSetting(),
  largePictureSetting(),
  largeFullClipSetting(),
  motionFullClipSetting(),
];

interface ClaimsOptions {
  readonly weights: string;
  readonly rows: readonly string[];
  readonly prompts: number;
  readonly from: number;
  readonly seeds: number;
  readonly firstSeed: number;
  readonly only: string;
  readonly setting: readonly string[];
  readonly share: Share;
  readonly threads?: number;
  readonly judge: boolean;
}

interface Share {
  /** From 1. */
  readonly part: number;
  readonly of: number;
}

function share(text: string): Share {
  const [, part = 0, of = 0] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (part < 1 || part > of) throw new InvalidArgumentError("Give a part and their number, such as 1/2.");
  return { part, of };
}

async function measureAndJudge(options: ClaimsOptions): Promise<void> {
  const rows = options.rows.flatMap(readRows);
  if (!options.judge) {
    for await (const row of measured(rows, options)) {
      rows.push(row);
      appendFileSync(options.rows[0]!, `${JSON.stringify(row)}\n`);
    }
  }
  for (const { setting, claim, statement, verdict, estimate, low, high } of judgeClaims(rows)) {
    const numbers = `${estimate.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
    process.stdout.write(
      `${setting.padEnd(17)}${String(claim).padStart(2)} ${verdict.padEnd(12)} ${numbers}  ${statement}\n`,
    );
  }
}

/** Rows that are not there yet, one setting after the other. */
async function* measured(rows: readonly ClaimRow[], options: ClaimsOptions): AsyncGenerator<ClaimRow, void> {
  const { weights, only, firstSeed, share, threads } = options;
  await useDevice("auto");
  if (threads) setThreads(threads);
  const codec = worldCodec();
  const sha256 = createHash("sha256").update(givenBytes(weights, "measure claims")).digest("hex");
  const model = await loadModel(weights);
  mkdirSync(dirname(options.rows[0]!), { recursive: true });
  const prompts = claimPrompts(options.prompts, options.from).filter(
    (_, i) => i % share.of === share.part - 1,
  );
  const seeds = Array.from({ length: options.seeds }, (_, i) => firstSeed + i);
  for (const every of settings) {
    if (!options.setting.includes(every.name)) continue;
    const isFullClip = model.config.trainedChunks === 1;
    if (isFullClip !== every.name.startsWith("full clip")) {
      throw new RangeError(
        `Cannot measure the setting "${every.name}" with ${weights} as it needs a model of ${isFullClip ? "chunks" : "whole clips"}: this one generates ${model.chunkShape[0]} latent frames at once. Give other --weights or another --setting.`,
      );
    }
    const setting = { ...every, contenders: every.contenders.filter(({ label }) => label.startsWith(only)) };
    const stamp = { weights: sha256.slice(0, 12) };
    yield* claimRows(model, codec, setting, { prompts, seeds, done: rows, stamp });
  }
}

/** The command line. */
export function claimsProgram(): Command {
  const weights = join(packageRoot, "data", "checkpoints", "mini-teacher-forcing.safetensors");
  return new Command("claims.js")
    .description(
      "claims of Video-T1 and EvoSearch at mini scale; resumable, what is measured is not measured again",
    )
    .showHelpAfterError()
    .option("--weights <file>", "the model that is searched with", weights)
    .option("--rows <file...>", "rows are read from all and added to the first", [
      "data/runs/search-claims.jsonl",
    ])
    .option("--prompts <n>", "how many, the held-out ones first", whole(1), 20)
    .option("--from <n>", "prompts that are left out before them", whole(), 0)
    .option("--seeds <n>", "how many", whole(1), 5)
    .option("--first-seed <n>", "of them", whole(), 0)
    .option("--only <label>", "searches whose label begins so", "")
    .addOption(
      new Option("--setting <name...>", "what is searched")
        .choices(settings.map(({ name }) => name))
        .default(["clip", "picture"]),
    )
    .addOption(
      new Option("--share <part>", "of the prompts, for several processes")
        .argParser(share)
        .default({ part: 1, of: 1 }, "1/1"),
    )
    .option("--threads <n>", "(default: all cores)", whole(1))
    .option("--judge", "only read what was measured", false)
    .action(measureAndJudge);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await claimsProgram()
    .parseAsync()
    .catch((error: Error) => {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    });
}
