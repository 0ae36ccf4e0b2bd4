/** Quality against cost: every configuration a point, and the front that no other configuration beats on both. */
import { type Chart, chart } from "./chart.ts";
import {
  emptySpec,
  frame,
  legendFocus,
  paddedDomain,
  quantity,
  type ScoreOptions,
  seriesCues,
  tidy,
  tip,
} from "./frame.ts";
import { budgetTicks, scoreTitle } from "./nfe-versus-score.ts";
import type { Spec } from "./render.ts";
import { groupBy, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { average } from "./series.ts";
import { faint, ink } from "./theme.ts";

export interface ParetoOptions extends Omit<ScoreOptions, "unit"> {
  /** Column of the cost; default "nfe". */
  readonly cost?: string;
  /** Column that names a configuration; rows with equal `by` and `label` are averaged. Default "n". */
  readonly label?: string;
  readonly isLog?: boolean;
  readonly xTitle?: string;
  readonly yTitle?: string;
}

export function paretoFront(source: RowSource, options: ParetoOptions = {}): Chart {
  return chart("paretoFront", rowsOf(source, "search"), (rows) => build(rows, options));
}

function build(rows: readonly Row[], options: ParetoOptions): Spec {
  const { cost = "nfe", score = "score", by = "strategy", label = "n", isLog = true } = options;
  const { width = 520, height = 320, title = "Quality against cost" } = options;
  requireColumns("paretoFront", rows, [cost, score, by]);
  const points = [...groupBy(rows, (row) => `${textAt(row, by)}|${textAt(row, label)}`).values()]
    .map((group) => ({
      series: textAt(group[0]!, by),
      label: textAt(group[0]!, label),
      cost: tidy(average(group, cost)),
      score: tidy(average(group, score)),
    }))
    .filter((point) => Number.isFinite(point.cost + point.score) && (!isLog || point.cost > 0));
  if (points.length === 0) return emptySpec(title, width, height);
  const front = points
    .filter(
      (p) =>
        !points.some((q) => q.cost <= p.cost && q.score >= p.score && (q.cost < p.cost || q.score > p.score)),
    )
    .sort((a, b) => a.cost - b.cost);
  const onFront = new Set(front);
  const names = [...new Set(points.map((point) => point.series))];
  const x = {
    ...quantity(
      "cost",
      options.xTitle ?? (cost === "nfe" ? "NFE (log scale)" : cost),
      {},
      isLog
        ? { values: budgetTicks(points.map((point) => ({ x: point.cost }))), format: "~r" }
        : { format: points.some((point) => Math.abs(point.cost) >= 10) ? "~s" : "~r", tickCount: 7 },
    ),
    scale: { ...(isLog ? { type: "log", base: 2 } : {}), nice: false, padding: 16 },
  };
  const scores = points.map((point) => point.score);
  const y = quantity(
    "score",
    options.yTitle ?? scoreTitle(rows, score),
    { domain: paddedDomain(scores, 0.1) },
    { tickCount: 6, format: ".3~f" },
  );
  return frame(
    {
      title,
      subtitle: options.subtitle ?? "Stepped line: the Pareto front. Faint points are beaten on both axes.",
      description: `Scatter of score against cost; on the front: ${front.map((p) => `${p.series}${p.label ? ` ${p.label}` : ""}`).join(", ")}.`,
      datasets: { points: points.map((point) => ({ ...point, onFront: onFront.has(point) })), front },
    },
    {
      width,
      height,
      layer: [
        {
          data: { name: "front" },
          mark: {
            type: "line",
            interpolate: "step-after",
            strokeWidth: 1.75,
            strokeDash: [6, 3],
            color: faint,
          },
          encoding: { x, y },
        },
        {
          data: { name: "points" },
          params: [legendFocus("series")],
          mark: { type: "point", filled: true, size: 95 },
          encoding: {
            x,
            y,
            ...seriesCues(names),
            opacity: {
              condition: [
                { test: { and: [{ param: "focus", empty: true }, "datum.onFront"] }, value: 1 },
                { param: "focus", empty: true, value: 0.5 },
              ],
              value: 0.08,
            },
            tooltip: [
              tip("series", by),
              tip("label", label),
              tip("cost", cost, ",.4~r"),
              tip("score", score, ".4~f"),
            ],
          },
        },
        {
          data: { name: "points" },
          transform: [{ filter: "datum.onFront && datum.label !== datum.series" }],
          mark: {
            type: "text",
            align: "right",
            baseline: "bottom",
            dx: -7,
            dy: -4,
            fontSize: 10.5,
            color: ink,
          },
          encoding: { x, y, text: { field: "label", type: "nominal" } },
        },
      ],
    },
  );
}
