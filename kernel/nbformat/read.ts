/**
 * Text -> notebook of format 4.5. Formats 3 and 4.0-4.4 are upgraded (upgrade.ts), later 4.x are read as far as they
 * are known; whatever could not be taken literally is named in `notes`, and nothing of the user's is dropped.
 */
import { readFileSync } from "node:fs";
import {
  freshCellId,
  isJsonMediaType,
  isJsonObject,
  type Json,
  type JsonObject,
  type Notebook,
} from "./notebook.ts";
import { upgradeFrom3 } from "./upgrade.ts";
import { InvalidNotebookError, requireValid } from "./validate.ts";
import { maxDepth } from "./write.ts";

export interface ReadNotebook {
  readonly notebook: Notebook;
  /** The format the text was in, e.g. "3.0" or "4.2". */
  readonly format: string;
  /** One sentence for each thing that was upgraded, repaired or not understood. */
  readonly notes: readonly string[];
}

/** Reads a file. Throws {@link InvalidNotebookError} with the path in the message. */
export function readNotebookFile(path: string): ReadNotebook {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InvalidNotebookError(
      `Cannot read ${path}: ${(error as Error).message}. Check the path and its permissions.`,
    );
  }
  return parseNotebook(text, path);
}

/** Reads text; `name` is used in messages. */
export function parseNotebook(text: string, name = "the notebook"): ReadNotebook {
  const trimmed = text.replace(/^\uFEFF/, "");
  refuseDeepNesting(trimmed, name);
  let value: Json;
  try {
    value = JSON.parse(trimmed);
  } catch (error) {
    const conflict = /^(<{7}|={7}|>{7})/m.test(trimmed);
    throw new InvalidNotebookError(
      `Cannot read ${name} as JSON: ${(error as Error).message}. ` +
        (conflict
          ? "It holds merge conflict markers: resolve them first."
          : "The file is damaged or not a notebook: restore it from version control or its checkpoint."),
    );
  }
  if (!isJsonObject(value) || !Number.isInteger(value["nbformat"]))
    throw new InvalidNotebookError(
      `Cannot read ${name} as a notebook: it has no "nbformat" number. Give a file that Jupyter saved.`,
    );
  const major = value["nbformat"] as number;
  const minor = Number.isInteger(value["nbformat_minor"]) ? (value["nbformat_minor"] as number) : 0;
  const notes: string[] = [];
  if (major === 3) {
    value = upgradeFrom3(value, notes);
    notes.unshift(`upgraded from format 3.${minor} to 4.5`);
  } else if (major !== 4) {
    throw new InvalidNotebookError(
      `Cannot read ${name} as format 3 or 4: it says format ${major}.${minor}. ` +
        "Convert it with `jupyter nbconvert --to notebook` or a newer release of this program.",
    );
  } else if (minor < 5) notes.push(`upgraded from format 4.${minor} to 4.5`);
  else if (minor > 5) notes.push(`format 4.${minor} is newer than 4.5, which it is read as`);

  normalise(value, notes);
  requireValid(value, name);
  return { notebook: value as Notebook, format: `${major}.${minor}`, notes };
}

