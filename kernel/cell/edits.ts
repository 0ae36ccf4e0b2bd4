/** Text edits that keep every line where it is, so that only columns have to be mapped back. */

export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Where generated columns come from. Per line (from 1) a list of `[generated column, original column]` from 1: from
 * each generated column on, columns run in parallel.
 */
export type ColumnMap = Readonly<Record<number, readonly (readonly [number, number])[]>>;

export interface Edited {
  readonly text: string;
  readonly columns: ColumnMap;
}

const newlines = (text: string): number => text.split("\n").length - 1;

/**
 * Applies `edits` to `text`. Edits may not overlap; those at one place stay in the given order, insertions before
 * replacements. A replacement that spans lines is padded with line breaks, its own text holds none.
 */
export function applyEdits(text: string, edits: readonly Edit[]): Edited {
  const sorted = edits
    .map((edit, order) => ({ ...edit, order }))
    .sort(
      (a, b) => a.start - b.start || Number(a.end > a.start) - Number(b.end > b.start) || a.order - b.order,
    );
  const columns: Record<number, [number, number][]> = {};
  let out = "";
  let at = 0;
  let line = 1;
  let lineStart = 0; // in the original text
  let outLineStart = 0; // in the generated text
  const mark = (): void => {
    columns[line] ??= [];
    columns[line]!.push([out.length - outLineStart + 1, at - lineStart + 1]);
  };
  const copyTo = (end: number): void => {
    const piece = text.slice(at, end);
    const breaks = newlines(piece);
    if (breaks > 0) {
      line += breaks;
      lineStart = at + piece.lastIndexOf("\n") + 1;
      outLineStart = out.length + piece.lastIndexOf("\n") + 1;
    }
    out += piece;
    at = end;
  };
  for (const edit of sorted) {
    copyTo(edit.start);
    const replaced = text.slice(edit.start, edit.end);
    if (edit.text.length === replaced.length && newlines(replaced) === 0) {
      out += edit.text;
      at = edit.end;
      continue;
    }
    mark(); // What is inserted points at the place where it was inserted.
    out += edit.text;
    const breaks = newlines(replaced);
    if (breaks > 0) {
      out += "\n".repeat(breaks);
      line += breaks;
      lineStart = edit.start + replaced.lastIndexOf("\n") + 1;
      outLineStart = out.length;
    }
    at = edit.end;
    mark();
  }
  copyTo(text.length);
  return { text: out, columns };
}

/** The original column of a generated one, both from 1. */
export function originalColumn(columns: ColumnMap, line: number, column: number): number {
  let found: readonly [number, number] | undefined;
  for (const mark of columns[line] ?? []) {
    if (mark[0] > column) break;
    found = mark;
  }
  return found === undefined ? column : found[1] + (column - found[0]);
}
