/**
 * Sixteen dimensions as dots on a common axis, not as a radar, whose area depends on the order of its axes. VBench's
 * order and its split into quality and semantic are kept for VBench's keys; any other dimensions come in the order of
 * the rows. `gainPerDimension` shows the paired gain over a baseline with its interval, sorted.
 */
import { type Chart, chart } from "./chart.ts";
import {
  emptySpec,
  focused,
  frame,
  legendFocus,
  paddedDomain,
  quantity,
  type ScoreOptions,
  seriesCues,
  tidy,
  tip,
} from "./frame.ts";
import type { Spec } from "./render.ts";
import { groupBy, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { average, meanInterval } from "./series.ts";
import { faint, ink, palette } from "./theme.ts";

const quality = [
  "subject_consistency",
  "background_consistency",
  "temporal_flickering",
  "motion_smoothness",
  "dynamic_degree",
  "aesthetic_quality",
  "imaging_quality",
];
const semantic = [
  "object_class",
  "multiple_objects",
  "human_action",
  "color",
  "spatial_relationship",
  "scene",
  "appearance_style",
  "temporal_style",
  "overall_consistency",
];
const order = [...quality, ...semantic];

const groupOf = (dimension: string) =>
  quality.includes(dimension) ? "quality" : semantic.includes(dimension) ? "semantic" : "";
const readable = (dimension: string) => dimension.replaceAll("_", " ");

function sortedDimensions(names: readonly string[]): string[] {
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return names
    .map((name, i) => ({ name, i }))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.i - b.i)
    .map((e) => e.name);
}

export interface DimensionOptions extends ScoreOptions {
  readonly dimension?: string;
  readonly xTitle?: string;
}

/** Rows: one score a method, dimension (and seed). */
export function dimensionDots(source: RowSource, options: DimensionOptions = {}): Chart {
  return chart("dimensionDots", rowsOf(source, "dimensions"), (rows) => dots(rows, options));
}

function dots(rows: readonly Row[], options: DimensionOptions): Spec {
  const { score = "score", dimension = "dimension", by = "method", xTitle = score } = options;
  const { width = 420, title = "Sixteen dimensions" } = options;
  requireColumns("dimensionDots", rows, [score, dimension, by]);
  const marks = [...groupBy(rows, (row) => `${textAt(row, dimension)}|${textAt(row, by)}`).values()]
    .map((group) => ({
      dimension: textAt(group[0]!, dimension),
      series: textAt(group[0]!, by),
      score: tidy(average(group, score)),
    }))
    .filter((mark) => Number.isFinite(mark.score));
  if (marks.length === 0) return emptySpec(title, width, 300);
  const dimensions = sortedDimensions([...new Set(marks.map((mark) => mark.dimension))]);
  const names = [...new Set(marks.map((mark) => mark.series))];
  // Places are numbers with a free line above each group: facets with a y axis of their own cannot also be selected in.
  const places = new Map<string, number>();
  const headers: { group: string; place: number }[] = [];
  let next = 0;
  for (const [i, name] of dimensions.entries()) {
    const group = groupOf(name);
    if (group !== "" && (i === 0 || group !== groupOf(dimensions[i - 1]!)))
      headers.push({ group, place: next++ });
    places.set(name, next++);
  }
  const range = (name: string) => marks.filter((mark) => mark.dimension === name).map((mark) => mark.score);
  const shown = marks.map((mark) => ({
    ...mark,
    label: readable(mark.dimension),
    place: places.get(mark.dimension)!,
  }));
  const spans = dimensions.map((name) => ({
    place: places.get(name)!,
    low: Math.min(...range(name)),
    high: Math.max(...range(name)),
  }));
  const domain = paddedDomain(marks.map((mark) => mark.score));
  const labels = Object.fromEntries(dimensions.map((name) => [places.get(name)!, readable(name)]));
  const y = {
    field: "place",
    type: "quantitative",
    title: null,
    scale: { domain: [-0.6, next - 0.4], reverse: true, nice: false, zero: false },
    axis: {
      values: [...places.values()],
      labelExpr: `${JSON.stringify(labels)}[datum.value]`,
      gridDash: [1, 3],
      gridOpacity: 0.45,
      labelLimit: 220,
      labelFontSize: 12,
    },
  };
  const x = quantity("score", xTitle, { domain }, { tickCount: 7, format: "~g" });
  return frame(
    {
      title,
      subtitle: options.subtitle,
      description: `Dot plot of ${dimensions.length} dimensions for ${names.join(", ")}.`,
      datasets: { marks: shown, spans, ...(headers.length > 0 ? { headers } : {}) },
    },
    {
      width,
      height: next * 21,
      layer: [
        ...(headers.length > 0
          ? [
              {
                data: { name: "headers" },
                mark: {
                  type: "text",
                  align: "right",
                  dx: -7,
                  dy: 2,
                  fontSize: 12,
                  fontWeight: 600,
                  color: ink,
                },
                encoding: { x: { value: 0 }, y, text: { field: "group", type: "nominal" } },
              },
            ]
          : []),
        {
          data: { name: "spans" },
          mark: { type: "rule", strokeWidth: 2, color: faint, opacity: 0.5 },
          encoding: { y, x: { ...x, field: "low" }, x2: { field: "high" } },
        },
        {
          data: { name: "marks" },
          params: [legendFocus("series")],
          mark: { type: "point", filled: true, size: 95 },
          encoding: {
            x,
            y,
            ...seriesCues(names),
            opacity: focused(0.95, 0.12),
            tooltip: [tip("label", "dimension"), tip("series", by), tip("score", xTitle, ".4~f")],
          },
        },
      ],
    },
  );
}

