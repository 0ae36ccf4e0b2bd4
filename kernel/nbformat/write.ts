/**
 * Notebook -> text, byte for byte as Jupyter's own writer does it (keys sorted by code point, one space of indent,
 * multi-line strings as lists of lines, trailing newline), so that a diff shows what changed and nothing else.
 * One difference: a number that was written as `1.0` comes back as `1`, since JSON numbers have one spelling here.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { isCodeCell, isJsonObject, type Json, type MimeBundle, type Notebook } from "./notebook.ts";

/** The file's text. Throws RangeError when values nest deeper than `maxDepth`. */
export function formatNotebook(notebook: Notebook): string {
  const cells = notebook.cells.map((cell) => {
    const written: { [key: string]: unknown } = { ...cell, source: splitLines(cell.source) };
    if (!isCodeCell(cell)) {
      if (cell.attachments) written["attachments"] = mapValues(cell.attachments, splitBundle);
      return written;
    }
    written["outputs"] = cell.outputs.map((output) => {
      if (output.output_type === "stream") return { ...output, text: splitLines(output.text) };
      if (output.output_type === "error") return output;
      return { ...output, data: splitBundle(output.data) };
    });
    return written;
  });
  return `${sortedJson({ ...notebook, cells }, "", 0)}\n`;
}

/** Nesting that a notebook may have; hostile files nest deeper and would exhaust the stack. */
export const maxDepth = 200;

/** JSON with sorted keys and one space of indent. Undefined members are left out; non-finite numbers become null. */
function sortedJson(value: unknown, indent: string, depth: number): string {
  if (depth > maxDepth)
    throw new RangeError(
      `Cannot write a notebook whose values nest deeper than ${maxDepth} levels. Flatten them.`,
    );
  const inner = `${indent} `;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    const items = value.map((item) => inner + sortedJson(item ?? null, inner, depth + 1));
    return `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined);
    if (members.length === 0) return "{}";
    members.sort(([a], [b]) => compareCodePoints(a, b));
    const lines = members.map(
      ([key, member]) => `${inner}${JSON.stringify(key)}: ${sortedJson(member, inner, depth + 1)}`,
    );
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  return JSON.stringify(value) ?? "null";
}

/** Order of UTF-8 bytes = order of code points; differs from JavaScript's order only beyond U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a.charCodeAt(i) !== b.charCodeAt(i)) return a.codePointAt(i)! - b.codePointAt(i)!;
  }
  return a.length - b.length;
}

// What Python's str.splitlines() takes for the end of a line: Jupyter's writer splits there.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the separators are control characters
const lineEnds = /[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|$)/g;

/** Lines with their ends kept; the empty text has none. */
export function splitLines(text: string): string[] {
  return (text.match(lineEnds) ?? []).filter((line) => line !== "");
}

function splitBundle(bundle: MimeBundle): { [mediaType: string]: Json } {
  return mapEntries(bundle, (mediaType, value) => {
    const isText =
      mediaType.startsWith("text/") ||
      mediaType === "application/javascript" ||
      mediaType === "image/svg+xml";
    return isText && typeof value === "string" ? splitLines(value) : value;
  });
}

function mapValues<V, W>(record: { [key: string]: V }, map: (value: V) => W): { [key: string]: W } {
  return mapEntries(record, (_, value) => map(value));
}

function mapEntries<V, W>(
  record: { [key: string]: V },
  map: (key: string, value: V) => W,
): { [key: string]: W } {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(key, value)]));
}

/** Writes the notebook so that the file holds either the old text or the new one, whatever happens in between. */
export function writeNotebookFile(path: string, notebook: Notebook): void {
  writeFileAtomically(path, formatNotebook(notebook));
}

/**
 * Temporary file in the same folder, flushed, then renamed over the target. A link is followed, so that the file it
 * names is replaced and not the link. On failure the target is untouched and nothing is left beside it.
 */
export function writeFileAtomically(path: string, contents: string | Uint8Array): void {
  let target = path;
  let mode = 0o644;
  try {
    target = realpathSync(path);
    mode = statSync(target).mode & 0o777;
  } catch {
    // a new file
  }
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = openSync(temporary, "wx", mode);
    try {
      const bytes = typeof contents === "string" ? Buffer.from(contents, "utf8") : contents;
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, target);
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    const reason = isJsonObject(error) ? String(error["code"]) : "";
    const remedy = remedies[(error as NodeJS.ErrnoException).code ?? reason] ?? "Check the path and the disk";
    throw new Error(
      `Cannot write ${path}: ${(error as Error).message}. ${remedy}; the old file is untouched.`,
      {
        cause: error,
      },
    );
  }
}

const remedies: { readonly [code: string]: string } = {
  ENOSPC: "Free some space on the disk",
  EROFS: "The file system is read-only: write somewhere else",
  EACCES: "The folder does not allow writing: change its permissions or write somewhere else",
  ENOENT: "Create the folder first",
  EISDIR: "The path names a folder: give a file name",
};
