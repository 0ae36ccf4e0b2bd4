/**
 * Append-only JSONL that survives a kill at any byte. One writer owns a file and appends whole lines with one write
 * each; a reader keeps what parses, remembers what does not, and reads on from where it was, so that following a run
 * costs only what is new. Numbers that are not finite, which JSON lacks, are kept as null with their name beside them.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import type { Cell, Row } from "../plot/row.ts";

/** Members that begin with an underscore are ours: writer's time and sequence number, names of non-finite numbers. */
export type Stored = Record<string, unknown>;

export interface Problem {
  readonly file: string;
  /** Byte offset of the line in the file. */
  readonly at: number;
  readonly problem: string;
}

/** One line, newline included. */
export function encodeRow(row: Row, meta: Readonly<Record<string, unknown>> = {}): string {
  const bad: Record<string, string> = {};
  const out: Record<string, unknown> = { ...meta };
  for (const [key, value] of Object.entries(row)) {
    if (key.startsWith("_")) {
      throw new TypeError(
        `Cannot store the column "${key}" as names with a leading underscore are the store's own. Rename it.`,
      );
    }
    if (typeof value === "number" && !Number.isFinite(value)) {
      bad[key] = String(value);
      out[key] = null;
    } else if (value !== undefined) out[key] = value;
  }
  if (Object.keys(bad).length > 0) out["_nonfinite"] = bad;
  return `${JSON.stringify(out)}\n`;
}

/** The row of a stored line, without the store's own members. */
export function decodeRow(stored: Stored): Row {
  const row: Record<string, Cell> = {};
  for (const [key, value] of Object.entries(stored)) if (!key.startsWith("_")) row[key] = value as Cell;
  for (const [key, name] of Object.entries((stored["_nonfinite"] as Record<string, string>) ?? {})) {
    row[key] = Number(name);
  }
  return row;
}

export interface JsonlWriter {
  write(line: string): void;
  close(): void;
}

/** Appends to a file that this writer alone owns; created on the first line. */
export function jsonlWriter(path: string): JsonlWriter {
  let file: number | undefined;
  // After a line that was cut short the next one starts on a line of its own, so that only one row is lost.
  let torn = false;
  return {
    write(line: string) {
      file ??= openSync(path, "a");
      const bytes = Buffer.from(torn ? `\n${line}` : line, "utf8");
      let done = 0;
      try {
        while (done < bytes.length) done += writeSync(file, bytes, done);
        torn = false;
      } catch (error) {
        torn ||= done > 0;
        throw new Error(
          `Cannot append a row to ${path}: ${(error as Error).message}. Earlier rows are kept; free space or make the folder writable, then go on.`,
          { cause: error },
        );
      }
    },
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}

export interface JsonlReader {
  /** New lines since the last call. */
  read(): Stored[];
  /** Lines that do not parse, and a last line without an end. */
  problems(): Problem[];
}

export function jsonlReader(path: string): JsonlReader {
  let offset = 0;
  let rest = Buffer.alloc(0);
  let found: Problem[] = [];
  return {
    read() {
      const bytes = readFrom(path, offset);
      if (bytes === undefined) {
        // The file is shorter than what was read of it: someone replaced it; begin again.
        offset = 0;
        rest = Buffer.alloc(0);
        found = [];
        return this.read();
      }
      const buffer = Buffer.concat([rest, bytes]);
      const start = offset - rest.length;
      offset += bytes.length;
      const rows: Stored[] = [];
      let from = 0;
      for (let end = buffer.indexOf(10); end >= 0; end = buffer.indexOf(10, from)) {
        const line = buffer.subarray(from, end).toString("utf8").trim();
        const at = start + from;
        from = end + 1;
        if (line === "") continue;
        const row = parseLine(line);
        if (row) rows.push(row);
        else found.push({ file: path, at, problem: `line does not parse: ${preview(line)}` });
      }
      rest = Buffer.from(buffer.subarray(from));
      return rows;
    },
    problems() {
      const text = rest.toString("utf8").trim();
      if (text === "") return [...found];
      const torn = { file: path, at: offset - rest.length, problem: `torn last line: ${preview(text)}` };
      return [...found, torn];
    },
  };
}

const preview = (text: string) => (text.length > 60 ? `${text.slice(0, 60)}…` : text).replaceAll("\0", "\\0");

function parseLine(line: string): Stored | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Stored)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes from an offset to the end; undefined when the file is shorter than the offset; empty when it is absent. */
function readFrom(path: string, offset: number): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return offset === 0 ? Buffer.alloc(0) : undefined;
    throw error;
  }
  try {
    const size = fstatSync(file).size;
    if (size < offset) return undefined;
    const buffer = Buffer.alloc(size - offset);
    let done = 0;
    while (done < buffer.length) {
      const got = readSync(file, buffer, done, buffer.length - done, offset + done);
      if (got === 0) break;
      done += got;
    }
    return buffer.subarray(0, done);
  } finally {
    closeSync(file);
  }
}