export interface GainOptions extends DimensionOptions {
  /** The method whose scores are subtracted. */
  readonly baseline: string;
  /** The method whose gain is shown; default: the only other one. */
  readonly method?: string;
  /** Gain in percent of the baseline's mean instead of in score units. */
  readonly isRelative?: boolean;
}

/** Paired gain over a baseline a dimension, with the 95 % t-interval over units, largest gain first. */
export function gainPerDimension(source: RowSource, options: GainOptions): Chart {
  return chart("gainPerDimension", rowsOf(source, "dimensions"), (rows) => gains(rows, options));
}

function gains(rows: readonly Row[], options: GainOptions): Spec {
  const { score = "score", dimension = "dimension", by = "method", unit = "seed", baseline } = options;
  const { width = 420, isRelative = false } = options;
  requireColumns("gainPerDimension", rows, [score, dimension, by]);
  const others = [...new Set(rows.map((row) => textAt(row, by)))].filter((name) => name !== baseline);
  const method = options.method ?? (others.length === 1 ? others[0]! : undefined);
  const title = options.title ?? `Gain of ${method ?? "search"} over ${baseline}`;
  if (rows.length === 0) return emptySpec(title, width, 300);
  if (method === undefined || !rows.some((row) => textAt(row, by) === baseline)) {
    throw new RangeError(
      `Cannot draw gains over "${baseline}": the rows have ${[...new Set(rows.map((row) => `"${textAt(row, by)}"`))].join(", ")}. Name the method and the baseline among them.`,
    );
  }
  const marks = [...groupBy(rows, (row) => textAt(row, dimension))].flatMap(([name, group]) => {
    const of = (who: string) =>
      new Map(
        [
          ...groupBy(
            group.filter((row) => textAt(row, by) === who),
            (row) => textAt(row, unit),
          ),
        ].map(([key, part]) => [key, average(part, score)] as const),
      );
    const base = of(baseline);
    const own = of(method);
    const pairs = [...own].filter(([key]) => base.has(key));
    if (pairs.length === 0) return [];
    const level = isRelative ? pairs.reduce((sum, [key]) => sum + base.get(key)!, 0) / pairs.length / 100 : 1;
    const { mean, low, high } = meanInterval(pairs.map(([key, value]) => (value - base.get(key)!) / level));
    return [
      {
        dimension: name,
        label: readable(name),
        group: groupOf(name) || "dimension",
        gain: tidy(mean),
        low: tidy(low),
        high: tidy(high),
        pairs: pairs.length,
      },
    ];
  });
  const sorted = marks.sort((a, b) => b.gain - a.gain);
  const unitTitle = isRelative ? "gain, % of the baseline" : "gain";
  const y = {
    field: "label",
    type: "nominal",
    sort: sorted.map((mark) => mark.label),
    title: null,
    axis: { labelLimit: 220, labelFontSize: 12 },
  };
  const x = {
    field: "gain",
    type: "quantitative",
    title: unitTitle,
    scale: { domain: paddedDomain([0, ...sorted.flatMap((mark) => [mark.low, mark.high])]), nice: false },
    axis: { grid: true, tickCount: 6, format: "~g" },
  };
  const color = {
    field: "group",
    type: "nominal",
    title: null,
    scale: {
      domain: ["quality", "semantic", "dimension"],
      range: [palette.blue, palette.vermillion, palette.green],
    },
    legend: sorted.some((mark) => mark.group === "dimension")
      ? null
      : { orient: "top", direction: "horizontal", values: ["quality", "semantic"] },
  };
  return frame(
    {
      title,
      subtitle: options.subtitle ?? `Paired over ${unit}s, 95 % interval; right of the line is better.`,
      description: `Gain of ${method} over ${baseline} by dimension: largest ${sorted[0]?.label} (${sorted[0]?.gain}), smallest ${sorted.at(-1)?.label} (${sorted.at(-1)?.gain}).`,
      datasets: { gains: sorted },
    },
    {
      data: { name: "gains" },
      width,
      height: { step: 21 },
      layer: [
        {
          mark: { type: "rule", color: faint, strokeWidth: 1.5 },
          encoding: { x: { datum: 0, type: "quantitative" } },
        },
        {
          mark: { type: "rule", strokeWidth: 2 },
          encoding: { y, x: { ...x, field: "low" }, x2: { field: "high" }, color },
        },
        {
          mark: { type: "point", filled: true, size: 85, opacity: 1 },
          encoding: {
            y,
            x,
            color,
            tooltip: [
              tip("label", "dimension"),
              tip("gain", unitTitle, "+.4~f"),
              tip("low", "95 % low", "+.4~f"),
              tip("high", "95 % high", "+.4~f"),
              { field: "pairs", type: "quantitative", title: `${unit}s` },
            ],
          },
        },
      ],
    },
  );
}
