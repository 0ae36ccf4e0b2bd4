/** Errors as a notebook shows them: positions in cells as the user typed them, frames of the kernel left out. */
import { SourceMap } from "node:module";
import { inspect } from "node:util";
import { originalColumn } from "../cell/edits.ts";
import type { CellMap } from "../cell/transform.ts";
import type { Failure } from "./frames.ts";

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

const RED = "\u001b[31m";
const DIM = "\u001b[2m";
const CYAN = "\u001b[36m";
const RESET = "\u001b[0m";

const CELL_POSITION = /(cell\[[^\]]+\]\.ts):(\d+):(\d+)/;
const KERNEL_FOLDER = new URL("..", import.meta.url).href;

/** Frames that say nothing to a user: the kernel, Node's own, the inspector's wrapper. */
const isOwnFrame = (line: string): boolean =>
  line.includes(KERNEL_FOLDER) ||
  line.includes(decodeURI(KERNEL_FOLDER).replace("file://", "")) ||
  /\(node:|at node:|at new Promise \(<anonymous>\)|at async Promise\.\w+ \(index|at <anonymous>$/.test(line);

interface Place {
  readonly name: string;
  readonly line: number;
  readonly column: number;
}

/** The place in the cell as typed, of a place in the script that V8 ran. */
function original({ name, line, column }: Place): Place {
  const cell = cells.get(name);
  if (cell === undefined) return { name, line, column };
  let at = { line, column };
  if (cell.map.sourceMap !== undefined) {
    const entry = new SourceMap(JSON.parse(cell.map.sourceMap)).findEntry(line - 1, column - 1);
    if ("originalLine" in entry) at = { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
  }
  return { name, line: at.line, column: originalColumn(cell.map.columns, at.line, at.column) };
}

/** Three lines around a place in a cell, with a mark under the column. */
function excerpt({ name, line, column }: Place): string[] {
  const lines = cells.get(name)?.lines ?? [];
  const shown: string[] = [];
  for (let at = Math.max(1, line - 1); at <= Math.min(lines.length, line + 1); at++) {
    const number = String(at).padStart(5);
    shown.push(
      at === line ? `${RED}${number}${RESET} ${lines[at - 1]}` : `${DIM}${number} ${lines[at - 1]}${RESET}`,
    );
    if (at === line) shown.push(`${" ".repeat(6 + column - 1)}${RED}^${RESET}`);
  }
  return shown;
}

/** One stack line with its positions mapped and hidden names undone. */
function mapLine(line: string, places: Place[]): string {
  return line
    .replace(CELL_POSITION, (_, name: string, row: string, column: string) => {
      const place = original({ name, line: Number(row), column: Number(column) });
      places.push(place);
      return `${CYAN}${name}:${place.line}:${place.column}${RESET}`;
    })
    .replace(/(?<=at .*)\$\$(?=[ .])/g, "")
    .replace(/\?v=[0-9a-f]{12}(?=:\d)/, "");
}

function stackLines(error: Error, places: Place[]): string[] {
  const stack = typeof error.stack === "string" ? error.stack : "";
  const at = stack.search(/^ {4}at /m);
  const lines = at < 0 ? [] : stack.slice(at).split("\n");
  return lines.filter((line) => !isOwnFrame(line)).map((line) => mapLine(line, places));
}

/** Own fields of an error that its message does not show, as Node prints them. */
function extraFields(error: Error): string[] {
  const hidden = new Set(["stack", "message", "name", "cause", "errors"]);
  const fields = Object.entries(error).filter(([key]) => !hidden.has(key));
  return fields.length === 0
    ? []
    : [inspect(Object.fromEntries(fields), { depth: 2, breakLength: 100, maxArrayLength: 20 })];
}

function describe(error: Error, depth: number): string[] {
  const places: Place[] = [];
  const frames = stackLines(error, places);
  const title = `${RED}${nameOf(error)}${RESET}: ${messageOf(error)}`;
  const lines = [title, ...(depth === 0 && places[0] !== undefined ? excerpt(places[0]) : []), ...frames];
  lines.push(...extraFields(error));
  if (depth < 4) {
    if (error.cause instanceof Error)
      lines.push(
        ...describe(error.cause, depth + 1).map((line, at) => (at === 0 ? `[cause]: ${line}` : line)),
      );
    else if (error.cause !== undefined) lines.push(`[cause]: ${inspect(error.cause)}`);
    const inner: unknown[] = error instanceof AggregateError ? error.errors : [];
    for (const one of inner.slice(0, 5))
      lines.push(
        ...(one instanceof Error ? describe(one, depth + 1) : [inspect(one)]).map((line) => `  ${line}`),
      );
  }
  return lines;
}

const nameOf = (error: Error): string =>
  typeof error.name === "string" && error.name !== "" ? error.name : "Error";
const messageOf = (error: Error): string => (typeof error.message === "string" ? error.message : "");

/** `ename`, `evalue` and `traceback` of anything that was thrown; never throws itself. */
export function failureOf(thrown: unknown): Failure {
  try {
    if (thrown instanceof Error || (thrown instanceof Object && "stack" in thrown && "message" in thrown)) {
      const error = thrown as Error;
      return { ename: nameOf(error), evalue: messageOf(error), traceback: describe(error, 0) };
    }
    const text = inspect(thrown);
    return { ename: "Uncaught", evalue: text, traceback: [`${RED}Uncaught${RESET} ${text}`] };
  } catch {
    return { ename: "Uncaught", evalue: "a value that cannot be shown", traceback: ["Uncaught"] };
  }
}

/** A syntax error that only V8 finds (TypeScript's parser accepted the cell). */
export function syntaxFailure(message: string, name: string, line: number, column: number): Failure {
  const place = original({ name, line, column });
  const evalue = message.replace(/^(Uncaught )?SyntaxError: /, "");
  return {
    ename: "SyntaxError",
    evalue,
    traceback: [
      `${RED}SyntaxError${RESET}: ${evalue}`,
      ...excerpt(place),
      `    at ${CYAN}${name}:${place.line}:${place.column}${RESET}`,
    ],
  };
}
