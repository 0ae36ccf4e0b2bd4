/** Worker thread of the front: everything that needs the compiler. Text comes in, text goes out. */
import { parentPort, workerData } from "node:worker_threads";
import type { Failure, TypeCheckMode } from "../child/frames.ts";
import { type Completions, complete } from "./complete.ts";
import { inspect } from "./inspect.ts";
import { type Completeness, isComplete } from "./is-complete.ts";
import { loops } from "./loops.ts";
import { parseCell } from "./parse.ts";
import { isPlainlySound } from "./plainly-sound.ts";
import { type CellMap, eraseExpression, transform } from "./transform.ts";
import { type Diagnostic, type TypeService, typeService } from "./type-service.ts";

export type LanguageRequest =
  | {
      readonly op: "prepare";
      readonly code: string;
      readonly name: string;
      readonly typeCheck: TypeCheckMode;
      readonly expressions: Readonly<Record<string, string>>;
    }
  | { readonly op: "complete"; readonly code: string; readonly offset: number }
  | { readonly op: "inspect"; readonly code: string; readonly offset: number; readonly detail: number }
  | { readonly op: "isComplete"; readonly code: string }
  | { readonly op: "reset" }
  | { readonly op: "warm"; readonly what: "check" | "complete" };

export type Prepared =
  | {
      readonly ok: true;
      readonly script: string;
      readonly map: CellMap;
      readonly expressions: Readonly<Record<string, string>>;
      readonly warning?: string;
    }
  | { readonly ok: false; readonly failure: Failure };

export interface LanguageAnswers {
  readonly prepare: Prepared;
  readonly complete: Completions;
  readonly inspect: Record<string, string> | null;
  readonly isComplete: Completeness;
  readonly reset: null;
  readonly warm: null;
}

const RED = "\u001b[31m";
const CYAN = "\u001b[36m";
const RESET = "\u001b[0m";

let service: TypeService | null = null;
const types = (): TypeService => {
  service ??= typeService((workerData as { folder: string }).folder);
  return service;
};

const session = loops();

interface Fault {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A fault with its line of the cell and a mark under the column. */
const show = (title: string, { message, line, column }: Fault, code: string, name: string): string =>
  [
    `${CYAN}${name}:${line}:${column}${RESET} ${RED}${title}${RESET} ${message}`,
    `  ${code.split("\n")[line - 1] ?? ""}`,
    `  ${" ".repeat(column - 1)}${RED}^${RESET}`,
  ].join("\n");

const typeFailure = (diagnostics: readonly Diagnostic[], code: string, name: string): Failure => {
  const [first] = diagnostics;
  return {
    ename: "TypeScriptError",
    evalue: `${name}:${first!.line}:${first!.column} ${first!.message} (TS${first!.code})`,
    traceback: diagnostics.map((found) => show(`TS${found.code}`, found, code, name)),
  };
};

/** `// @ts-nocheck` on top leaves a cell unchecked, as it does a file. */
const isUnchecked = (code: string): boolean => /^(\s|\/\/[^\n]*\n)*\/\/\s*@ts-nocheck\b/.test(code);

function prepare(request: Extract<LanguageRequest, { op: "prepare" }>): Prepared {
  const { code, name, typeCheck } = request;
  const { experimentalDecorators, emitDecoratorMetadata } = service?.options ?? {};
  const transformed = transform(code, {
    loops: session.edits,
    ...(experimentalDecorators === undefined ? {} : { experimentalDecorators }),
    ...(emitDecoratorMetadata === undefined ? {} : { emitDecoratorMetadata }),
  });
  if (!transformed.ok) {
    const traceback = [show("SyntaxError", transformed, code, name)];
    return { ok: false, failure: { ename: "SyntaxError", evalue: transformed.message, traceback } };
  }
  const { script, map } = transformed;
  const unchecked = typeCheck === "off" || isUnchecked(code) || isPlainlySound(code, types().isKnown);
  const { diagnostics, fault } = unchecked ? { diagnostics: [], fault: "" } : checked(code);
  if (diagnostics.length > 0 && typeCheck === "error")
    return { ok: false, failure: typeFailure(diagnostics, code, name) };
  types().commit(code);
  for (const text of [code, ...Object.values(request.expressions)]) session.commit(parseCell(text).source);
  const found = diagnostics.length === 0 ? [] : typeFailure(diagnostics, code, name).traceback;
  const warning = [...found, ...(fault === "" ? [] : [fault])];
  const expressions = Object.fromEntries(
    Object.entries(request.expressions).map(([key, expression]) => [key, eraseExpression(expression)]),
  );
  return {
    ok: true,
    script,
    map,
    expressions,
    ...(warning.length === 0 ? {} : { warning: `${warning.join("\n")}\n` }),
  };
}

/** The compiler's own faults leave a cell unchecked; they are no reason not to run it. */
function checked(code: string): { diagnostics: readonly Diagnostic[]; fault: string } {
  try {
    return { diagnostics: types().check(code), fault: "" };
  } catch (error) {
    return { diagnostics: [], fault: `[kernel] This cell was not checked: ${(error as Error).message}` };
  }
}

function answer(request: LanguageRequest): LanguageAnswers[keyof LanguageAnswers] {
  switch (request.op) {
    case "prepare":
      return prepare(request);
    case "complete":
      return complete(types(), request.code, request.offset);
    case "inspect":
      return inspect(types(), request.code, request.offset, request.detail);
    case "isComplete":
      return isComplete(request.code);
    case "reset":
      service?.reset();
      session.reset();
      return null;
    case "warm":
      if (request.what === "check") types().check("1;");
      else complete(types(), "c", 1);
      return null;
  }
}

parentPort?.on("message", ({ id, request }: { id: number; request: LanguageRequest }) => {
  try {
    parentPort?.postMessage({ id, value: answer(request) });
  } catch (error) {
    parentPort?.postMessage({ id, fault: (error as Error).stack ?? String(error) });
  }
});
