/**
 * Small multiples of the scaling curve. `strategyPanels` gives each strategy a panel with its seeds as thin lines and
 * the others in grey behind it; `verifierPanels` gives each verifier a panel with all strategies in colour
 * (Video-T1, 2503.18942, Figs. 4 and 5). All panels share both axes.
 */
import { type Chart, chart } from "./chart.ts";
import {
  emptySpec,
  focused,
  frame,
  intervalTips,
  legendFocus,
  paddedDomain,
  quantity,
  seriesCues,
  tidy,
  tip,
} from "./frame.ts";
import { budgetTicks, scoreTitle } from "./nfe-versus-score.ts";
import type { Spec } from "./render.ts";
import { extent, groupBy, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import {
  bandNote,
  budgetColumn,
  type CostCurveOptions,
  droppedNote,
  type Point,
  seriesPoints,
} from "./series.ts";
import { faint, methodColors } from "./theme.ts";

export interface PanelOptions extends CostCurveOptions {
  readonly columns?: number;
}

const xTitle = "NFE (log scale)";

function axes(points: readonly Point[], yTitle: string, extra: readonly number[] = []) {
  const domain = paddedDomain([...points.flatMap((point) => [point.low, point.high]), ...extra]);
  const [least, most] = extent(points.map((point) => point.x));
  const ends = [tidy(least / 1.1), tidy(most * 1.1)];
  const x = {
    ...quantity(
      "x",
      xTitle,
      {},
      { values: budgetTicks(points, 4), format: "~r", grid: true, gridOpacity: 0.12 },
    ),
    scale: { type: "log", base: 2, nice: false, domain: ends },
  };
  const y = quantity("mean", yTitle, { domain }, { tickCount: 5, format: ".3~f" });
  return { x, y };
}

const pointTips = (points: readonly Point[]): Spec[] => [
  tip("series", "method"),
  tip("x", "NFE", ",.0f"),
  tip("mean", "mean", ".4~f"),
  ...intervalTips(points),
];

/** One panel a strategy: its mean, band and seeds in colour, the others in grey. */
export function strategyPanels(source: RowSource, options: PanelOptions = {}): Chart {
  return chart("strategyPanels", rowsOf(source, "search"), (rows) => strategies(rows, options));
}

function strategies(rows: readonly Row[], options: PanelOptions): Spec {
  const { score = "score", cost = "nfe", by = "strategy", unit = "seed", band = "ci95" } = options;
  const { width = 210, height = 170, title = "Each strategy against the others" } = options;
  requireColumns("strategyPanels", rows, [score, cost, by]);
  const budget = budgetColumn(rows, options);
  const select = { x: cost, y: score, by, budget, unit, band };
  const points = seriesPoints(rows, select).filter((point) => point.x > 0);
  if (points.length === 0) return emptySpec(title, width * 2, height);
  const names = [...new Set(points.map((point) => point.series))];
  const seeds = names.flatMap((panel) =>
    [
      ...groupBy(
        rows.filter((row) => textAt(row, by) === panel),
        (row) => textAt(row, unit),
      ),
    ].flatMap(([seed, part]) =>
      seriesPoints(part, { ...select, band: "none" }).map((p) => ({ panel, seed, x: p.x, mean: p.mean })),
    ),
  );
  const marks = names.flatMap((panel) =>
    points.map((point) => ({ panel, role: point.series === panel ? "own" : "other", ...point })),
  );
  const yTitle = options.yTitle ?? scoreTitle(rows, score);
  const { x, y } = axes(
    points,
    yTitle,
    seeds.map((point) => point.mean),
  );
  const color = { field: "panel", type: "nominal", scale: methodColors(names), legend: null };
  const own = [{ filter: "datum.role === 'own'" }];
  return frame(
    {
      title,
      subtitle: options.subtitle ?? [
        `${bandNote(points, unit, band)} Thin lines: single ${unit}s. Grey: the other strategies.`,
        droppedNote(rows, [score, cost]),
      ],
      description: `Small multiples of score against NFE, one panel each for ${names.join(", ")}.`,
      datasets: { marks: [...marks, ...seeds.map((point) => ({ ...point, role: "seed" }))] },
    },
    {
      data: { name: "marks" },
      facet: { field: "panel", type: "nominal", title: null, sort: names },
      columns: options.columns ?? (names.length === 4 ? 2 : 3),
      spec: {
        width,
        height,
        layer: [
          {
            transform: [{ filter: "datum.role === 'other'" }],
            mark: { type: "line", color: faint, strokeWidth: 1.25, opacity: 0.45 },
            encoding: { x, y, detail: { field: "series", type: "nominal" } },
          },
          {
            transform: own,
            mark: { type: "area", opacity: 0.17 },
            encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
          },
          {
            transform: [{ filter: "datum.role === 'seed'" }],
            mark: { type: "line", strokeWidth: 0.8, opacity: 0.5 },
            encoding: { x, y, color, detail: { field: "seed", type: "nominal" } },
          },
          { transform: own, mark: { type: "line", strokeWidth: 2.25 }, encoding: { x, y, color } },
          {
            transform: own,
            mark: { type: "point", filled: true, size: 45, opacity: 1 },
            encoding: { x, y, color, tooltip: pointTips(points) },
          },
        ],
      },
      spacing: { row: 26, column: 22 },
    },
  );
}

/** One panel a verifier, all strategies in colour. */
export function verifierPanels(source: RowSource, options: PanelOptions & { panel?: string } = {}): Chart {
  return chart("verifierPanels", rowsOf(source, "search"), (rows) => verifiers(rows, options));
}

function verifiers(rows: readonly Row[], options: PanelOptions & { panel?: string }): Spec {
  const {
    score = "score",
    cost = "nfe",
    by = "strategy",
    unit = "seed",
    band = "ci95",
    columns = 3,
  } = options;
  const { width = 200, height = 170, title = "What each verifier buys", panel = "verifier" } = options;
  requireColumns("verifierPanels", rows, [score, cost, by, panel]);
  const budget = budgetColumn(rows, options);
  const marks = [...groupBy(rows, (row) => textAt(row, panel))].flatMap(([name, part]) =>
    seriesPoints(part, { x: cost, y: score, by, budget, unit, band })
      .filter((point) => point.x > 0)
      .map((point) => ({ panel: name, ...point })),
  );
  if (marks.length === 0) return emptySpec(title, width * 2, height);
  const names = [...new Set(marks.map((point) => point.series))];
  const { x, y } = axes(marks, options.yTitle ?? scoreTitle(rows, score));
  const cues = seriesCues(names);
  const legend = { orient: "top", direction: "horizontal", offset: 12, symbolOpacity: 1 };
  const color = { ...cues.color, legend };
  return frame(
    {
      title,
      subtitle: options.subtitle ?? [
        `${bandNote(marks, unit, band)} Click the legend to single out a method.`,
        droppedNote(rows, [score, cost]),
      ],
      description: `Small multiples of score against NFE, one panel each for the verifiers ${[...new Set(marks.map((mark) => mark.panel))].join(", ")}; lines are ${names.join(", ")}.`,
      datasets: { marks },
    },
    {
      data: { name: "marks" },
      facet: {
        field: "panel",
        type: "nominal",
        title: null,
        sort: [...new Set(marks.map((mark) => mark.panel))],
      },
      columns,
      spec: {
        width,
        height,
        layer: [
          {
            mark: { type: "area" },
            encoding: {
              x,
              y: { ...y, field: "low" },
              y2: { field: "high" },
              color,
              opacity: focused(0.15, 0.03),
            },
          },
          { mark: { type: "line", strokeWidth: 2 }, encoding: { x, y, color, opacity: focused(1, 0.15) } },
          {
            params: [legendFocus("series")],
            mark: { type: "point", filled: true, size: 40 },
            encoding: {
              x,
              y,
              color,
              shape: cues.shape,
              opacity: focused(1, 0.15),
              tooltip: pointTips(marks),
            },
          },
        ],
      },
      spacing: { row: 26, column: 22 },
    },
  );
}
