/** Paired differences with their intervals, one row a comparison, around the line of no effect (a forest plot). */
import { type Chart, chart } from "./chart.ts";
import { emptySpec, type FrameOptions, frame, paddedDomain, tidy } from "./frame.ts";
import type { Spec } from "./render.ts";
import { numberAt, type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import { faint, ink, palette } from "./theme.ts";

export interface PairedForestOptions extends FrameOptions {
  readonly comparison?: string;
  readonly estimate?: string;
  readonly low?: string;
  readonly high?: string;
  /** Column of the (corrected) p-value, printed where present. */
  readonly p?: string;
  readonly xTitle?: string;
  /** Half-width of the band within which a difference does not matter (TOST's margin). */
  readonly margin?: number;
}

/** Rows: comparison, estimate, low, high (and p), as the paired statistics return them. */
export function pairedForest(source: RowSource, options: PairedForestOptions = {}): Chart {
  return chart("pairedForest", rowsOf(source, "comparison"), (rows) => build(rows, options));
}

function build(rows: readonly Row[], options: PairedForestOptions): Spec {
  const { comparison = "comparison", estimate = "estimate", low = "low", high = "high", p = "p" } = options;
  const { width = 360, title = "Paired differences", xTitle = "difference", margin } = options;
  requireColumns("pairedForest", rows, [comparison, estimate, low, high]);
  const marks = rows
    .map((row) => ({
      comparison: textAt(row, comparison),
      estimate: tidy(numberAt(row, estimate)),
      low: tidy(numberAt(row, low)),
      high: tidy(numberAt(row, high)),
      p: numberAt(row, p),
    }))
    .filter((mark) => Number.isFinite(mark.estimate + mark.low + mark.high))
    .map(({ p: value, ...mark }) => ({
      ...mark,
      verdict: mark.low > 0 ? "better" : mark.high < 0 ? "worse" : "undecided",
      text: `${signed(mark.estimate)}  [${signed(mark.low)}, ${signed(mark.high)}]${Number.isFinite(value) ? `   p ${value < 0.001 ? "< 0.001" : `= ${value.toFixed(3)}`}` : ""}`,
    }));
  if (marks.length === 0) return emptySpec(title, width, 160);
  const domain = paddedDomain([
    0,
    ...marks.flatMap((m) => [m.low, m.high]),
    ...(margin ? [margin, -margin] : []),
  ]);
  const x = {
    field: "estimate",
    type: "quantitative",
    title: xTitle,
    scale: { domain, nice: false },
    axis: { grid: true, tickCount: 6 },
  };
  const y = {
    field: "comparison",
    type: "nominal",
    sort: null,
    title: null,
    axis: { labelLimit: 300, labelFontSize: 12, domain: false, ticks: false },
  };
  const color = {
    field: "verdict",
    type: "nominal",
    title: null,
    scale: {
      domain: ["better", "undecided", "worse"],
      range: [palette.blue, palette.grey, palette.vermillion],
    },
    legend: { orient: "top", direction: "horizontal" },
  };
  return frame(
    {
      title,
      subtitle: options.subtitle,
      description: `Forest plot of paired differences: ${marks.map((mark) => `${mark.comparison} ${mark.text}`).join("; ")}.`,
      datasets: { differences: marks, ...(margin ? { margin: [{ low: -margin, high: margin }] } : {}) },
    },
    {
      width,
      height: { step: 28 },
      layer: [
        ...(margin
          ? [
              {
                data: { name: "margin" },
                mark: { type: "rect", opacity: 0.12, color: faint },
                encoding: { x: { ...x, field: "low" }, x2: { field: "high" } },
              },
            ]
          : []),
        {
          mark: { type: "rule", color: faint, strokeWidth: 1.5 },
          encoding: { x: { datum: 0, type: "quantitative" } },
        },
        {
          data: { name: "differences" },
          mark: { type: "rule", strokeWidth: 2.25, strokeCap: "round" },
          encoding: { y, x: { ...x, field: "low" }, x2: { field: "high" }, color },
        },
        {
          data: { name: "differences" },
          mark: { type: "point", filled: true, shape: "square", size: 85, opacity: 1 },
          encoding: {
            y,
            x,
            color,
            tooltip: [
              { field: "comparison", type: "nominal", title: "comparison" },
              { field: "text", type: "nominal", title: "difference" },
            ],
          },
        },
        {
          data: { name: "differences" },
          mark: { type: "text", align: "left", dx: 14, fontSize: 11, color: ink },
          encoding: { y, x: { value: width }, text: { field: "text", type: "nominal" } },
        },
      ],
    },
  );
}

/** A real minus sign and three significant digits. */
function signed(value: number): string {
  // A difference of floats that should be zero is printed as zero.
  const rounded = Math.abs(value) < 1e-12 ? 0 : Number(value.toPrecision(3));
  const digits = Math.abs(value) >= 100 ? value.toFixed(0) : rounded.toString();
  return rounded > 0 ? `+${digits}` : digits.replace("-", "−");
}
