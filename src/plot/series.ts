/**
 * Means and intervals for drawing. Bands are computed here and drawn as they are: Vega's own errorband bootstraps with
 * unseeded randomness in the viewer, so pictures and claims would drift apart.
 */
import { type ScoreOptions, tidy } from "./frame.ts";
import { groupBy, numberAt, type Row, textAt } from "./row.ts";

export interface Point {
  readonly series: string;
  readonly x: number;
  readonly mean: number;
  /** Ends of the 95 % interval; equal to the mean where there are fewer than three units. */
  readonly low: number;
  readonly high: number;
  /** Independent units behind the interval. */
  readonly units: number;
}

export type Band = "ci95" | "none";

/** What all curves of a score take. */
export interface ScoreCurveOptions extends ScoreOptions {
  readonly band?: Band;
  /** Title of the y axis; default from the rows' metric and source. */
  readonly yTitle?: string;
}

/** What curves of a score against NFE take besides. */
export interface CostCurveOptions extends ScoreCurveOptions {
  /** Column of the cost; default "nfe". */
  readonly cost?: string;
  /** Rows of one budget are one point: default "n" where all rows have it, else the cost itself. */
  readonly budget?: string;
}

/** The column that groups rows into points of a cost curve. */
export function budgetColumn(rows: readonly Row[], { budget, cost = "nfe" }: CostCurveOptions): string {
  return budget ?? (rows.every((row) => row["n"] !== undefined) ? "n" : cost);
}

export interface SeriesOptions {
  readonly x: string;
  readonly y: string;
  readonly by: string;
  /** Rows with equal values here are one point; x is then their mean. Default: x itself. */
  readonly budget?: string;
  /** The independent unit of the interval: rows of one unit are averaged first. */
  readonly unit: string;
  readonly band: Band;
}

const t975 = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604,
  2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555,
  2.0518, 2.0484, 2.0452, 2.0423,
];

/** 97.5 % quantile of Student's t; a table to 30 degrees of freedom, then Cornish and Fisher's expansion (error < 1e-4). */
export function studentQuantile(degrees: number): number {
  if (degrees < 1) return Number.NaN;
  const tabled = t975[degrees - 1];
  if (tabled !== undefined) return tabled;
  const z = 1.959964;
  return z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

/** Mean and 95 % t-interval of the mean over independent units. */
export function meanInterval(values: readonly number[]): { mean: number; low: number; high: number } {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, low: mean, high: mean };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = studentQuantile(n - 1) * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half };
}

/** From two units an interval can be computed, but it is thirteen times as wide as their distance: nothing to draw. */
const leastUnits = 3;

/** Points of every series, sorted by x. Rows whose x or y is not finite are left out (count them with `dropped`). */
export function seriesPoints(rows: readonly Row[], options: SeriesOptions): Point[] {
  const { x, y, by, unit, band, budget = x } = options;
  const finite = rows.filter((row) => Number.isFinite(numberAt(row, x)) && Number.isFinite(numberAt(row, y)));
  const points: Point[] = [];
  for (const [series, own] of groupBy(finite, (row) => textAt(row, by))) {
    for (const group of groupBy(own, (row) => textAt(row, budget)).values()) {
      const units = [...groupBy(group, (row) => textAt(row, unit)).values()].map((part) => average(part, y));
      const given = group.length === 1 ? group[0]! : undefined;
      const interval = meanInterval(units);
      const isGiven =
        given && Number.isFinite(numberAt(given, "low")) && Number.isFinite(numberAt(given, "high"));
      const hasBand = band !== "none" && (isGiven || units.length >= leastUnits);
      const low = isGiven ? numberAt(given, "low") : interval.low;
      const high = isGiven ? numberAt(given, "high") : interval.high;
      points.push({
        series,
        x: tidy(average(group, x)),
        mean: tidy(interval.mean),
        low: tidy(hasBand ? low : interval.mean),
        high: tidy(hasBand ? high : interval.mean),
        units: units.length,
      });
    }
  }
  return points.sort((a, b) => (a.series === b.series ? a.x - b.x : 0));
}

export function average(rows: readonly Row[], column: string): number {
  const values = rows.map((row) => numberAt(row, column)).filter(Number.isFinite);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How many rows a chart leaves out because a value is missing or not finite: said in the subtitle, never hidden. */
export function droppedNote(rows: readonly Row[], columns: readonly string[]): string {
  const dropped = rows.filter((row) =>
    columns.some((column) => !Number.isFinite(numberAt(row, column))),
  ).length;
  return dropped === 0 ? "" : `${dropped} of ${rows.length} rows left out: not a finite number.`;
}

/** "95 % interval of the mean over 5 seeds", from what was drawn. */
export function bandNote(points: readonly Point[], unit: string, band: Band): string {
  if (band === "none" || points.length === 0) return "";
  const counts = points.map((point) => point.units);
  const low = Math.min(...counts);
  const high = Math.max(...counts);
  if (high < 2) return "";
  if (high < leastUnits) return `Mean of ${high} ${unit}s: too few for a band.`;
  return `Band: 95 % interval of the mean over ${low === high ? low : `${low} to ${high}`} ${unit}s.`;
}
