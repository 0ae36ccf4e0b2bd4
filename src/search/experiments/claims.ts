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
import { parseArgs } from "node:util";
import { loadModel } from "../../model/model-file.ts";
import { setThreads, useDevice } from "../../tensor/device.ts";
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

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      weights: {
        type: "string",
        default: join(packageRoot, "data", "checkpoints", "mini-teacher-forcing.safetensors"),
      },
      rows: { type: "string", multiple: true, default: ["data/runs/search-claims.jsonl"] },
      prompts: { type: "string", default: "20" },
      from: { type: "string", default: "0" },
      seeds: { type: "string", default: "5" },
      "first-seed": { type: "string", default: "0" },
      only: { type: "string", default: "" },
      setting: { type: "string", multiple: true, default: ["clip", "picture"] },
      share: { type: "string", default: "1/1" },
      threads: { type: "string" },
      judge: { type: "boolean", default: false },
    },
  });
  const [target = ""] = values.rows;
  const rows = values.rows.flatMap(readRows);
  if (!values.judge) {
    await useDevice("auto");
    if (values.threads) setThreads(Number(values.threads));
    const codec = worldCodec();
    const sha256 = createHash("sha256").update(readFileSync(values.weights)).digest("hex");
    const model = await loadModel(values.weights);
    mkdirSync(dirname(target), { recursive: true });
    const [part = 1, parts = 1] = values.share.split("/").map(Number);
    const prompts = claimPrompts(Number(values.prompts), Number(values.from)).filter(
      (_, i) => i % parts === part - 1,
    );
    const firstSeed = Number(values["first-seed"]);
    const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => firstSeed + i);
    const settings = [
      clipSetting(),
      pictureSetting(),
      fullClipSetting(),
      largePictureSetting(),
      largeFullClipSetting(),
      motionFullClipSetting(),
    ];
    for (const every of settings) {
      if (!values.setting.includes(every.name)) continue;
      const isFullClip = model.config.trainedChunks === 1;
      if (isFullClip !== every.name.startsWith("full clip")) {
        throw new RangeError(
          `Cannot measure the setting "${every.name}" with ${values.weights} as it needs a model of ${isFullClip ? "chunks" : "whole clips"}: this one generates ${model.chunkShape[0]} latent frames at once. Give other --weights or another --setting.`,
        );
      }
      const setting = {
        ...every,
        contenders: every.contenders.filter(({ label }) => label.startsWith(values.only)),
      };
      const options = { prompts, seeds, done: rows, stamp: { weights: sha256.slice(0, 12) } };
      for await (const row of claimRows(model, codec, setting, options)) {
        rows.push(row);
        appendFileSync(target, `${JSON.stringify(row)}\n`);
      }
    }
  }
  for (const { setting, claim, statement, verdict, estimate, low, high } of judgeClaims(rows)) {
    const numbers = `${estimate.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}]`;
    process.stdout.write(
      `${setting.padEnd(17)}${String(claim).padStart(2)} ${verdict.padEnd(12)} ${numbers}  ${statement}\n`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  await main().catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
}
