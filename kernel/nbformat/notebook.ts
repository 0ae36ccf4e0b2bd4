/**
 * The notebook as a value: nbformat 4.5 with all multi-line strings joined. Reading, checking and writing live in
 * the neighbouring files; nothing here touches a disk.
 */

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

/** Media type -> representation; JSON media types hold values, all others strings. */
export type MimeBundle = { [mediaType: string]: Json };

export interface StreamOutput {
  output_type: "stream";
  name: string;
  text: string;
}
export interface DisplayOutput {
  output_type: "display_data";
  data: MimeBundle;
  metadata: JsonObject;
}
export interface ResultOutput {
  output_type: "execute_result";
  data: MimeBundle;
  metadata: JsonObject;
  execution_count: number | null;
}
export interface ErrorOutput {
  output_type: "error";
  ename: string;
  evalue: string;
  traceback: string[];
}
export type Output = StreamOutput | DisplayOutput | ResultOutput | ErrorOutput;

export interface CodeCell {
  cell_type: "code";
  id: string;
  metadata: JsonObject;
  source: string;
  outputs: Output[];
  execution_count: number | null;
}
export interface TextCell {
  cell_type: "markdown" | "raw";
  id: string;
  metadata: JsonObject;
  source: string;
  attachments?: { [name: string]: MimeBundle };
}
export type Cell = CodeCell | TextCell;

export interface Notebook {
  nbformat: 4;
  nbformat_minor: number;
  metadata: JsonObject;
  cells: Cell[];
}

/** A new notebook of format 4.5; `metadata` e.g. `{ kernelspec: { name, display_name } }`. */
export function notebook(cells: Cell[], metadata: JsonObject = {}): Notebook {
  const taken = new Set<string>();
  for (const cell of cells) {
    if (cell.id === "" || taken.has(cell.id)) cell.id = freshCellId(cell, taken);
    taken.add(cell.id);
  }
  return { nbformat: 4, nbformat_minor: 5, metadata, cells };
}

/** A code cell that has not been run. Its id is given by {@link notebook} when left empty. */
export function codeCell(source: string, { id = "", metadata = {} }: CellOptions = {}): CodeCell {
  return { cell_type: "code", id, metadata, source, outputs: [], execution_count: null };
}

export function markdownCell(source: string, { id = "", metadata = {} }: CellOptions = {}): TextCell {
  return { cell_type: "markdown", id, metadata, source };
}

export interface CellOptions {
  readonly id?: string;
  readonly metadata?: JsonObject;
}

/**
 * An id of 8 characters made from the cell's kind and text, so that the same notebook always gets the same ids
 * (random ids would make every rewrite of an old notebook a different file). `taken` ids are avoided.
 */
export function freshCellId(
  cell: { readonly cell_type: string; readonly source: string },
  taken: ReadonlySet<string>,
): string {
  for (let attempt = 0; ; attempt++) {
    const id = fnv1a(`${cell.cell_type}\n${attempt}\n${cell.source}`).toString(16).padStart(8, "0");
    if (!taken.has(id)) return id;
  }
}

/** 32-bit FNV-1a over UTF-16 units: names, not security. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

export function isCodeCell(cell: Cell): cell is CodeCell {
  return cell.cell_type === "code";
}

/** Tags of a cell; anything else under `metadata.tags` counts as none. */
export function tagsOf(cell: Cell): string[] {
  const tags = cell.metadata["tags"];
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string") : [];
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Media types whose value is JSON and not text. */
export function isJsonMediaType(mediaType: string): boolean {
  return /^application\/(.*\+)?json$/.test(mediaType);
}
