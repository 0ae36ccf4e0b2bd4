/**
 * How well a result came back:
 *
 *   bit-exact                 the same JSON, to the last digit
 *   within tolerance          the same rows, numbers within a relative tolerance
 *   statistically equivalent  the same rows by name, and each numeric column equal in the mean by TOST (margin: a fifth
 *                             of the original's standard deviation, alpha 0.05), rows paired
 *   drifted                   anything else that did come back
 *   not re-runnable           it did not come back, and why
 *
 * Columns that measure time are left out of the comparison, because no machine repeats them; they are named.
 */

import { variance } from "../../metrics/statistics/summary.ts";
import { equivalenceTest } from "../../metrics/statistics/tests.ts";
import type { Row } from "../../plot/row.ts";
import { hashOf, type PayloadClaim, type PayloadFigure } from "./payload.ts";

export const gradeNames = [
  "bit-exact",
  "within tolerance",
  "statistically equivalent",
  "drifted",
  "not re-runnable",
] as const;

export type GradeName = (typeof gradeNames)[number];

export interface Grade {
  readonly grade: GradeName;
  readonly why: string;
}

/** Relative tolerance of numbers: float32 results differ by this between backends. */
export const defaultTolerance = 1e-5;

const isTime = (column: string) =>
  /seconds|persecond|millis|duration|^ms$|^time$|wall|pastshare/i.test(column);

function isClose(a: unknown, b: unknown, tolerance: number): boolean {
  if (typeof a !== "number" || typeof b !== "number") return hashOf(a ?? null) === hashOf(b ?? null);
  if (Object.is(a, b)) return true;
  return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b), 1e-3);
}

export function gradeRows(
  before: readonly Row[],
  after: readonly Row[],
  tolerance = defaultTolerance,
): Grade {
  const columns = [...new Set([...before, ...after].flatMap((row) => Object.keys(row)))];
  const times = columns.filter(isTime);
  const compared = columns.filter((column) => !isTime(column));
  const skipped = times.length > 0 ? ` Not compared: ${times.join(", ")}.` : "";
  if (before.length !== after.length) {
    return { grade: "drifted", why: `${before.length} rows became ${after.length}.${skipped}` };
  }
  const isEqual = before.every((row, i) =>
    compared.every((column) => hashOf(row[column] ?? null) === hashOf(after[i]![column] ?? null)),
  );
  if (isEqual) return { grade: "bit-exact", why: `${before.length} rows are the same.${skipped}` };
  const isNear = before.every((row, i) =>
    compared.every((column) => isClose(row[column], after[i]![column], tolerance)),
  );
  if (isNear)
    return {
      grade: "within tolerance",
      why: `All numbers agree within ${tolerance} of their size.${skipped}`,
    };
  return equivalence(before, after, compared, skipped);
}

function equivalence(
  before: readonly Row[],
  after: readonly Row[],
  columns: readonly string[],
  skipped: string,
): Grade {
  const pairs = pairRows(before, after, columns);
  if (pairs === undefined)
    return { grade: "drifted", why: `Names in the rows changed, so they cannot be paired.${skipped}` };
  let worst = { column: "", p: 0 };
  for (const column of columns) {
    const values = pairs
      .map(([a, b]) => [a[column], b[column]] as const)
      .filter((pair): pair is readonly [number, number] =>
        pair.every((value) => typeof value === "number" && Number.isFinite(value)),
      );
    if (values.every(([a, b]) => a === b)) continue;
    const spread = Math.sqrt(variance(values.map(([a]) => a)));
    if (values.length < 5 || !(spread > 0)) {
      return {
        grade: "drifted",
        why: `"${column}" changed, and ${values.length} pairs are too few to test equivalence.${skipped}`,
      };
    }
    const { p } = equivalenceTest(
      values.map(([a, b]) => b - a),
      spread / 5,
    );
    if (p > worst.p || worst.column === "") worst = { column, p };
  }
  const said = `"${worst.column}" is the least sure (TOST p = ${worst.p.toPrecision(2)})`;
  return worst.p < 0.05
    ? { grade: "statistically equivalent", why: `Every column is equal in the mean; ${said}.${skipped}` }
    : { grade: "drifted", why: `Not equal in the mean: ${said}.${skipped}` };
}

