/** Completions at a cursor: those of the language service that continue what is typed. */
import type { TypeService } from "./type-service.ts";

export interface CompletionEntry {
  readonly text: string;
  /** Kind as the compiler names it: "function", "const", "class", "property" ... */
  readonly kind: string;
}

export interface Completions {
  readonly entries: readonly CompletionEntry[];
  /** UTF-16 offsets of the text that an entry replaces. */
  readonly start: number;
  readonly end: number;
}

/** More than anyone scrolls through. */
const MOST = 500;
const WORD = /[\p{ID_Continue}$\u200c\u200d]/u;

function wordStart(code: string, offset: number): number {
  let start = offset;
  while (start > 0 && WORD.test(code[start - 1]!)) start--;
  return start;
}

export function complete(types: TypeService, code: string, offset: number): Completions {
  const { service, file, shift } = types.open(code);
  const found = service.getCompletionsAtPosition(file, shift + offset, {});
  let start = wordStart(code, offset);
  let end = offset;
  const span = found?.entries[0]?.replacementSpan ?? found?.optionalReplacementSpan;
  // Inside a string (an import path, a literal type) the service says what to replace.
  if (span !== undefined && span.start - shift >= 0 && span.start - shift <= offset) {
    start = span.start - shift;
    end = Math.max(offset, start);
  }
  const typed = code.slice(start, offset);
  const visible = (found?.entries ?? []).filter(({ name }) => !name.startsWith("__"));
  let chosen = visible.filter(({ name }) => name.startsWith(typed));
  if (chosen.length === 0)
    chosen = visible.filter(({ name }) => name.toLowerCase().startsWith(typed.toLowerCase()));
  const ranked = chosen.sort((a, b) =>
    a.sortText < b.sortText ? -1 : a.sortText > b.sortText ? 1 : a.name < b.name ? -1 : 1,
  );
  return { entries: ranked.slice(0, MOST).map(({ name, kind }) => ({ text: name, kind })), start, end };
}
