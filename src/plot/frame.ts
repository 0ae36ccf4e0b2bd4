/** What all charts share: the top level of a spec, text for empty data, domains, label placement. */
import type { Spec } from "./render.ts";
import { faint, theme } from "./theme.ts";

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

/** Lowest and highest of finite values with a margin; never of zero width. */
export function paddedDomain(values: readonly number[], margin = 0.06): [number, number] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return [0, 1];
  const low = Math.min(...finite);
  const high = Math.max(...finite);
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