/** Rows in pairs of the same names: by position where all texts agree there, else by their texts. */
function pairRows(
  before: readonly Row[],
  after: readonly Row[],
  columns: readonly string[],
): [Row, Row][] | undefined {
  const named = columns.filter((column) =>
    [...before, ...after].some((row) => typeof row[column] === "string"),
  );
  const counters = columns.filter((column) =>
    /^(seed|step|n|budget|chunk|picked|layer|head|generation|units)$/.test(column),
  );
  const key = (row: Row) => hashOf([...named, ...counters].map((column) => row[column] ?? null));
  if (before.every((row, i) => key(row) === key(after[i]!))) return before.map((row, i) => [row, after[i]!]);
  const waiting = new Map<string, Row[]>();
  for (const row of after) waiting.set(key(row), [...(waiting.get(key(row)) ?? []), row]);
  const pairs: [Row, Row][] = [];
  for (const row of before) {
    const partner = waiting.get(key(row))?.shift();
    if (partner === undefined) return undefined;
    pairs.push([row, partner]);
  }
  return pairs;
}

export function gradeFigure(
  before: PayloadFigure,
  after: PayloadFigure | undefined,
  tolerance = defaultTolerance,
): Grade {
  if (after === undefined)
    return { grade: "not re-runnable", why: "The re-run made no figure of this title." };
  if (hashOf(before.spec) === hashOf(after.spec) && hashOf(before.rows) === hashOf(after.rows)) {
    return { grade: "bit-exact", why: "The chart and its data are the same." };
  }
  const rows = gradeRows(before.rows, after.rows, tolerance);
  if (rows.grade !== "bit-exact" || hashOf(shape(before.spec)) === hashOf(shape(after.spec))) return rows;
  return { grade: "drifted", why: "The data are the same, but the chart is drawn differently." };
}

/** A spec without its data, its texts (which quote numbers) and its numbers: what kind of picture it is. */
function shape(spec: unknown): unknown {
  if (Array.isArray(spec)) return spec.map(shape);
  if (typeof spec !== "object" || spec === null) return typeof spec === "number" ? 0 : spec;
  return Object.fromEntries(
    Object.entries(spec)
      .filter(([key]) => !["datasets", "values", "description", "title", "config"].includes(key))
      .map(([key, value]) => [key, shape(value)]),
  );
}

function inWords({ verdict, estimate, low, high }: PayloadClaim): string {
  const [at, from, to] = [estimate, low, high].map((value) => Number(Number(value).toPrecision(6)));
  return `${verdict} ${at} [${from}, ${to}]`;
}

export function gradeClaim(
  before: PayloadClaim,
  after: PayloadClaim | undefined,
  tolerance = defaultTolerance,
): Grade {
  if (after === undefined) return { grade: "not re-runnable", why: "The re-run made no such claim." };
  const numbers = (one: PayloadClaim) =>
    [one.estimate, one.low, one.high].map(Number) as [number, number, number];
  const [estimate, low, high] = numbers(before);
  const [again, lowAgain, highAgain] = numbers(after);
  const said = `${inWords(before)}, now ${inWords(after)}`;
  if (before.verdict !== after.verdict) return { grade: "drifted", why: `The verdict changed: ${said}.` };
  const pairs: readonly (readonly [number, number])[] = [
    [estimate, again],
    [low, lowAgain],
    [high, highAgain],
  ];
  if (pairs.every(([a, b]) => Object.is(a, b))) return { grade: "bit-exact", why: `${said}.` };
  if (pairs.every(([a, b]) => isClose(a, b, tolerance)))
    return { grade: "within tolerance", why: `${said}.` };
  const isInside = estimate >= lowAgain && estimate <= highAgain && again >= low && again <= high;
  return isInside
    ? {
        grade: "statistically equivalent",
        why: `Same verdict, each estimate inside the other's interval: ${said}.`,
      }
    : { grade: "drifted", why: `Same verdict, but the estimate left the interval: ${said}.` };
}
