/**
 * VBench's own files, in and out: `results_<time>_eval_results.json` ({dimension: [aggregate, [per video]]}),
 * `..._full_info.json` (prompt records). What is zipped of them for the leaderboard is in submission.ts.
 */
import { givenText } from "../../tensor/given-file.ts";
import { type VbenchKey, vbenchKey, vbenchKeys } from "./constants.ts";

/** One entry of a dimension's list; extra counts differ by dimension and are kept as they are. */
export interface VbenchVideoResult {
  readonly video_path: string;
  readonly video_results: number | boolean;
  readonly [extra: string]: unknown;
}

export interface VbenchResults {
  /** Aggregates as fractions. */
  readonly raw: { readonly [D in VbenchKey]?: number };
  readonly perVideo: { readonly [D in VbenchKey]?: readonly VbenchVideoResult[] };
  /** What was converted or left out. */
  readonly notes: readonly string[];
}

/** One record of `VBench_full_info.json`. */
export interface VbenchPrompt {
  readonly prompt_en: string;
  readonly dimension: readonly string[];
  readonly auxiliary_info?: { readonly [key: string]: unknown };
  readonly video_list?: readonly string[];
}

/** Reads one parsed eval-results object. @throws TypeError when it is not one. */
export function readEvalResults(value: unknown, name = "the results"): VbenchResults {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(
      `Cannot read ${name} as VBench results: the top level must be an object of dimensions, got ${Array.isArray(value) ? "a list (a _full_info.json?)" : typeof value}. Give the _eval_results.json.`,
    );
  }
  const raw: { [D in VbenchKey]?: number } = {};
  const perVideo: { [D in VbenchKey]?: readonly VbenchVideoResult[] } = {};
  const notes: string[] = [];
  for (const [label, entry] of Object.entries(value)) {
    const key = vbenchKey(label);
    if (!key) {
      notes.push(`Ignored "${label}": not one of the sixteen dimensions.`);
      continue;
    }
    const aggregate: unknown = Array.isArray(entry) ? entry[0] : entry;
    if (typeof aggregate !== "number" || !Number.isFinite(aggregate)) {
      notes.push(`Ignored ${key}: its aggregate is ${JSON.stringify(aggregate)}, not a number.`);
      continue;
    }
    raw[key] = aggregate;
    if (aggregate > 1.5) {
      raw[key] = aggregate / 100;
      notes.push(`Read ${key} ${aggregate} as percent (imaging quality was 0-100 before 2024).`);
    }
    if (Array.isArray(entry) && Array.isArray(entry[1])) perVideo[key] = entry[1] as VbenchVideoResult[];
  }
  return { raw, perVideo, notes };
}

/** Several runs (usually one a dimension) as one; a later file wins, as the official scorer has it. */
export function mergeResults(parts: readonly VbenchResults[]): VbenchResults {
  return {
    raw: Object.assign({}, ...parts.map((p) => p.raw)),
    perVideo: Object.assign({}, ...parts.map((p) => p.perVideo)),
    notes: parts.flatMap((p) => p.notes),
  };
}

export async function loadEvalResults(path: string): Promise<VbenchResults> {
  const text = givenText(path, "load VBench results");
  try {
    return readEvalResults(JSON.parse(text), path);
  } catch (cause) {
    if (cause instanceof TypeError) throw cause;
    throw new SyntaxError(`Cannot read ${path}: it is not JSON. Give a VBench _eval_results.json.`, {
      cause,
    });
  }
}

/** The official layout: `{dimension: [aggregate, [...]]}`, indent 4. */
export function writeEvalResults({ raw, perVideo }: Pick<VbenchResults, "raw" | "perVideo">): string {
  const known = vbenchKeys.filter((key) => raw[key] !== undefined);
  return `${JSON.stringify(Object.fromEntries(known.map((key) => [key, [raw[key], perVideo[key] ?? []]])), null, 4)}\n`;
}

/** Prompt records. @throws TypeError naming the first record that is not one. */
export function readFullInfo(value: unknown, name = "the file"): VbenchPrompt[] {
  if (!Array.isArray(value))
    throw new TypeError(`Cannot read ${name} as VBench prompts: the top level must be a list.`);
  value.forEach((record: Partial<VbenchPrompt> | null, i) => {
    if (typeof record?.prompt_en !== "string" || !Array.isArray(record.dimension)) {
      throw new TypeError(
        `Cannot read ${name}: record ${i} lacks prompt_en or dimension. Give a VBench_full_info.json.`,
      );
    }
  });
  return value as VbenchPrompt[];
}

export function writeFullInfo(prompts: readonly VbenchPrompt[]): string {
  return `${JSON.stringify(prompts, null, 4)}\n`;
}
