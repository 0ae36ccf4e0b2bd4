/** A cell as a syntax tree, always read as a module so that `await (x)` is an await and not a call. */
import type TS from "typescript";
import ts from "./typescript.ts";

export interface SyntaxFault {
  readonly message: string;
  readonly code: number;
  /** UTF-16 offset into the cell. */
  readonly start: number;
  readonly length: number;
}

export interface ParsedCell {
  readonly source: TS.SourceFile;
  readonly faults: readonly SyntaxFault[];
}

/** Fields that the compiler sets and its declarations hide. */
interface Internals {
  externalModuleIndicator?: boolean;
  parseDiagnostics?: readonly TS.DiagnosticWithLocation[];
}

export function parseCell(code: string, fileName = "cell.ts"): ParsedCell {
  const source = ts.createSourceFile(
    fileName,
    code,
    {
      languageVersion: ts.ScriptTarget.Latest,
      setExternalModuleIndicator: (file) => {
        (file as unknown as Internals).externalModuleIndicator = true;
      },
    },
    true,
  );
  const faults = ((source as unknown as Internals).parseDiagnostics ?? []).map((fault) => ({
    message: ts.flattenDiagnosticMessageText(fault.messageText, "\n"),
    code: fault.code,
    start: fault.start,
    length: fault.length,
  }));
  return { source, faults };
}

/** Text position in the notation of editors: both numbers start at 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export function positionAt(source: TS.SourceFile, offset: number): Position {
  const { line, character } = source.getLineAndCharacterOfPosition(
    Math.min(Math.max(0, offset), source.text.length),
  );
  return { line: line + 1, column: character + 1 };
}

/** `{ a: 1 }` alone reads as a block with a label; as in other consoles it means the object, in parentheses. */
export function isObjectAlone(code: string): boolean {
  const text = code.trim();
  if (!text.startsWith("{") || !text.endsWith("}") || text === "{}") return false;
  return parseCell(code).source.statements.length <= 2 && parseCell(`(${code})`).faults.length === 0;
}
