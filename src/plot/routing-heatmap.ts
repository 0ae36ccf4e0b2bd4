/**
 * How often history routing selects each earlier chunk: query chunk down, history chunk across (Resampling Forcing,
 * 2512.15702, Fig. 8), as one picture or as panels by layer, head or sampling step. Outlines mark the sink (first chunk)
 * and the newest chunk; the subtitle says how much of all selections they get.
 */
import { type Chart, chart } from "./chart.ts";
import { emptySpec, type FrameOptions, frame, tidy } from "./frame.ts";
import type { Spec } from "./render.ts";
import {
  extent,
  groupBy,
  numberAt,
  type Row,
  type RowSource,
  requireColumns,
  rowsOf,
  textAt,
} from "./row.ts";
import { average } from "./series.ts";

export interface RoutingHeatmapOptions extends FrameOptions {
  /** Columns: the chunk in work, the history chunk it picked, and how often, in [0, 1]. */
  readonly chunk?: string;
  readonly picked?: string;
  readonly frequency?: string;
  /** Panels by this column; without it all layers, heads and steps are averaged. */
  readonly panel?: "layer" | "head" | "step" | (string & {});
  readonly columns?: number;
}

export function routingHeatmap(source: RowSource, options: RoutingHeatmapOptions = {}): Chart {
  return chart("routingHeatmap", rowsOf(source, "routing"), (rows) => build(rows, options));
}

type Cell = {
  readonly panel: string;
  readonly query: number;
  readonly chunk: number;
  readonly frequency: number;
};

function build(rows: readonly Row[], options: RoutingHeatmapOptions): Spec {
  const {
    chunk: query = "chunk",
    picked: history = "picked",
    frequency = "frequency",
    panel,
    columns = 3,
  } = options;
  const { title = "Which history chunks routing selects" } = options;
  requireColumns("routingHeatmap", rows, [query, history, frequency, ...(panel ? [panel] : [])]);
  const cells: Cell[] = [
    ...groupBy(rows, (row) => `${panel ? textAt(row, panel) : ""}|${row[query]}|${row[history]}`),
  ]
    .map(([, group]) => ({
      panel: panel ? `${panel} ${textAt(group[0]!, panel)}` : "",
      query: numberAt(group[0]!, query),
      chunk: numberAt(group[0]!, history),
      frequency: Number(average(group, frequency).toFixed(4)),
    }))
    .filter((cell) => Number.isFinite(cell.query + cell.chunk + cell.frequency));
  if (cells.length === 0) return emptySpec(title, options.width ?? 360, options.height ?? 300);
  const numQueries = new Set(cells.map((cell) => cell.query)).size;
  const side = Math.max(8, Math.min(26, Math.floor((panel ? 180 : 400) / numQueries)));
  const isLabelled = numQueries <= 12 && !panel;
  // Round corners of small cells would only make a pattern of dots.
  const cornerRadius = side >= 14 ? 1.5 : 0;
  const [, highest] = extent(cells.map((cell) => cell.frequency));
  // A line of the picture is a row of lists: a saved notebook writes one line of text a value.
  const lines = [...groupBy(cells, (cell) => `${cell.panel}|${cell.query}`).values()].map((line) => ({
    ...(panel ? { panel: line[0]!.panel } : {}),
    query: line[0]!.query,
    chunk: line.map((cell) => cell.chunk),
    frequency: line.map((cell) => cell.frequency),
  }));
  const transform = [{ flatten: ["chunk", "frequency"] }];
  const every = Math.ceil(numQueries / (panel ? 7 : 14));
  const values = [...new Set(cells.flatMap((cell) => [cell.query, cell.chunk]))]
    .sort((a, b) => a - b)
    .filter((_, i) => i % every === 0);
  const x = {
    field: "chunk",
    type: "ordinal",
    title: "history chunk",
    axis: { labelAngle: 0, values, ticks: false, domain: false },
  };
  const y = {
    field: "query",
    type: "ordinal",
    title: "query chunk",
    axis: { values, ticks: false, domain: false },
  };
  const step = { step: isLabelled ? Math.max(side, 34) : side };
  const body: Spec = {
    width: options.width ?? step,
    height: options.height ?? { step: isLabelled ? 26 : side },
    layer: [
      {
        mark: { type: "rect", cornerRadius, aria: false },
        encoding: {
          x,
          y,
          color: {
            field: "frequency",
            type: "quantitative",
            title: "selected",
            scale: { scheme: "viridis", domain: [0, tidy(highest)] },
            legend: { format: ".0%", gradientLength: 140 },
          },
          tooltip: [
            ...(panel ? [{ field: "panel", type: "nominal", title: "panel" }] : []),
            { field: "query", type: "ordinal", title: "query chunk" },
            { field: "chunk", type: "ordinal", title: "history chunk" },
            { field: "frequency", type: "quantitative", title: "selected", format: ".1%" },
          ],
        },
      },
      {
        transform: [
          { calculate: "datum.chunk === 0 ? 'sink' : 'newest'", as: "role" },
          { filter: "datum.chunk === 0 || datum.chunk === datum.query - 1" },
        ],
        mark: { type: "rect", filled: false, cornerRadius, strokeWidth: 1.5, opacity: 1, aria: false },
        encoding: {
          x,
          y,
          stroke: {
            field: "role",
            type: "nominal",
            title: null,
            scale: { domain: ["sink", "newest"], range: ["#D55E00", "#CC79A7"] },
            legend: { symbolType: "square", symbolFillColor: "transparent", symbolStrokeWidth: 2 },
          },
        },
      },
      ...(isLabelled
        ? [
            {
              mark: { type: "text", fontSize: 10, aria: false },
              encoding: {
                x,
                y,
                text: { field: "frequency", type: "quantitative", format: ".0%" },
                color: {
                  condition: { test: `datum.frequency > ${tidy(highest * 0.55)}`, value: "#1a1a1a" },
                  value: "#f2f2f2",
                },
              },
            },
          ]
        : []),
    ],
  };
  const note = shares(cells);
  return frame(
    {
      title,
      subtitle: options.subtitle ?? note,
      description: `Heat map of routing frequency by query and history chunk. ${note}`,
      datasets: { cells: lines },
    },
    panel
      ? {
          data: { name: "cells" },
          transform,
          facet: {
            field: "panel",
            type: "nominal",
            title: null,
            sort: [...new Set(cells.map((cell) => cell.panel))],
          },
          columns,
          spec: body,
          spacing: 22,
        }
      : { data: { name: "cells" }, transform, ...body },
  );
}

/** Selections that go to the first and to the newest chunk, where there are at least three to choose from. */
function shares(cells: readonly Cell[]): string {
  const open = cells.filter((cell) => cell.query >= 3);
  const total = open.reduce((sum, cell) => sum + cell.frequency, 0);
  if (total === 0) return "";
  const part = (keep: (cell: Cell) => boolean) =>
    (100 * open.filter(keep).reduce((sum, cell) => sum + cell.frequency, 0)) / total;
  const uniform =
    (100 * new Set(open.map((cell) => cell.query)).size) /
    (open.length / new Set(open.map((c) => c.panel)).size);
  const sink = part((cell) => cell.chunk === 0).toFixed(0);
  const newest = part((cell) => cell.chunk === cell.query - 1).toFixed(0);
  return `First chunk (sink): ${sink} % of selections; newest: ${newest} %; each by chance: ${uniform.toFixed(0)} %.`;
}
