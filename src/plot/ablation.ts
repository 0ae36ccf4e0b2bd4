/**
 * Score against one setting: the shift factor (Resampling Forcing, 2512.15702, Fig. 6), routing's top-k (Fig. 7), or
 * any other number. The highest mean of each method is ringed; a setting without a number (dense) is a reference line.
 */
import { type Chart, chart } from "./chart.ts";
import { curve, type Reference } from "./curve.ts";
import { emptySpec, frame } from "./frame.ts";
import { scoreTitle } from "./nfe-versus-score.ts";
import type { Spec } from "./render.ts";
import { type Row, type RowSource, requireColumns, rowsOf } from "./row.ts";
import { bandNote, droppedNote, type ScoreCurveOptions, seriesPoints } from "./series.ts";
import { methodColors } from "./theme.ts";

export interface AblationOptions extends ScoreCurveOptions {
  /** Column of the setting, e.g. "shift" or "topK". */
  readonly setting: string;
  readonly references?: readonly Reference[];
  readonly xTitle?: string;
}

/**
 * @throws TypeError when no setting is named, or the rows have no such column
 * @example ablation(run, { setting: "shift", xTitle: "shift factor s" })
 */
export function ablation(source: RowSource, options: AblationOptions): Chart {
  // A cell may run with its types unchecked.
  const setting: unknown = options?.setting;
  if (typeof setting !== "string" || setting === "") {
    throw new TypeError(
      `Cannot draw ablation as "setting" must name the column of what was varied: got ${JSON.stringify(setting)}. Give it, as in ablation(rows, { setting: "shift" }).`,
    );
  }
  return chart("ablation", rowsOf(source, "ablation"), (rows) => build(rows, options));
}

function build(rows: readonly Row[], options: AblationOptions): Spec {
  const { setting, score = "score", by = "method", unit = "seed", band = "ci95", references = [] } = options;
  const { width = 420, height = 280, title = `Ablation of ${setting}` } = options;
  requireColumns("ablation", rows, [score, setting]);
  const named: readonly Row[] = rows.map((row) => (row[by] === undefined ? { ...row, [by]: score } : row));
  const points = seriesPoints(named, { x: setting, y: score, by, unit, band });
  if (points.length === 0) return emptySpec(title, width, height);
  const xs = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const isLog = xs[0]! > 0 && xs.at(-1)! / xs[0]! >= 8;
  const names = [...new Set(points.map((point) => point.series))];
  const best = names.map((name) =>
    points
      .filter((point) => point.series === name)
      .reduce((top, point) => (point.mean > top.mean ? point : top)),
  );
  const yTitle = options.yTitle ?? scoreTitle(rows, score);
  const { datasets, body } = curve({
    points,
    references,
    width,
    height,
    xTitle: options.xTitle ?? setting,
    yTitle,
    seriesTitle: by,
    xFormat: "~r",
    xScale: isLog
      ? { type: "log", base: 2, nice: false, padding: 12 }
      : { zero: false, nice: false, padding: 12 },
    xAxis: { values: xs, format: "~r", labelOverlap: "greedy" },
    layers: () => [
      {
        data: { name: "best" },
        mark: { type: "point", size: 220, strokeWidth: 2, filled: false, opacity: 1 },
        encoding: {
          x: { field: "x", type: "quantitative" },
          y: { field: "mean", type: "quantitative", title: yTitle },
          color: { field: "series", type: "nominal", scale: methodColors(names), legend: null },
        },
      },
    ],
  });
  const said = best.map(
    (point) => `${point.series} is highest at ${setting} = ${point.x} (${point.mean.toPrecision(4)})`,
  );
  return frame(
    {
      title,
      subtitle: options.subtitle ?? [
        `${bandNote(points, unit, band)} Ring: highest mean.`,
        droppedNote(rows, [score, setting]),
      ],
      description: `Line chart of score against ${setting}: ${said.join("; ")}.`,
      datasets: { ...datasets, best },
    },
    body,
  );
}
