/** What every chart takes: flat rows, or anything that holds rows by kind (a run). */

export type Cell = string | number | boolean | null | undefined;
export type Row = Readonly<Record<string, Cell>>;

/** A run, seen from here: rows by kind. */
export interface RowHolder {
  rows(kind: string): readonly Row[];
}

export type RowSource = readonly Row[] | RowHolder;

/** The rows of a source; a holder is asked for `kind`. */
export function rowsOf(source: RowSource, kind: string): readonly Row[] {
  return Array.isArray(source) ? source : (source as RowHolder).rows(kind);
}

/** The number in a column, or NaN where the cell is empty, text, or not finite. */
export function numberAt(row: Row, column: string): number {
  const value = row[column];
  return typeof value === "number" && Number.isFinite(value) ? value : Number.NaN;
}

/** The text in a column ("" where empty). */
export function textAt(row: Row, column: string): string {
  const value = row[column];
  return value === undefined || value === null ? "" : String(value);
}

/** @throws TypeError naming the first missing column and what the rows have instead. */
export function requireColumns(chart: string, rows: readonly Row[], columns: readonly string[]): void {
  const present = new Set(rows.flatMap((row) => Object.keys(row)));
  if (rows.length === 0) return;
  for (const column of columns) {
    if (!present.has(column)) {
      throw new TypeError(
        `Cannot draw ${chart} without the column "${column}": the rows have ${[...present].map((name) => `"${name}"`).join(", ")}. Name another column in the options.`,
      );
    }
  }
}

/** Lowest and highest of any number of values; [Infinity, -Infinity] of none. */
export function extent(values: Iterable<number>): [low: number, high: number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

/** Groups in order of first appearance. */
export function groupBy<K>(rows: readonly Row[], key: (row: Row) => K): Map<K, Row[]> {
  const groups = new Map<K, Row[]>();
  for (const row of rows) {
    const name = key(row);
    const group = groups.get(name);
    if (group) group.push(row);
    else groups.set(name, [row]);
  }
  return groups;
}