/** Joins lines, gives ids, and puts cells and outputs of unknown kinds into known ones. In place. */
function normalise(notebook: JsonObject, notes: string[]): void {
  notebook["nbformat"] = 4;
  notebook["nbformat_minor"] = 5;
  notebook["metadata"] ??= {};
  if (isJsonObject(notebook["metadata"])) repairMetadata(notebook["metadata"]);
  if (!Array.isArray(notebook["cells"])) return;
  for (const key of Object.keys(notebook))
    if (!["nbformat", "nbformat_minor", "metadata", "cells"].includes(key)) {
      notes.push(`unknown member "${key}" of the notebook was moved to its metadata`);
      if (isJsonObject(notebook["metadata"])) notebook["metadata"][key] = notebook[key]!;
      delete notebook[key];
    }

  const taken = new Set<string>();
  let given = 0;
  for (const [index, cell] of notebook["cells"].entries()) {
    if (!isJsonObject(cell)) continue;
    const kind = cell["cell_type"];
    cell["source"] = joined(cell["source"] ?? "");
    cell["metadata"] ??= {};
    if (typeof kind === "string" && !["code", "markdown", "raw"].includes(kind))
      replaceCell(cell, kind, index, notes);
    if (cell["cell_type"] === "code") {
      cell["execution_count"] ??= null;
      cell["outputs"] ??= [];
      if (Array.isArray(cell["outputs"])) {
        for (const output of cell["outputs"]) if (isJsonObject(output)) normaliseOutput(output, index, notes);
      }
    } else if (isJsonObject(cell["attachments"])) {
      for (const bundle of Object.values(cell["attachments"])) joinBundle(bundle);
    }
    const id = cell["id"];
    if (typeof id !== "string" || !/^[a-zA-Z0-9_-]{1,64}$/.test(id) || taken.has(id)) {
      if (id !== undefined) notes.push(`cell ${index + 1} got a new id in place of ${JSON.stringify(id)}`);
      given++;
      const source = String(cell["source"]);
      cell["id"] = freshCellId({ cell_type: String(cell["cell_type"]), source }, taken);
    }
    taken.add(String(cell["id"]));
  }
  if (given > 0) notes.push(`${given} ${given === 1 ? "cell" : "cells"} got ids`);
}

/** A cell of a kind from the future is kept as a raw cell that says what it was. */
function replaceCell(cell: JsonObject, kind: string, index: number, notes: string[]): void {
  notes.push(`cell ${index + 1} has the unknown type "${kind}" and is kept as a raw cell`);
  const { id, metadata, source, ...others } = cell;
  for (const key of Object.keys(cell)) delete cell[key];
  cell["cell_type"] = "raw";
  if (id !== undefined) cell["id"] = id;
  cell["source"] = source!;
  cell["metadata"] = { ...(isJsonObject(metadata) ? metadata : {}), unknown_cell: others };
}

function normaliseOutput(output: JsonObject, cellIndex: number, notes: string[]): void {
  const kind = output["output_type"];
  delete output["transient"];
  if (kind === "stream") output["text"] = joined(output["text"] ?? "");
  else if (kind === "display_data" || kind === "execute_result") {
    output["metadata"] ??= {};
    if (kind === "execute_result") output["execution_count"] ??= null;
    joinBundle(output["data"]);
  } else if (typeof kind === "string" && kind !== "error") {
    notes.push(`an output of cell ${cellIndex + 1} has the unknown type "${kind}" and is kept as JSON`);
    const original = { ...output };
    for (const key of Object.keys(output)) delete output[key];
    output["output_type"] = "display_data";
    output["data"] = { "application/json": original, "text/plain": `<output of unknown type ${kind}>` };
    output["metadata"] = {};
  }
}

/** Jupyter itself tolerates a kernelspec without display name; format 4.5 does not. */
function repairMetadata(metadata: JsonObject): void {
  const spec = metadata["kernelspec"];
  if (isJsonObject(spec) && typeof spec["name"] === "string") spec["display_name"] ??= spec["name"];
}

function joined(value: Json): Json {
  return Array.isArray(value) && value.every((line) => typeof line === "string") ? value.join("") : value;
}

function joinBundle(bundle: Json | undefined): void {
  if (!isJsonObject(bundle)) return;
  for (const [mediaType, value] of Object.entries(bundle))
    if (!isJsonMediaType(mediaType)) bundle[mediaType] = joined(value);
}

/** One pass over the text, so that a file of a million brackets cannot exhaust the stack of what follows. */
function refuseDeepNesting(text: string, name: string): void {
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (isInString) {
      if (unit === 0x5c) i++;
      else if (unit === 0x22) isInString = false;
    } else if (unit === 0x22) isInString = true;
    else if (unit === 0x5b || unit === 0x7b) {
      // Ten levels are kept back for what upgrading may wrap around a value.
      if (++depth > maxDepth - 10)
        throw new InvalidNotebookError(
          `Cannot read ${name}: its values nest deeper than ${maxDepth - 10} levels. It is not a notebook that Jupyter saved.`,
        );
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
}
