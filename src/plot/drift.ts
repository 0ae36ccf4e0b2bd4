/**
 * Quality over the segments of a long roll-out, one line a method (Resampling Forcing, 2512.15702, Table 1 as a picture):
 * a flat line does not drift. `relativeToFirst` shows each method relative to its first segment.
 */
import { type Chart, chart } from "./chart.ts";
import { curve } from "./curve.ts";
import { emptySpec, frame } from "./frame.ts";
import { scoreTitle } from "./nfe-versus-score.ts";
import type { Spec } from "./render.ts";
import { extent, numberAt, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { bandNote, droppedNote, type ScoreCurveOptions, seriesPoints } from "./series.ts";

export interface DriftOptions extends ScoreCurveOptions {
  /** Column of the segment: labels ("0-5 s") or numbers; default "segment". */
  readonly segment?: string;
  /** Difference to the first segment of the same method and unit instead of the score. */
  readonly relativeToFirst?: boolean;
}

export function driftOverSegments(source: RowSource, options: DriftOptions = {}): Chart {
  return chart("driftOverSegments", rowsOf(source, "drift"), (rows) => build(rows, options));
}

function build(rows: readonly Row[], options: DriftOptions): Spec {
  const { score = "score", segment = "segment", by = "method", unit = "seed", band = "ci95" } = options;
  const {
    width = 420,
    height = 300,
    title = "Quality along a long roll-out",
    relativeToFirst = false,
  } = options;
  requireColumns("driftOverSegments", rows, [score, segment, by]);
  const isNumeric = rows.every((row) => typeof row[segment] === "number");
  const labels = [...new Set(rows.map((row) => textAt(row, segment)))];
  const place = (row: Row) => (isNumeric ? numberAt(row, segment) : labels.indexOf(textAt(row, segment)));
  const placed: Row[] = rows.map((row) => ({ ...row, place: place(row) }));
  const shown = relativeToFirst ? relative(placed, score, by, unit) : placed;
  const points = seriesPoints(shown, { x: "place", y: score, by, unit, band });
  if (points.length === 0) return emptySpec(title, width, height);
  const places = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const base = options.yTitle ?? scoreTitle(rows, score);
  const { datasets, body } = curve({
    points,
    width,
    height,
    xTitle: segment,
    yTitle: relativeToFirst ? `${base}: change since the first segment` : base,
    seriesTitle: by,
    ...(relativeToFirst ? { references: [{ label: "", y: 0 }] } : {}),
    xScale: { domain: [places[0], places.at(-1)], nice: false, zero: false, padding: isNumeric ? 4 : 24 },
    xAxis: {
      ...(isNumeric && { format: "~r" }),
      ...(isNumeric && places.length > 12 ? { tickCount: 8 } : { values: places }),
      ...(isNumeric ? {} : { labelExpr: `${JSON.stringify(labels)}[datum.value]` }),
      labelAngle: 0,
    },
    hasPoints: places.length <= 40,
  });
  const names = [...new Set(points.map((point) => point.series))];
  const falls = names.map((name) => {
    const own = points.filter((point) => point.series === name);
    return `${name} ${(own.at(-1)!.mean - own[0]!.mean >= 0 ? "+" : "") + (own.at(-1)!.mean - own[0]!.mean).toPrecision(3)}`;
  });
  return frame(
    {
      title,
      subtitle: options.subtitle ?? [bandNote(points, unit, band), droppedNote(rows, [score])],
      description: `Line chart of score over segments. Change from first to last segment: ${falls.join("; ")}.`,
      datasets,
    },
    body,
  );
}

function relative(rows: readonly Row[], score: string, by: string, unit: string): Row[] {
  const [lowest] = extent(rows.map((row) => numberAt(row, "place")));
  const key = (row: Row) => `${textAt(row, by)}|${textAt(row, unit)}|${textAt(row, "prompt")}`;
  const first = new Map(
    rows.filter((row) => row["place"] === lowest).map((row) => [key(row), numberAt(row, score)] as const),
  );
  return rows.map((row) => ({ ...row, [score]: numberAt(row, score) - (first.get(key(row)) ?? Number.NaN) }));
}
