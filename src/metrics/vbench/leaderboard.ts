/**
 * Rows of numbers: a leaderboard CSV (one model a row, a header of VBench's keys, percent or fractions) or an official
 * JSON, to totals with the linter's findings. What `zoetrope vbench score FILE` prints.
 */
import { basename } from "node:path";
import { givenBytes } from "../../tensor/given-file.ts";
import { type VbenchKey, vbenchKey, vbenchKeys } from "./constants.ts";
import { parseCsv, writeCsv } from "./csv.ts";
import { type LintFinding, lintVbench } from "./lint.ts";
import { readEvalResults } from "./result-files.ts";
import { readSubmission } from "./submission.ts";
import { missingOf, type Raw, type VbenchTotals, vbenchTotals } from "./totals.ts";
import { readZip } from "./zip-file.ts";

export interface LeaderboardRow {
  readonly model: string;
  /** Fractions. */
  readonly raw: Raw<VbenchKey>;
  /** Printed totals, fractions. */
  readonly printed: Partial<VbenchTotals>;
  /** Half a unit of the last printed digit, as a fraction. */
  readonly halfUnit: number;
  /** Findings made while reading (units, fields that are no numbers). */
  readonly findings: readonly LintFinding[];
}

export interface ScoredRow {
  readonly model: string;
  /** Percent; null while a dimension is missing. */
  readonly quality: number | null;
  readonly semantic: number | null;
  readonly total: number | null;
  readonly lint: readonly LintFinding[];
}

const modelColumns = ["model", "model_name", "name", "method"];

function totalKey(name: string): keyof VbenchTotals | undefined {
  const key = name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, "_")
    .replace(/_score$/, "");
  return key === "quality" || key === "semantic" || key === "total" ? key : undefined;
}

interface Cell {
  readonly value: number;
  readonly decimals: number;
  readonly marked: boolean;
}

/** "97.37", "97.37%", "07.80 %", "0.9737"; undefined for "", "-", "N/A"; NaN value for anything else. */
function readCell(text: string): Cell | undefined {
  const bare = text.trim();
  if (bare === "" || /^(-+|n\/?a|nan|null|none|–|—)$/i.test(bare)) return undefined;
  const match = /^([+-]?\d*\.?\d+(?:e[+-]?\d+)?)\s*(%?)$/i.exec(bare);
  if (!match) return { value: Number.NaN, decimals: 0, marked: false };
  const decimals = /\.(\d+)/.exec(match[1]!)?.[1]?.length ?? 0;
  return { value: Number(match[1]), decimals, marked: match[2] === "%" };
}

/** A whole row is in percent or in fractions; no row of fractions has a value above 1.5, every row of percents has. */
function toRow(model: string, cells: ReadonlyMap<VbenchKey | keyof VbenchTotals, Cell>): LeaderboardRow {
  const findings: LintFinding[] = [];
  const numbers = [...cells].filter(([, cell]) => !Number.isNaN(cell.value));
  for (const [key, cell] of cells) {
    if (Number.isNaN(cell.value)) {
      findings.push({
        rule: "units",
        dimensions: [key],
        message: `${key} is not a number and was left out.`,
      });
    }
  }
  const percent = numbers.some(([, cell]) => cell.marked || cell.value > 1.5);
  const unit = percent ? 0.01 : 1;
  const small = numbers.filter(([, cell]) => !cell.marked && cell.value > 0 && cell.value <= 1).length;
  const raw: { [D in VbenchKey]?: number } = {};
  const printed: { -readonly [T in keyof VbenchTotals]?: number } = {};
  let decimals = 0;
  for (const [key, cell] of numbers) {
    decimals = Math.max(decimals, cell.decimals);
    // One small percentage is possible; several, or one with many digits, are fractions.
    const isFraction = !cell.marked && cell.value > 0 && cell.value <= 1 && (cell.decimals > 2 || small > 2);
    if (percent && isFraction) {
      findings.push({
        rule: "units",
        dimensions: [key],
        message: `${key} ${cell.value} looks like a fraction in a row of percents; it was read as percent.`,
      });
    }
    if (key === "quality" || key === "semantic" || key === "total") printed[key] = cell.value * unit;
    else raw[key] = cell.value * unit;
  }
  return { model, raw, printed, halfUnit: 0.5 * 10 ** -decimals * unit, findings };
}

/** Rows of a leaderboard CSV. @throws TypeError when the header names none of VBench's dimensions. */
export function readLeaderboard(text: string, name = "the file"): LeaderboardRow[] {
  const [header, ...lines] = parseCsv(text);
  const keys = (header ?? []).map((label) => vbenchKey(label) ?? totalKey(label));
  const found = vbenchKeys.filter((key) => keys.includes(key));
  if (!header || found.length === 0) {
    throw new TypeError(
      `Cannot read ${name} as VBench rows: its header names none of the sixteen dimensions (${vbenchKeys.join(", ")}). Name the columns by them.`,
    );
  }
  const twice = keys.find((key, i) => key && keys.indexOf(key) !== i);
  if (twice) throw new TypeError(`Cannot read ${name}: the column ${twice} occurs twice. Keep one.`);
  const named = header.findIndex((label) =>
    modelColumns.includes(
      label
        .trim()
        .toLowerCase()
        .replaceAll(/[\s-]+/g, "_"),
    ),
  );
  const modelAt = named >= 0 ? named : keys.indexOf(undefined);
  const unknown = header.filter((_, i) => !keys[i] && i !== modelAt).map((label) => `"${label.trim()}"`);
  return lines.map((line, i) => {
    const cells = new Map<VbenchKey | keyof VbenchTotals, Cell>();
    keys.forEach((key, column) => {
      const cell = key && readCell(line[column] ?? "");
      if (key && cell) cells.set(key, cell);
    });
    const row = toRow(modelAt >= 0 && line[modelAt] ? line[modelAt]!.trim() : `row ${i + 1}`, cells);
    const findings = [...row.findings];
    if (line.length !== header.length) {
      const message = `The row has ${line.length} fields, the header ${header.length}.`;
      findings.unshift({ rule: "columns" as const, message });
    }
    if (unknown.length > 0 && missingOf(vbenchKeys, row.raw).length > 0) {
      const message = `Ignored the columns ${unknown.join(", ")}: not among the sixteen dimensions.`;
      findings.push({ rule: "columns" as const, message });
    }
    return { ...row, findings };
  });
}

