/**
 * The files of one run, the layout that everything else in this folder reads:
 *
 *   <root>/<id>/run.json               what was run: config, code, machine, seeds, inputs (written once, whole)
 *   <root>/<id>/rows/<kind>.<writer>.jsonl   rows; a writer has files of its own, so many can write at once
 *   <root>/blobs/sha256/xx/<hash>      artifacts of all runs
 *
 * Kinds that begin with "@" are the store's own: @artifacts, @ledger, @events, @claims.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Row } from "../plot/row.ts";
import type { Json } from "./describe.ts";
import { decodeRow, type JsonlReader, jsonlReader, type Problem, type Stored } from "./jsonl.ts";
import type { CodeState, Machine } from "./provenance.ts";

export interface InputFile {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface Manifest {
  readonly format: 1;
  readonly id: string;
  readonly name: string;
  /** ISO 8601, by the creating machine's clock. */
  readonly created: string;
  readonly config: Json;
  readonly configHash: string;
  readonly code: CodeState;
  readonly machine: Machine;
  readonly device: string | null;
  readonly seeds: readonly number[];
  readonly inputs: readonly InputFile[];
}

/** @throws Error when the run is absent or its run.json does not parse. */
export function readManifest(root: string, id: string): Manifest {
  const path = join(root, id, "run.json");
  if (!existsSync(path)) {
    throw new Error(
      `Cannot open the run "${id}" as ${path} does not exist. Call listRuns() for those there are.`,
    );
  }
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Manifest;
  } catch (error) {
    throw new Error(
      `Cannot open the run "${id}" as its run.json does not parse: ${(error as Error).message}. Its rows under ${join(root, id, "rows")} are still readable.`,
    );
  }
}

/** Ids of all runs under a root, in the order of their names. */
export function runIds(root: string): string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, entry.name, "run.json")))
    .map((entry) => entry.name)
    .sort();
}

export function checkKind(kind: string): void {
  if (!/^@?[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(kind)) {
    throw new TypeError(
      `Cannot keep rows of kind ${JSON.stringify(kind)} as a kind is a short name of letters, digits, "-" and "_". Use e.g. "train".`,
    );
  }
}

/** Rows of a run by kind; every call reads only what is new. */
export interface RowFiles {
  kinds(): string[];
  /** In the order of writing: by time across writers, by line within one. */
  rows(kind: string): Row[];
  /** Rows that were not returned by an earlier call of this function. */
  fresh(kind: string): Row[];
  problems(): Problem[];
}

interface Entry {
  readonly time: number;
  readonly order: number;
  readonly row: Row;
}

export function rowFiles(root: string, id: string): RowFiles {
  const folder = join(root, id, "rows");
  const readers = new Map<string, JsonlReader>();
  const cache = new Map<string, { entries: Entry[]; isSorted: boolean }>();
  const latest = new Map<string, number>();
  let order = 0;

  const names = () =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith(".jsonl")) : [];
  const kindOf = (name: string) => name.slice(0, name.indexOf("."));

  const refresh = (kind: string): Entry[] => {
    const fresh: Entry[] = [];
    for (const name of names()) {
      if (kindOf(name) !== kind) continue;
      const reader = readers.get(name) ?? jsonlReader(join(folder, name));
      readers.set(name, reader);
      for (const stored of reader.read()) fresh.push(entryOf(name, stored));
    }
    const held = cache.get(kind) ?? { entries: [], isSorted: true };
    for (const entry of fresh) held.entries.push(entry);
    if (fresh.length > 0) held.isSorted = false;
    cache.set(kind, held);
    return fresh;
  };

  // A clock that jumps back must not reorder what one writer wrote: its times never decrease here.
  const entryOf = (name: string, stored: Stored): Entry => {
    const written = typeof stored["_t"] === "number" ? stored["_t"] : 0;
    const time = Math.max(written, latest.get(name) ?? 0);
    latest.set(name, time);
    return { time, order: order++, row: decodeRow(stored) };
  };

  return {
    kinds: () => [...new Set(names().map(kindOf))].sort(),
    rows(kind: string) {
      refresh(kind);
      const held = cache.get(kind)!;
      if (!held.isSorted) held.entries.sort((a, b) => a.time - b.time || a.order - b.order);
      held.isSorted = true;
      return held.entries.map((entry) => entry.row);
    },
    fresh: (kind: string) => refresh(kind).map((entry) => entry.row),
    problems() {
      for (const name of names()) refresh(kindOf(name));
      return [...readers.values()].flatMap((reader) => reader.problems());
    },
  };
}
