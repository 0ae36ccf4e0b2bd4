/**
 * What VBench's leaderboard takes: a zip of eval-results files at its root, one a dimension. Reading follows the official
 * scorer: every `.json` at the root or one folder down, names that begin with "." or "__" skipped, files whose top level
 * is no object (the lists of `_full_info.json`) skipped, element 0 of each entry, a later file wins. Where the scorer
 * takes a missing dimension for 0, it stays missing here, and a submission without it is refused.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { givenBytes } from "../../tensor/given-file.ts";
import { vbenchKeys } from "./constants.ts";
import {
  mergeResults,
  readEvalResults,
  type VbenchPrompt,
  type VbenchResults,
  writeEvalResults,
  writeFullInfo,
} from "./result-files.ts";
import { missingOf } from "./totals.ts";
import { readZip, writeZip, type ZipEntry } from "./zip-file.ts";

export interface SubmissionOptions {
  /** Stamped into file names; no colons, so that the files exist on Windows too. Default: now, UTC. */
  readonly time?: string;
  readonly prompts?: readonly VbenchPrompt[];
}

type Measured = Pick<VbenchResults, "raw" | "perVideo">;

/** @throws RangeError while a dimension is missing: the scorer would silently take 0, and submissions cannot be undone. */
function submissionFiles(results: Measured, { time, prompts }: SubmissionOptions): readonly ZipEntry[] {
  const missing = missingOf(vbenchKeys, results.raw);
  if (missing.length > 0) {
    throw new RangeError(
      `Cannot write a submission without ${missing.join(", ")}: the leaderboard would count 0 for them. Measure or import them first.`,
    );
  }
  const stamp = (time ?? new Date().toISOString().slice(0, 19)).replaceAll(":", "-");
  const file = (name: string, text: string): ZipEntry => ({
    name: `results_${stamp}_${name}.json`,
    data: Buffer.from(text),
  });
  const dimensions = vbenchKeys.map((key) =>
    file(
      `${key}_eval_results`,
      writeEvalResults({
        raw: { [key]: results.raw[key] },
        perVideo: { [key]: results.perVideo[key] ?? [] },
      }),
    ),
  );
  return prompts ? [...dimensions, file("full_info", writeFullInfo(prompts))] : dimensions;
}

/**
 * Writes the folder whose contents (not the folder itself) are zipped and submitted: one eval-results file a dimension.
 * @returns the names of the files written.
 * @throws RangeError while a dimension is missing
 */
export async function writeSubmission(
  folder: string,
  results: Measured,
  options: SubmissionOptions = {},
): Promise<string[]> {
  const files = submissionFiles(results, options);
  await mkdir(folder, { recursive: true });
  for (const { name, data } of files) await writeFile(join(folder, name), data);
  return files.map(({ name }) => name);
}

/**
 * Writes the zip to upload. The same results and time give the same bytes.
 * @returns the names of the files in it.
 * @throws RangeError while a dimension is missing
 * @example await writeSubmissionZip("my-model.zip", mergeResults(parts));
 */
export async function writeSubmissionZip(
  path: string,
  results: Measured,
  options: SubmissionOptions = {},
): Promise<string[]> {
  const files = submissionFiles(results, options);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, writeZip(files));
  return files.map(({ name }) => name);
}

/** Results of a submission's files, as the official scorer reads them. @throws TypeError when none of them is a result file. */
export function readSubmission(files: readonly ZipEntry[], name = "the submission"): VbenchResults {
  const notes: string[] = [];
  const parts: VbenchResults[] = [];
  for (const file of files) {
    const path = file.name.split("/");
    const isSkipped = path.some((part) => part.startsWith(".") || part.startsWith("__"));
    if (isSkipped || !file.name.endsWith(".json")) continue;
    if (path.length > 2) {
      notes.push(`Ignored ${file.name}: the scorer looks at the root and one folder down.`);
      continue;
    }
    const value = parsed(file);
    if (value === undefined) notes.push(`Ignored ${file.name}: it is not JSON.`);
    else if (!Array.isArray(value)) parts.push(readEvalResults(value, `${name}, ${file.name}`));
  }
  if (parts.length === 0) {
    throw new TypeError(
      `Cannot read ${name} as a VBench submission: none of its ${files.length} files holds results at the root or one folder down. Zip the contents of the results folder.`,
    );
  }
  const merged = mergeResults(parts);
  return { ...merged, notes: [...notes, ...merged.notes] };
}

/** @throws TypeError for what is no zip, or no submission */
export async function loadSubmissionZip(path: string): Promise<VbenchResults> {
  return readSubmission(readZip(givenBytes(path, "load a VBench submission"), path), path);
}

function parsed(file: ZipEntry): unknown {
  try {
    return JSON.parse(
      Buffer.from(file.data)
        .toString("utf8")
        .replace(/^\uFEFF/, ""),
    );
  } catch {
    return undefined;
  }
}
