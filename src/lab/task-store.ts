/**
 * Results of tasks by content: the name of a result is the hash of what it was computed from (settings, seed, the task's
 * source, a version), so a sweep that is run again computes only what changed, in whatever process and order.
 */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Row } from "../plot/row.ts";
import { describe, type Json } from "./describe.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import { decodeRow, encodeRow, type Stored } from "./jsonl.ts";

export interface TaskResult {
  readonly hash: string;
  readonly rows: readonly Row[];
  readonly seconds: number;
  readonly finished: string;
}

/** What a task's result depends on. */
export function taskHash(settings: unknown, seed: number, source: string, version: string): string {
  return sha256(
    canonicalJson({ format: 1, settings: describe(settings), seed, source: sha256(source), version }),
  );
}

const pathOf = (root: string, hash: string) => join(root, "tasks", hash.slice(0, 2), `${hash}.json`);

/** The stored result, undefined where there is none or where it is damaged (then it is computed again). */
export function readTask(root: string, hash: string): TaskResult | undefined {
  const path = pathOf(root, hash);
  if (!existsSync(path)) return undefined;
  try {
    const stored = JSON.parse(readFileSync(path, "utf8")) as Omit<TaskResult, "rows"> & {
      rows: Stored[];
      check: string;
    };
    if (stored.check !== sha256(canonicalJson(stored.rows))) return undefined;
    return { ...stored, rows: stored.rows.map(decodeRow) };
  } catch {
    return undefined;
  }
}

/**
 * Stores a result unless another process was first. "same": it had the same rows; "conflict": it had others, which are
 * kept, and these are laid beside them.
 */
export function writeTask(root: string, result: TaskResult): "stored" | "same" | "conflict" {
  const path = pathOf(root, result.hash);
  const rows = result.rows.map((row) => JSON.parse(encodeRow(row)) as Stored);
  const text = `${JSON.stringify({ ...result, rows, check: sha256(canonicalJson(rows)) })}\n`;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, text);
  try {
    // A link fails where the name exists, so of two finishing at once exactly one is first.
    linkSync(temporary, path);
    return "stored";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const first = readTask(root, result.hash);
    if (first === undefined) {
      renameSync(temporary, path);
      return "stored";
    }
    if (canonicalJson(first.rows) === canonicalJson(result.rows)) return "same";
    writeFileSync(path.replace(/\.json$/, `.conflict-${process.pid}.json`), text);
    return "conflict";
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Which tasks a sweep of this name had when it was last defined, to tell which of its old results are stale. */
export interface SweepIndex {
  readonly name: string;
  readonly tasks: readonly {
    readonly hash: string;
    readonly settings: Readonly<Record<string, string>>;
    readonly seed: number;
  }[];
  readonly config: Json;
}

const indexPath = (root: string, name: string) => join(root, "sweeps", `${name}.json`);

export function readIndex(root: string, name: string): SweepIndex | undefined {
  try {
    return JSON.parse(readFileSync(indexPath(root, name), "utf8")) as SweepIndex;
  } catch {
    return undefined;
  }
}

export function writeIndex(root: string, index: SweepIndex): void {
  const path = indexPath(root, index.name);
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(index)}\n`);
  renameSync(temporary, path);
}
