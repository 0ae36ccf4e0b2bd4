/** Rows as a table: HTML for front ends, aligned text for logs. */
import { inspect } from "node:util";
import { displayable, escapeHtml } from "./displayable.ts";
import type { Displayable } from "./render.ts";

export type Row = Readonly<Record<string, unknown>> | readonly unknown[];

export interface TableOptions {
  /** Columns to show, in order; all that occur where omitted. */
  readonly columns?: readonly string[];
  /** Rows shown at most. */
  readonly limit?: number;
}

/** Whole numbers as they are, others to six digits. */
function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return typeof value === "object" ? inspect(value, { depth: 1, breakLength: Infinity }) : String(value);
}

/** Shows `rows`: objects by their keys, arrays by position. Throws a TypeError where `rows` cannot be iterated. */
export function table(rows: Iterable<Row>, { columns, limit = 100 }: TableOptions = {}): Displayable {
  if (rows === null || typeof rows !== "object" || !(Symbol.iterator in rows))
    throw new TypeError(
      `Cannot show a table as the rows must be iterable: got ${inspect(rows, { depth: 0 })}. Pass an array of objects.`,
    );
  const all = [...rows];
  const names = columns ?? [...new Set(all.flatMap((row) => Object.keys(row)))];
  const shown = all.slice(0, limit);
  const field = (row: Row, name: string): unknown => (row as Record<string, unknown>)[name];
  const cells = shown.map((row) => names.map((name) => cellText(field(row, name))));
  const isNumeric = names.map(
    (name) => shown.length > 0 && shown.every((row) => typeof field(row, name) === "number"),
  );
  const rest = all.length > limit ? `… ${all.length - limit} more rows` : "";

  const widths = names.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at]!.length)));
  const pad = (text: string, at: number): string =>
    isNumeric[at] ? text.padStart(widths[at]!) : text.padEnd(widths[at]!);
  const line = (texts: readonly string[]): string => texts.map(pad).join("  ").trimEnd();
  const plain = [line(names), widths.map((width) => "─".repeat(width)).join("  "), ...cells.map(line)];

  const align = (at: number): string => (isNumeric[at] ? ' style="text-align:right"' : "");
  const row = (tag: string, texts: readonly string[]): string =>
    `<tr>${texts.map((text, at) => `<${tag}${align(at)}>${escapeHtml(text)}</${tag}>`).join("")}</tr>`;
  const markup = `<table><thead>${row("th", names)}</thead><tbody>${cells.map((texts) => row("td", texts)).join("")}</tbody></table>`;

  return displayable({
    "text/html": rest === "" ? markup : `${markup}<p>${rest}</p>`,
    "text/plain": (rest === "" ? plain : [...plain, rest]).join("\n"),
  });
}
