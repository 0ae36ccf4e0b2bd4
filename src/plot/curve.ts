/**
 * The curve shared by scaling, drift, loss and ablation charts: mean lines, bands computed by us, points with
 * tooltips, labels at the right end instead of a legend, reference lines. Pointing at a series dims the others.
 */
import { focused, intervalTips, paddedDomain, spreadLabels, tidy, tip } from "./frame.ts";
import type { Spec } from "./render.ts";
import type { Point } from "./series.ts";
import { faint, methodColors, methodShapes } from "./theme.ts";

export interface Reference {
  readonly label: string;
  /** Value on the y axis. */
  readonly y: number;
}

export interface CurveOptions {
  readonly points: readonly Point[];
  readonly references?: readonly Reference[];
  readonly xTitle: string;
  readonly yTitle: string;
  readonly xScale?: Spec;
  readonly xAxis?: Spec;
  readonly xFormat?: string;
  readonly yFormat?: string;
  readonly width: number;
  readonly height: number;
  /** Marks at the points; without them only lines (long histories). */
  readonly hasPoints?: boolean;
  /** Column title of the series in tooltips. */
  readonly seriesTitle: string;
  readonly interpolate?: string;
  /** Values the y axis must include besides the data. */
  readonly include?: readonly number[];
  readonly yDomain?: readonly [number, number];
  /** More layers, e.g. an annotation; they share the scales, of which they may want the y domain. */
  readonly layers?: (yDomain: readonly [number, number]) => readonly Spec[];
}

/** Datasets and layers of a curve; the y domain is fixed here so that labels can be placed in pixels. */
export function curve(options: CurveOptions): {
  datasets: Record<string, readonly object[]>;
  body: Spec;
  yDomain: readonly [number, number];
} {
  const { points, references = [], width, height, hasPoints = true, seriesTitle, xFormat = "~s" } = options;
  const { yFormat = ".3~f", interpolate = "linear" } = options;
  const yDomain =
    options.yDomain ??
    paddedDomain([
      ...points.flatMap((point) => [point.low, point.high]),
      ...references.map((reference) => reference.y),
      ...(options.include ?? []),
    ]);
  const names = [...new Set(points.map((point) => point.series))];
  const color = { field: "series", type: "nominal", scale: methodColors(names), legend: null };
  const x = {
    field: "x",
    type: "quantitative",
    title: options.xTitle,
    ...(options.xScale ? { scale: options.xScale } : {}),
    ...(options.xAxis ? { axis: options.xAxis } : {}),
  };
  const y = {
    field: "mean",
    type: "quantitative",
    title: options.yTitle,
    scale: { domain: yDomain, zero: false, nice: false },
    axis: { format: yFormat, tickCount: 6 },
  };
  const tooltip = [
    tip("series", seriesTitle),
    tip("x", options.xTitle, xFormat),
    tip("mean", "mean", ".4~f"),
    ...intervalTips(points),
    { field: "units", type: "quantitative", title: "units" },
  ];
  const { labels, leaders, named } = endLabels(points, references, yDomain, width, height);
  const layers: Spec[] = [];
  if (references.length > 0) layers.push(...referenceLayers(yDomain, options));
  if (points.some((point) => point.high > point.low)) {
    layers.push({
      data: { name: "points" },
      mark: { type: "area", interpolate },
      encoding: {
        x,
        y: { ...y, field: "low" },
        y2: { field: "high" },
        color,
        opacity: focused(0.17, 0.04),
      },
    });
  }
  layers.push({
    data: { name: "points" },
    mark: { type: "line", strokeWidth: 2.25, interpolate, strokeJoin: "round", strokeCap: "round" },
    encoding: { x, y, color, opacity: focused(1, 0.2) },
  });
  layers.push({
    data: { name: "points" },
    params: [
      {
        name: "focus",
        select: { type: "point", fields: ["series"], on: "mouseover", clear: "mouseout", nearest: hasPoints },
      },
    ],
    mark: hasPoints ? { type: "point", filled: true, size: 55 } : { type: "point", size: 60, opacity: 0 },
    encoding: {
      x,
      y,
      color,
      ...(hasPoints
        ? {
            shape: { field: "series", type: "nominal", scale: methodShapes(names), legend: null },
            opacity: focused(1, 0.2),
          }
        : {}),
      tooltip,
    },
  });
  if (leaders.length > 0) {
    layers.push({
      data: { name: "leaders" },
      mark: { type: "rule", strokeDash: [1, 4], strokeCap: "round" },
      encoding: {
        x,
        x2: { value: width },
        y: { ...y, field: "mean" },
        color,
        opacity: focused(0.8, 0.15),
      },
    });
  }
  layers.push({
    data: { name: "labels" },
    mark: { type: "text", align: "left", baseline: "middle", dx: 10, fontSize: 12, fontWeight: 600 },
    encoding: {
      x: { value: width },
      y: { ...y, field: "label" },
      text: { field: "series", type: "nominal" },
      color,
      opacity: focused(1, 0.25),
    },
  });
  layers.push(...(options.layers?.(yDomain) ?? []));
  return {
    datasets: {
      points,
      labels,
      ...(leaders.length > 0 ? { leaders } : {}),
      ...(references.length > 0 ? { references: named } : {}),
    },
    body: { width, height, layer: layers },
    yDomain,
  };
}

/** Names of lines and reference lines at the right end, moved apart where they would touch. */
function endLabels(
  points: readonly Point[],
  references: readonly Reference[],
  [low, high]: readonly [number, number],
  width: number,
  height: number,
) {
  const last = new Map<string, Point>();
  for (const point of points) last.set(point.series, point);
  const ends = [...last.values()];
  const toPixel = (value: number) => ((high - value) / (high - low)) * height;
  const said = references.filter((reference) => reference.label !== "");
  const places = spreadLabels(
    [...ends.map((end) => toPixel(end.mean)), ...said.map((reference) => toPixel(reference.y))],
    15,
    height,
  ).map((pixel) => tidy(high - (pixel / height) * (high - low)));
  const farthest = Math.max(...ends.map((end) => end.x));
  const labels = ends.map((end, i) => ({ series: end.series, label: places[i]! }));
  const named = references.map((reference) => {
    const i = said.indexOf(reference);
    return { ...reference, place: i < 0 ? reference.y : places[ends.length + i]! };
  });
  // A series that stops early is led to its label; one that ends at the edge needs no line.
  const leaders = ends.filter((end) => end.x < farthest && width > 0);
  return { labels, leaders, named };
}

function referenceLayers(yDomain: readonly [number, number], options: CurveOptions): Spec[] {
  const y = {
    field: "y",
    type: "quantitative",
    title: options.yTitle,
    scale: { domain: yDomain, zero: false, nice: false },
  };
  return [
    {
      data: { name: "references" },
      mark: { type: "rule", strokeDash: [5, 4], color: faint, strokeWidth: 1.25 },
      encoding: { y },
    },
    {
      data: { name: "references" },
      mark: { type: "text", align: "left", baseline: "middle", dx: 10, color: faint, fontSize: 11.5 },
      encoding: {
        x: { value: options.width },
        y: { ...y, field: "place" },
        text: { field: "label", type: "nominal" },
      },
    },
  ];
}
