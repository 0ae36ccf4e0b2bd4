/**
 * Training: the loss of each run (raw faint, smoothed bold) above its throughput where the rows have one. Long runs are
 * thinned to what a screen can show before they enter the spec.
 */
import { type Chart, chart } from "./chart.ts";
import { emptySpec, type FrameOptions, frame, tidy } from "./frame.ts";
import type { Spec } from "./render.ts";
import { groupBy, numberAt, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { methodColors } from "./theme.ts";

export interface LossOptions extends FrameOptions {
  readonly step?: string;
  readonly loss?: string;
  /** Column that names the line, for several runs in one chart. */
  readonly by?: string;
  /** Column of the second panel; default: tokens or clips per second, left out where no row has them; "" for none. */
  readonly throughput?: string;
  /** Share of the past in the exponential mean, in [0, 1); default: a window of a twentieth of the rows. */
  readonly smoothing?: number;
  readonly isLog?: boolean;
}

const mostPoints = 400;

/** @example loss(run) reads the rows of kind "train". */
export function loss(source: RowSource, options: LossOptions = {}): Chart {
  return chart("loss", rowsOf(source, "train"), (rows) => build(rows, options));
}

/** What trainers call their throughput. */
const speeds = ["tokensPerSecond", "clipsPerSecond"];

function build(rows: readonly Row[], options: LossOptions): Spec {
  const { step = "step", loss: column = "loss", by = "run" } = options;
  const { throughput = speeds.find((name) => rows.some((row) => name in row)) ?? "" } = options;
  const { isLog = false, width = 560, height = 240, title = "Training loss" } = options;
  const smoothing = options.smoothing ?? Math.max(0, Math.min(0.95, 1 - 20 / Math.max(rows.length, 1)));
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new RangeError(
      `Cannot smooth by ${smoothing}: the share of the past must lie in [0, 1). Use 0 for none.`,
    );
  }
  requireColumns("loss", rows, [step, column]);
  const points = [...groupBy(rows, (row) => textAt(row, by))].flatMap(([series, own]) =>
    smoothed(own, series, step, column, throughput, smoothing),
  );
  if (points.length === 0) return emptySpec(title, width, height);
  const names = [...new Set(points.map((point) => point.series))];
  const hasNames = names.length > 1 || names[0] !== "";
  const color = {
    field: "series",
    type: "nominal",
    title: null,
    scale: methodColors(names),
    legend:
      hasNames && names.length > 1
        ? { orient: "top", direction: "horizontal", symbolOpacity: 1, symbolStrokeWidth: 2.5 }
        : null,
  };
  const steps = [...new Set(points.map((point) => point.step))].sort((a, b) => a - b);
  const hasThroughput = points.some((point) => Number.isFinite(point.throughput));
  const x = {
    field: "step",
    type: "quantitative",
    title: "step",
    scale: { nice: false },
    // Vega 5 puts ticks between whole steps where there are few of them.
    axis: steps.length <= 12 ? { values: steps, format: "~s" } : { tickCount: 8, format: "~s" },
  };
  const values = points.map((point) => point.smooth);
  const y = {
    field: "smooth",
    type: "quantitative",
    title: "loss",
    scale: isLog ? { type: "log", nice: false } : { zero: false, clamp: true },
    axis: { format: "~g", tickCount: 6 },
  };
  // Said once, under the lower panel.
  const above = hasThroughput ? { ...x, title: null } : x;
  const top: Spec = {
    width,
    height,
    layer: [
      {
        mark: { type: "line", strokeWidth: 1, opacity: 0.28 },
        encoding: { x: above, y: { ...y, field: "loss" }, color },
      },
      {
        params: [{ name: "zoom", select: { type: "interval", encodings: ["x"] }, bind: "scales" }],
        mark: { type: "line", strokeWidth: 2.25, strokeJoin: "round" },
        encoding: {
          x: above,
          y,
          color,
          tooltip: [
            ...(hasNames ? [{ field: "series", type: "nominal", title: by }] : []),
            { field: "step", type: "quantitative", title: "step" },
            { field: "loss", type: "quantitative", title: "loss", format: ".5~g" },
            { field: "smooth", type: "quantitative", title: "smoothed", format: ".5~g" },
          ],
        },
      },
    ],
  };
  const last = points.at(-1)!;
  return frame(
    {
      title,
      subtitle: options.subtitle ?? nonFinite(rows, column),
      description: `Training loss over ${tidy(last.step)} steps, from ${values[0]!.toPrecision(4)} to ${values.at(-1)!.toPrecision(4)} (smoothed).`,
      datasets: { points },
    },
    hasThroughput
      ? {
          data: { name: "points" },
          vconcat: [
            top,
            {
              width,
              height: 60,
              transform: [{ filter: "isValid(datum.throughput)" }],
              mark: { type: "line", strokeWidth: 1.5, interpolate: "step-after" },
              encoding: {
                x,
                y: {
                  field: "throughput",
                  type: "quantitative",
                  title: readable(throughput),
                  axis: { tickCount: 3, format: "~s", labelExpr: "datum.value === 0 ? '0' : datum.label" },
                },
                color,
              },
            },
          ],
          spacing: 18,
        }
      : { data: { name: "points" }, ...top },
  );
}

const readable = (name: string) =>
  name
    .replace(/PerSecond$/, "/s")
    .replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);

interface LossPoint {
  readonly series: string;
  readonly step: number;
  readonly loss: number;
  readonly smooth: number;
  readonly throughput?: number;
}

function smoothed(
  rows: readonly Row[],
  series: string,
  step: string,
  column: string,
  throughput: string,
  smoothing: number,
): LossPoint[] {
  const finite = rows.filter(
    (row) => Number.isFinite(numberAt(row, step)) && Number.isFinite(numberAt(row, column)),
  );
  // Adam's bias correction, so that the first steps are not pulled to zero.
  let mean = 0;
  let weight = 0;
  const points = finite.map((row) => {
    mean = smoothing * mean + (1 - smoothing) * numberAt(row, column);
    weight = smoothing * weight + (1 - smoothing);
    const speed = numberAt(row, throughput);
    return {
      series,
      step: numberAt(row, step),
      loss: tidy(numberAt(row, column)),
      smooth: tidy(mean / weight),
      ...(Number.isFinite(speed) ? { throughput: tidy(speed) } : {}),
    };
  });
  const stride = Math.ceil(points.length / mostPoints);
  return points.filter((_, i) => i % stride === 0 || i === points.length - 1);
}

function nonFinite(rows: readonly Row[], column: string): string {
  const bad = rows.filter((row) => !Number.isFinite(numberAt(row, column)));
  return bad.length === 0
    ? ""
    : `${bad.length} of ${rows.length} losses are missing or not finite, first at step ${textAt(bad[0]!, "step") || "?"}.`;
}
