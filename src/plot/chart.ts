/**
 * A chart is a value: rows, the pure function that turns rows into a Vega-Lite spec, and nothing else. In a notebook it
 * shows as live Vega (the v5 MIME type, the newest that JupyterLab renders) with a PNG for every other reader. It never
 * emits text/html, which would hide the live chart.
 */
import { rasterize, renderSvg, type Spec } from "./render.ts";
import type { Row } from "./row.ts";

export type MimeBundle = Readonly<Record<string, unknown>>;

export interface Chart {
  /** Which chart function made it, e.g. "nfeVersusScore". */
  readonly kind: string;
  /** Vega-Lite v5 JSON, complete with its data. */
  readonly spec: Spec;
  /** The rows it was given: the data behind the figure. */
  readonly rows: readonly Row[];
  /** The chart in one or two sentences, for screen readers and plain text. */
  readonly description: string;
  /** The same chart over other rows. */
  update(rows: readonly Row[]): Chart;
  /** The same chart without the PNG in its display bundle: for redrawing many times a second. */
  live(): Chart;
  svg(): string;
  /** PNG bytes at `scale` pixels per unit (default 2), transparent unless `background` is given. */
  png(options?: { scale?: number; background?: string }): Uint8Array;
  [key: symbol]: () => MimeBundle;
}

const display = Symbol.for("Jupyter.display");

/** A chart of `rows`, where `build` is the pure function from rows to spec. */
export function chart(kind: string, rows: readonly Row[], build: (rows: readonly Row[]) => Spec): Chart {
  return make(kind, rows, build, true);
}

function make(
  kind: string,
  rows: readonly Row[],
  build: (rows: readonly Row[]) => Spec,
  hasPicture: boolean,
): Chart {
  const spec = build(rows);
  const description = String(spec["description"] ?? kind);
  let svg: string | undefined;
  let png: string | undefined;
  const self: Chart = {
    kind,
    spec,
    rows,
    description,
    update: (next) => make(kind, next, build, hasPicture),
    live: () => make(kind, rows, build, false),
    svg: () => {
      svg ??= renderSvg(spec);
      return svg;
    },
    png: (options) => rasterize(self.svg(), options),
    [display]: () => {
      const bundle: Record<string, unknown> = { "application/vnd.vegalite.v5+json": spec };
      if (hasPicture) {
        png ??= Buffer.from(self.png()).toString("base64");
        bundle["image/png"] = png;
      }
      bundle["text/plain"] = description;
      return bundle;
    },
  };
  return Object.freeze(self);
}

/** True for a value made by `chart`, also across two copies of the package. */
export function isChart(value: unknown): value is Chart {
  const candidate = value as Partial<Chart> | null;
  return (
    typeof candidate === "object" &&
    candidate !== null &&
    typeof candidate.svg === "function" &&
    typeof candidate.spec === "object" &&
    Array.isArray(candidate.rows)
  );
}
