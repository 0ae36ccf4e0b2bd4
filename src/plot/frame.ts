/** What all charts share: the top level of a spec, text for empty data, axes, cues, tooltips, domains, label placement. */

import type { Spec } from "./render.ts";
import { extent } from "./row.ts";
import { faint, methodColors, methodShapes, palette, theme } from "./theme.ts";

const schema = "https://vega.github.io/schema/vega-lite/v5.json";

export interface FrameOptions {
  /** Title; charts have a sensible one of their own. */
  readonly title?: string;
  /** Smaller line(s) under the title. */
  readonly subtitle?: string | readonly string[];
  /** Size of the plotting area in pixels. */
  readonly width?: number;
  readonly height?: number;
}

/** Which columns are drawn, where a chart shows a score of methods. */
export interface ScoreOptions extends FrameOptions {
  /** Column of the score; default "score". */
  readonly score?: string;
  /** Column that names a method: a line, a colour; default "strategy" where searches are drawn, else "method". */
  readonly by?: string;
  /** Independent unit of the intervals; default "seed": rows of a seed are averaged first. */
  readonly unit?: string;
}

/** The top level: schema, title, description, theme, named data. */
export function frame(
  options: {
    title: string;
    subtitle?: string | readonly string[] | undefined;
    description: string;
    datasets: Readonly<Record<string, readonly object[]>>;
  },
  body: Spec,
): Spec {
  const { title, subtitle, description, datasets } = options;
  const lines = (typeof subtitle === "string" ? [subtitle] : (subtitle ?? [])).filter((line) => line !== "");
  return {
    $schema: schema,
    description,
    title: { text: title, ...(lines.length > 0 ? { subtitle: lines } : {}) },
    datasets,
    ...body,
    config: theme,
  };
}

/** Drawn when there are no rows yet: a live chart starts with nothing. */
export function emptySpec(title: string, width: number, height: number, message = "no rows yet"): Spec {
  return frame(
    { title, description: `${title}: ${message}.`, datasets: { rows: [{ message }] } },
    {
      data: { name: "rows" },
      width,
      height,
      mark: { type: "text", fontSize: 13, color: faint },
      encoding: { text: { field: "message", type: "nominal" } },
    },
  );
}

/** A number on an axis: no rounding up of the ends, no forced zero, unless `scale` says otherwise. */
export function quantity(field: string, title: string | null, scale: Spec = {}, axis: Spec = {}): Spec {
  return { field, type: "quantitative", title, scale: { zero: false, nice: false, ...scale }, axis };
}

/** One line of a tooltip: a number where a format is given, else a text. */
export function tip(field: string, title: string, format?: string): Spec {
  return format === undefined
    ? { field, type: "nominal", title }
    : { field, type: "quantitative", title, format };
}

/** Tooltip lines of a mean's 95 % interval; none where no point has one, as with fewer than three units. */
export function intervalTips(points: readonly { readonly low: number; readonly high: number }[]): Spec[] {
  return points.some(({ low, high }) => high > low)
    ? [tip("low", "95 % low", ".4~f"), tip("high", "95 % high", ".4~f")]
    : [];
}

/** Colour and shape of a series, as colour must not be the only cue, with one legend in a line above the chart. */
export function seriesCues(names: readonly string[]): { readonly color: Spec; readonly shape: Spec } {
  return {
    color: {
      field: "series",
      type: "nominal",
      title: null,
      scale: methodColors(names),
      legend: { orient: "top", direction: "horizontal" },
    },
    shape: { field: "series", type: "nominal", title: null, scale: methodShapes(names) },
  };
}

/** A click on the legend singles out one value of `field`; `focused` then dims the rest. */
export function legendFocus(field: string): Spec {
  return { name: "focus", select: { type: "point", fields: [field] }, bind: "legend" };
}

/** Opacity under `legendFocus`. */
export function focused(full: number, dimmed: number): Spec {
  return { condition: { param: "focus", empty: true, value: full }, value: dimmed };
}

/** Lines from (x, y) to (x2, y2), those on the selected path bold and red; for trees and lineages. */
export function pathRules(x: Spec, y: Spec, end: { x2: string; y2: string }, widths: [number, number]): Spec {
  return {
    data: { name: "links" },
    mark: { type: "rule", strokeCap: "round" },
    encoding: {
      x,
      y,
      x2: { field: end.x2 },
      y2: { field: end.y2 },
      strokeWidth: { condition: { test: "datum.onPath", value: widths[1] }, value: widths[0] },
      color: { condition: { test: "datum.onPath", value: palette.vermillion }, value: faint },
    },
  };
}

/** Lowest and highest of finite values with a margin; never of zero width. */
export function paddedDomain(values: readonly number[], margin = 0.06): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  const [low, high] = extent(finite);
  const span = high - low || Math.abs(high) * 0.1 || 1;
  return [tidy(low - span * margin), tidy(high + span * margin)];
}

/** Rounded to six digits, so that specs and snapshots do not carry noise of the last bit. */
export function tidy(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(6)) : value;
}

/**
 * Moves labels apart along one axis: keeps their order, keeps `gap` between neighbours, stays inside [0, extent] where
 * they fit, and moves each as little as a sweep in both directions can. Positions and gap in pixels.
 */
export function spreadLabels(positions: readonly number[], gap: number, extent: number): number[] {
  const order = positions.map((_, i) => i).sort((a, b) => positions[a]! - positions[b]! || a - b);
  // Clusters of touching labels, each centred on the mean of its members.
  let clusters = order.map((i) => ({ members: [i], center: positions[i]! }));
  for (let merged = true; merged; ) {
    merged = false;
    const next: typeof clusters = [];
    for (const cluster of clusters) {
      const last = next.at(-1);
      const room = last ? ((last.members.length + cluster.members.length) / 2) * gap : 0;
      if (last && cluster.center - last.center < room) {
        const size = last.members.length + cluster.members.length;
        last.center = (last.center * last.members.length + cluster.center * cluster.members.length) / size;
        last.members.push(...cluster.members);
        merged = true;
      } else next.push({ members: [...cluster.members], center: cluster.center });
    }
    clusters = next;
    for (const cluster of clusters) {
      const half = ((cluster.members.length - 1) * gap) / 2;
      const center = Math.min(Math.max(cluster.center, half), Math.max(extent - half, half));
      if (center !== cluster.center) {
        cluster.center = center;
        merged = true;
      }
    }
  }
  const out = new Array<number>(positions.length);
  for (const cluster of clusters) {
    cluster.members.forEach((member, i) => {
      out[member] = cluster.center + (i - (cluster.members.length - 1) / 2) * gap;
    });
  }
  return out;
}
