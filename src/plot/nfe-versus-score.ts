/**
 * The scaling curve of test-time search: score against NFE on a log2 axis, one line a strategy (Video-T1, 2503.18942,
 * Fig. 4; EvoSearch, 2505.17618, Fig. 3). Where two methods are compared, the NFE that one needs to reach the best score
 * of the other is drawn as an arrow with the ratio.
 */
import { type Chart, chart } from "./chart.ts";
import { curve, type Reference } from "./curve.ts";
import { emptySpec, frame, tidy } from "./frame.ts";
import type { Spec } from "./render.ts";
import { type Row, type RowSource, requireColumns, rowsOf, textAt } from "./row.ts";
import {
  bandNote,
  budgetColumn,
  type CostCurveOptions,
  droppedNote,
  type Point,
  seriesPoints,
} from "./series.ts";
import { ink } from "./theme.ts";

export interface NfeVersusScoreOptions extends CostCurveOptions {
  readonly references?: readonly Reference[];
  /** Arrow from `baseline` to `method` at the baseline's best score; or the result of a statistic, with interval. */
  readonly compare?: {
    readonly method: string;
    readonly baseline: string;
    readonly ratio?: number;
    readonly low?: number;
    readonly high?: number;
  };
}

/**
 * @example nfeVersusScore(run, { compare: { method: "tree of frames", baseline: "linear" } })
 * @throws TypeError when a named column is absent from all rows.
 */
export function nfeVersusScore(source: RowSource, options: NfeVersusScoreOptions = {}): Chart {
  return chart("nfeVersusScore", rowsOf(source, "search"), (rows) => build(rows, options));
}

function build(rows: readonly Row[], options: NfeVersusScoreOptions): Spec {
  const { score = "score", cost = "nfe", by = "strategy", unit = "seed", band = "ci95" } = options;
  const { references = [], width = 560, height = 320, title = "Score against compute" } = options;
  requireColumns("nfeVersusScore", rows, [score, cost, by]);
  const budget = budgetColumn(rows, options);
  const points = seriesPoints(rows, { x: cost, y: score, by, budget, unit, band }).filter((p) => p.x > 0);
  if (points.length === 0) return emptySpec(title, width, height);
  const arrow = options.compare ? equalScore(points, options.compare) : undefined;
  const ticks = budgetTicks(points);
  const xScale = {
    type: "log",
    base: 2,
    nice: false,
    domain: [
      tidy(Math.min(...points.map((p) => p.x)) / 1.08),
      tidy(Math.max(...points.map((p) => p.x)) * 1.08),
    ],
  };
  const { datasets, body } = curve({
    points,
    references,
    width,
    height,
    xTitle: "NFE: denoiser calls × latent frames (log scale)",
    yTitle: options.yTitle ?? scoreTitle(rows, score),
    seriesTitle: by,
    xScale,
    xAxis: { values: ticks, format: "~r", labelOverlap: "greedy", grid: true, gridOpacity: 0.12 },
    xFormat: ",.0f",
    layers: ([low, high]) => {
      if (!arrow) return [];
      const lines = references.map(({ y }) => ((high - y) / (high - low)) * height);
      return arrowLayers(options.yTitle ?? scoreTitle(rows, score), height, lines);
    },
  });
  const subtitle = options.subtitle ?? [
    [bandNote(points, unit, band), coincidenceNote(rows)].filter((note) => note !== "").join(" "),
    droppedNote(rows, [score, cost]),
  ];
  return frame(
    {
      title,
      subtitle,
      description: describe(points, arrow),
      datasets: { ...datasets, ...(arrow ? { arrow: [arrow] } : {}) },
    },
    body,
  );
}

/** At most `most` powers of two inside the data. */
export function budgetTicks(points: readonly { readonly x: number }[], most = 9): number[] {
  const low = Math.ceil(Math.log2(Math.min(...points.map((p) => p.x))) - 0.15);
  const high = Math.floor(Math.log2(Math.max(...points.map((p) => p.x))) + 0.15);
  const step = Math.max(1, Math.ceil((high - low + 1) / most));
  const ticks: number[] = [];
  for (let power = low; power <= high; power += step) ticks.push(2 ** power);
  return ticks.length > 0 ? ticks : [points[0]!.x];
}

/** The metric and where it comes from, as the axis must say: world scores are not VBench scores. */
export function scoreTitle(rows: readonly Row[], score: string): string {
  const metrics = [...new Set(rows.map((row) => textAt(row, "metric")))].filter((name) => name !== "");
  const sources = [...new Set(rows.map((row) => textAt(row, "source")))].filter((name) => name !== "");
  const name = metrics.length === 1 ? metrics[0]! : score;
  return sources.length === 1 ? `${name} (${sources[0]})` : name;
}