/** A CSV that `readLeaderboard` reads back: percent with two decimals, totals where they can be had. */
export function writeLeaderboard(
  rows: readonly { readonly model: string; readonly raw: Raw<VbenchKey> }[],
): string {
  const show = (value: number | undefined) => (value === undefined ? "" : (100 * value).toFixed(2));
  const lines = rows.map(({ model, raw }) => {
    const totals = missingOf(vbenchKeys, raw).length === 0 ? vbenchTotals(raw) : undefined;
    return [
      model,
      ...vbenchKeys.map((key) => show(raw[key])),
      show(totals?.quality),
      show(totals?.semantic),
      show(totals?.total),
    ];
  });
  return writeCsv([["model", ...vbenchKeys, "quality", "semantic", "total"], ...lines]);
}

/** Totals in percent and findings of one row. */
export function scoreRow(row: LeaderboardRow): ScoredRow {
  const complete = missingOf(vbenchKeys, row.raw).length === 0;
  const totals = complete ? vbenchTotals(row.raw) : undefined;
  const percent = (value: number | undefined) => (value === undefined ? null : 100 * value);
  return {
    model: row.model,
    quality: percent(totals?.quality),
    semantic: percent(totals?.semantic),
    total: percent(totals?.total),
    lint: [...row.findings, ...lintVbench(row)],
  };
}

/** A note made while reading result files, as a finding. */
function noteFinding(message: string): LintFinding {
  return { rule: message.startsWith("Read ") ? "units" : "columns", message };
}

/** A value of an official JSON is [aggregate, ...] or a number under one of VBench's names. */
function jsonRows(value: unknown, model: string, path: string): LeaderboardRow[] {
  if (Array.isArray(value)) {
    return value.flatMap((entry: unknown, i) => {
      const label = (entry as { model?: unknown } | null)?.model;
      return jsonRows(entry, typeof label === "string" ? label : `${model} ${i + 1}`, `${path}, entry ${i}`);
    });
  }
  const { model: label, ...rest } = (typeof value === "object" && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const isRow = Object.keys(rest).some((key) => vbenchKey(key) !== undefined);
  if (isRow) {
    const { raw, notes } = readEvalResults(rest, path);
    const printed = Object.fromEntries(
      Object.entries(rest).flatMap(([key, v]) => {
        const total = totalKey(key);
        return total && typeof v === "number" ? [[total, v > 1.5 ? v / 100 : v]] : [];
      }),
    ) as Partial<VbenchTotals>;
    const findings = notes
      .filter((note) => !/Ignored "(quality|semantic|total)/i.test(note))
      .map(noteFinding);
    // Full precision: only the last digits of the sum may differ.
    return [{ model: typeof label === "string" ? label : model, raw, printed, halfUnit: 5e-5, findings }];
  }
  const nested = Object.entries(rest).filter(
    ([, v]) => typeof v === "object" && v !== null && !Array.isArray(v),
  );
  if (nested.length > 0) return nested.flatMap(([key, v]) => jsonRows(v, key, `${path}, "${key}"`));
  throw new TypeError(
    `Cannot read ${path} as VBench results: it names none of the sixteen dimensions. Give an _eval_results.json or rows with VBench's keys.`,
  );
}

/**
 * Scores a file: an official `_eval_results.json` (one model, named after the file; also {model: results} and lists), a
 * submission's zip (one model), or a CSV with one model a row. Rows come in the file's order.
 */
export async function scoreVbenchFile(path: string): Promise<ScoredRow[]> {
  const bytes = givenBytes(path, "score VBench results");
  const model = basename(path).replace(/(_eval_results)?\.(json|zip)$/i, "");
  if (bytes.subarray(0, 2).toString() === "PK") {
    const { raw, notes } = readSubmission(readZip(bytes, path), path);
    return [scoreRow({ model, raw, printed: {}, halfUnit: 5e-5, findings: notes.map(noteFinding) })];
  }
  const text = bytes.toString("utf8").replace(/^\uFEFF/, "");
  const start = text.trimStart()[0];
  if (start !== "{" && start !== "[") return readLeaderboard(text, path).map(scoreRow);
  let value: unknown;
  try {
    // The leaderboard's own endpoint writes bare NaN; strings are left alone.
    value = JSON.parse(
      text.replaceAll(/"(?:[^"\\]|\\.)*"|\bNaN\b/g, (found) => (found === "NaN" ? "null" : found)),
    );
  } catch (cause) {
    throw new SyntaxError(`Cannot score ${path}: it starts like JSON but is not. Check the file.`, { cause });
  }
  return jsonRows(value, model, path).map(scoreRow);
}
