/** Errors as a notebook shows them: name, message, an excerpt of the cell, frames, causes. */
import { inspect } from "node:util";
import type { Failure } from "./frames.ts";
import { CELL_POSITION, cellLines, original, type Place } from "./stack.ts";

const RED = "\u001b[31m";
const DIM = "\u001b[2m";
const CYAN = "\u001b[36m";
const RESET = "\u001b[0m";

/** Three lines around a place in a cell, with a mark under the column. */
function excerpt({ name, line, column }: Place): string[] {
  const lines = cellLines(name);
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

/** The frames of an error's stack, cells in colour; their places are added to `places`. */
function stackLines(error: Error, places: Place[]): string[] {
  const stack = typeof error.stack === "string" ? error.stack : "";
  const at = stack.search(/^ {4}at /m);
  const lines = at < 0 ? [] : stack.slice(at).split("\n");
  return lines.map((line) =>
    line.replace(CELL_POSITION, (position, name: string, row: string, column: string) => {
      places.push({ name, line: Number(row), column: Number(column) });
      return `${CYAN}${position}${RESET}`;
    }),
  );
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
