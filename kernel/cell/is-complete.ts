/** `is_complete_request` by the real parser: a cell is incomplete when the parser fails only for want of more text. */
import { parseCell } from "./parse.ts";

export type Completeness =
  | { readonly status: "complete" | "invalid" }
  | { readonly status: "incomplete"; readonly indent: string };

/** Unterminated comment and template: reported where they begin, yet more text can end them. */
const UNTERMINATED = new Set([1010, 1160, 1126]);

/** A string must end on its own line, so more text cannot repair it. */
const UNTERMINATED_STRING = 1002;

const STEP = "  ";

/** Indentation of the line after `code`: that of the last line, one step more behind an open bracket. */
function nextIndent(code: string): string {
  const line = code.trimEnd().split("\n").at(-1) ?? "";
  const present = /^\s*/.exec(line)![0];
  return /[{([]\s*(\/\/.*)?$|=>\s*$/.test(line) ? present + STEP : present;
}

export function isComplete(code: string): Completeness {
  const [fault] = parseCell(code).faults;
  if (fault === undefined) return { status: "complete" };
  // Blank text and comments behind the last token do not make a cell longer.
  const end = code.replace(/(\s|\/\/[^\n]*$)+$/, "").length;
  const wantsMore =
    fault.code !== UNTERMINATED_STRING && (fault.start >= end || UNTERMINATED.has(fault.code));
  return wantsMore ? { status: "incomplete", indent: nextIndent(code) } : { status: "invalid" };
}
