/**
 * Positions of stack traces as the user typed them, in `error.stack` itself: cells by their own lines and columns, local
 * modules that the compiler emitted by their source maps, frames of the kernel and of Node's loops left out.
 */
import { SourceMap } from "node:module";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { originalColumn } from "../cell/edits.ts";
import type { CellMap } from "../cell/transform.ts";

interface KnownCell {
  readonly lines: readonly string[];
  readonly map: CellMap;
}

const cells = new Map<string, KnownCell>();
/** Source texts kept for tracebacks: functions of older cells still show positions, as they came. */
const KEPT = 1000;

export function rememberCell(name: string, source: string, map: CellMap): void {
  cells.delete(name);
  cells.set(name, { lines: source.split("\n"), map });
  if (cells.size > KEPT) cells.delete(cells.keys().next().value!);
}

/** Lines of a cell, as typed. */
export const cellLines = (name: string): readonly string[] => cells.get(name)?.lines ?? [];

export const CELL_POSITION = /(cell\[[^\]]+\]\.ts):(\d+):(\d+)/;
const MODULE_POSITION = /(file:\/\/[^\s()]+\?v=[0-9a-f]{12}):(\d+):(\d+)/;
const KERNEL_FOLDER = new URL("..", import.meta.url).href;

export interface Place {
  readonly name: string;
  readonly line: number;
  readonly column: number;
}

const throughMap = (map: string, line: number, column: number): { line: number; column: number } => {
  const entry = new SourceMap(JSON.parse(map)).findEntry(line - 1, column - 1);
  return "originalLine" in entry
    ? { line: entry.originalLine + 1, column: entry.originalColumn + 1 }
    : { line, column };
};

/** The place in the cell as typed, of a place in the script that V8 ran. */
export function original({ name, line, column }: Place): Place {
  const cell = cells.get(name);
  if (cell === undefined) return { name, line, column };
  const { sourceMap, columns } = cell.map;
  const at = sourceMap === undefined ? { line, column } : throughMap(sourceMap, line, column);
  return { name, line: at.line, column: originalColumn(columns, at.line, at.column) };
}

/** A module that the compiler emitted, as the loader hooks tell of it. */
export interface EmittedModule {
  readonly url: string;
  readonly sourceMap: string;
}

const moduleMaps = new Map<string, string>();
let arriving: MessagePort | null = null;

/** Source maps arrive here; they are taken in when a trace first needs one. */
export function expectModuleMaps(port: MessagePort): void {
  arriving = port;
}

function moduleMap(url: string): string | undefined {
  while (arriving !== null) {
    const received = receiveMessageOnPort(arriving) as { message: EmittedModule } | undefined;
    if (received === undefined) break;
    moduleMaps.set(received.message.url, received.message.sourceMap);
  }
  return moduleMaps.get(url);
}

/** One stack line with its positions mapped and hidden names undone. */
function mapLine(line: string): string {
  return line
    .replace(CELL_POSITION, (_, name: string, row: string, column: string) => {
      const place = original({ name, line: Number(row), column: Number(column) });
      return `${name}:${place.line}:${place.column}`;
    })
    .replace(MODULE_POSITION, (_, url: string, row: string, column: string) => {
      const map = moduleMap(url);
      const at = { line: Number(row), column: Number(column) };
      const place = map === undefined ? at : throughMap(map, at.line, at.column);
      return `${url.replace(/\?v=.*$/, "")}:${place.line}:${place.column}`;
    })
    .replace(/(?<=at .*)\$\$(?=[ .])/g, "");
}

/** Frames that say nothing to a user: the kernel, Node's own, the inspector's wrapper. */
const isOwnFrame = (line: string): boolean =>
  line.includes(KERNEL_FOLDER) ||
  line.includes(decodeURI(KERNEL_FOLDER).replace("file://", "")) ||
  /\(node:|at (async )?node:|at new Promise \(<anonymous>\)|at async Promise\.\w+ \(index|at <anonymous>$/.test(
    line,
  );

/** The stack lines that a user is shown. */
export const shownFrames = (lines: readonly string[]): string[] =>
  lines.filter((line) => !isOwnFrame(line)).map(mapLine);

/** From now on `error.stack` reads as a user typed the code. A library may put its own hook over it, as ever. */
export function installStackTraces(): void {
  Error.prepareStackTrace = (error, sites) => {
    const frames = shownFrames(sites.map((site) => `    at ${site}`));
    let title = "Error";
    try {
      title = Error.prototype.toString.call(error);
    } catch {
      // An error whose name or message cannot be read is still an error.
    }
    return [title, ...frames].join("\n");
  };
}