/** Selection and reporting stay apart, and where they do not the chart says so. */
function coincidenceNote(rows: readonly Row[]): string {
  const same = rows.some((row) => textAt(row, "metric") !== "" && row["metric"] === row["verifier"]);
  return same ? "The reported score is the verifier that selected." : "";
}

interface Arrow {
  readonly x: number;
  readonly x2: number;
  readonly y: number;
  readonly text: string;
}

/** NFE at which a line first reaches `level`, by interpolation in (log2 NFE, mean); NaN where it never does. */
function reaches(points: readonly Point[], level: number): number {
  for (const [i, point] of points.entries()) {
    if (point.mean < level) continue;
    const before = points[i - 1];
    if (!before) return point.x;
    const share = (level - before.mean) / (point.mean - before.mean);
    return 2 ** (Math.log2(before.x) + share * (Math.log2(point.x) - Math.log2(before.x)));
  }
  return Number.NaN;
}

function equalScore(
  points: readonly Point[],
  compare: NonNullable<NfeVersusScoreOptions["compare"]>,
): Arrow | undefined {
  const of = (name: string) => points.filter((point) => point.series === name);
  const baseline = of(compare.baseline);
  const method = of(compare.method);
  for (const [name, found] of [
    [compare.baseline, baseline],
    [compare.method, method],
  ] as const) {
    if (found.length === 0) {
      throw new RangeError(
        `Cannot compare with "${name}": the chart has ${[...new Set(points.map((p) => `"${p.series}"`))].join(", ")}.`,
      );
    }
  }
  const level = Math.min(
    Math.max(...baseline.map((point) => point.mean)),
    Math.max(...method.map((point) => point.mean)),
  );
  const from = reaches(baseline, level);
  const to = reaches(method, level);
  if (!Number.isFinite(from) || !Number.isFinite(to) || from === to) return undefined;
  const ratio = compare.ratio ?? to / from;
  const end = (value: number) => (Number.isFinite(value) ? value.toFixed(2) : "∞");
  const interval =
    compare.low !== undefined && compare.high !== undefined
      ? ` [${end(compare.low)}, ${end(compare.high)}]`
      : "";
  return {
    x: tidy(from),
    x2: tidy(to),
    y: tidy(level),
    text: `${ratio.toFixed(2)}× the NFE${interval}`,
  };
}

/**
 * The arrow, thin lines from its ends down to the axis, and the ratio between them, where curves that rise leave room:
 * at the bottom, above a reference line that runs there.
 */
function arrowLayers(yTitle: string, height: number, lines: readonly number[]): Spec[] {
  const bottom = Math.min(height - 8, ...lines.filter((line) => line > height - 26).map((line) => line - 5));
  const y = { field: "y", type: "quantitative", title: yTitle };
  const x = { field: "x", type: "quantitative" };
  const drop = (field: string): Spec => ({
    data: { name: "arrow" },
    mark: { type: "rule", color: ink, strokeWidth: 1, strokeDash: [2, 3] },
    encoding: { x: { ...x, field }, y, y2: { value: bottom - 18 } },
  });
  return [
    drop("x"),
    drop("x2"),
    {
      data: { name: "arrow" },
      mark: { type: "rule", color: ink, strokeWidth: 1.5 },
      encoding: { x, x2: { field: "x2" }, y },
    },
    {
      data: { name: "arrow" },
      transform: [{ calculate: "datum.x2 < datum.x ? -90 : 90", as: "angle" }],
      mark: { type: "point", shape: "triangle-up", filled: true, size: 70, color: ink, opacity: 1 },
      encoding: {
        x: { ...x, field: "x2" },
        y,
        angle: { field: "angle", type: "quantitative", scale: null },
      },
    },
    {
      data: { name: "arrow" },
      transform: [{ calculate: "sqrt(datum.x * datum.x2)", as: "middle" }],
      mark: { type: "text", align: "center", baseline: "bottom", fontSize: 12, fontWeight: 600, color: ink },
      encoding: {
        x: { ...x, field: "middle" },
        y: { value: bottom },
        text: { field: "text", type: "nominal" },
      },
    },
  ];
}

function describe(points: readonly Point[], arrow: Arrow | undefined): string {
  const names = [...new Set(points.map((point) => point.series))];
  const parts = names.map((name) => {
    const last = points.filter((point) => point.series === name).at(-1)!;
    return `${name} reaches ${last.mean.toPrecision(4)} at ${Math.round(last.x)} NFE`;
  });
  const ratio = arrow ? ` At equal score: ${arrow.text}.` : "";
  return `Line chart of score against NFE (log2): ${parts.join("; ")}.${ratio}`;
}
