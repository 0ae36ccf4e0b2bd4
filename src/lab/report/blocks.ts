/**
 * What a report is made of. A value becomes a block by what it is: a chart is a figure with its data, a claim is a
 * card, a table a table, a run goes to the provenance, anything else is shown as it shows in a notebook (its
 * `Symbol.for("Jupyter.display")` method), foreign HTML sanitised.
 */
import { type Chart, isChart } from "../../plot/chart.ts";
import { compileSpec, renderSvg, type Spec } from "../../plot/render.ts";
import type { Row } from "../../plot/row.ts";
import type { Claim } from "../claim.ts";
import type { Run } from "../run.ts";
import { escapeHtml, type Table } from "../table.ts";
import { safeHtml } from "./sanitize.ts";

export interface FigureBlock {
  readonly type: "figure";
  readonly title: string;
  readonly description: string;
  /** Vega-Lite, as given. */
  readonly spec: Spec;
  /** Vega, as the browser runs it; undefined where it did not compile. */
  readonly vega: Spec | undefined;
  readonly svg: string;
  readonly rows: readonly Row[];
}

export type Block =
  | FigureBlock
  | { readonly type: "markdown"; readonly text: string }
  | { readonly type: "html"; readonly html: string }
  | { readonly type: "table"; readonly table: Table }
  | { readonly type: "claim"; readonly claim: Claim }
  | { readonly type: "media"; readonly html: string; readonly what: string }
  | { readonly type: "code"; readonly text: string; readonly title: string }
  | { readonly type: "output"; readonly text: string; readonly tone: "plain" | "error" }
  | { readonly type: "note"; readonly text: string };

export type MimeBundle = Readonly<Record<string, unknown>>;

const display = Symbol.for("Jupyter.display");

/** Blocks of one value; runs are handed to `onRun`. */
export async function blocksOf(value: unknown, onRun: (run: Run) => void): Promise<Block[]> {
  if (value === undefined || value === null || value === "") return [];
  if (Array.isArray(value)) return (await Promise.all(value.map((one) => blocksOf(one, onRun)))).flat();
  if (isChart(value)) return [chartBlock(value)];
  if (isClaim(value)) return [{ type: "claim", claim: value }];
  if (isTable(value)) return [{ type: "table", table: value }];
  if (isRun(value)) {
    onRun(value);
    return [];
  }
  if (typeof value === "object" || typeof value === "function") {
    const method = (value as Record<symbol, unknown>)[display];
    if (typeof method === "function") {
      const bundle = (await (method as () => unknown).call(value)) as MimeBundle | undefined;
      return bundle ? bundleBlocks(bundle) : [];
    }
    return [{ type: "output", text: JSON.stringify(value, null, 2) ?? String(value), tone: "plain" }];
  }
  return [{ type: "markdown", text: String(value) }];
}

export function isClaim(value: unknown): value is Claim {
  const one = value as Partial<Claim> | null;
  return (
    typeof one === "object" &&
    one !== null &&
    typeof one.statement === "string" &&
    typeof one.verdict === "string"
  );
}

function isTable(value: unknown): value is Table {
  const one = value as Partial<Table> | null;
  return (
    typeof one === "object" &&
    one !== null &&
    typeof one.latex === "function" &&
    typeof one.html === "function"
  );
}

function isRun(value: unknown): value is Run {
  const one = value as Partial<Run> | null;
  return (
    typeof one === "object" &&
    one !== null &&
    typeof one.append === "function" &&
    typeof one.manifest === "object"
  );
}

function chartBlock(chart: Chart): FigureBlock {
  return figureBlock(chart.spec, chart.rows);
}

/** A figure of any Vega-Lite spec. Foreign specs that do not compile or draw become a note instead of an error. */
export function figureBlock(spec: Spec, rows?: readonly Row[]): FigureBlock {
  const title = spec["title"] as string | { text?: unknown } | undefined;
  const text = typeof title === "string" ? title : typeof title?.text === "string" ? title.text : "Figure";
  return {
    type: "figure",
    title: text,
    description: typeof spec["description"] === "string" ? spec["description"] : text,
    spec,
    vega: compileSpec(withoutUrls(spec)).vega,
    svg: renderSvg(withoutUrls(spec)),
    rows: rows ?? datasetRows(spec),
  };
}

/** A spec may name data to load; a report loads nothing, so such data is left out. */
function withoutUrls(spec: Spec): Spec {
  return JSON.parse(JSON.stringify(spec), (key, value: unknown) => {
    if (key !== "data" || typeof value !== "object" || value === null || !("url" in value)) return value;
    return { values: [] };
  }) as Spec;
}

/** The data inside a spec: its named data sets, else its inline values. */
export function datasetRows(spec: Spec): Row[] {
  const sets = Object.entries((spec["datasets"] ?? {}) as Record<string, unknown>).filter(([, rows]) =>
    Array.isArray(rows),
  );
  if (sets.length > 0) {
    return sets.flatMap(([name, rows]) =>
      (rows as Row[]).flatMap(unfolded).map((row) => (sets.length > 1 ? { dataset: name, ...row } : row)),
    );
  }
  const values = (spec["data"] as { values?: unknown } | undefined)?.values;
  return Array.isArray(values) ? (values as Row[]) : [];
}

/** A row with lists (which the spec flattens) as one row for each place in the lists. */
function unfolded(row: Row): Row[] {
  const lists = Object.values(row as object).filter((value): value is readonly unknown[] =>
    Array.isArray(value),
  );
  if (lists.length === 0) return [row];
  return Array.from({ length: Math.max(...lists.map((list) => list.length)) }, (_, i) =>
    Object.fromEntries(
      Object.entries(row as object).map(([key, value]) => [key, Array.isArray(value) ? value[i] : value]),
    ),
  );
}

const asText = (value: unknown) => (Array.isArray(value) ? value.join("") : String(value));

/** One notebook output: the richest form that a report can show. */
export function bundleBlocks(bundle: MimeBundle): Block[] {
  const types = Object.keys(bundle);
  const claim = bundle["application/vnd.zoetrope.claim+json"];
  if (isClaim(claim)) return [{ type: "claim", claim }];
  const chart = types.find((type) => /^application\/vnd\.vegalite\.v\d+\+json$/.test(type));
  if (chart !== undefined) {
    try {
      return [figureBlock(bundle[chart] as Spec)];
    } catch (error) {
      const rest = Object.fromEntries(Object.entries(bundle).filter(([type]) => type !== chart));
      const note: Block = { type: "note", text: `A chart could not be drawn: ${(error as Error).message}` };
      return [note, ...bundleBlocks(rest)];
    }
  }
  if (bundle["text/html"] !== undefined) {
    const html = safeHtml(asText(bundle["text/html"]));
    if (html.trim() !== "") {
      const isMedia = /<(video|img)\b/.test(html);
      return [
        isMedia
          ? { type: "media", html, what: asText(bundle["text/plain"] ?? "clip") }
          : { type: "html", html },
      ];
    }
  }
  const picture = types.find((type) => /^image\/(png|jpeg|gif|webp|svg\+xml)$/.test(type));
  if (picture !== undefined) {
    const data = asText(bundle[picture]).trim();
    const isText = picture === "image/svg+xml" && data.startsWith("<");
    const source = `data:${picture};base64,${isText ? Buffer.from(data, "utf8").toString("base64") : data.replaceAll(/\s/g, "")}`;
    const what = asText(bundle["text/plain"] ?? "picture");
    return [{ type: "media", html: `<img alt="${escapeHtml(what)}" src="${escapeHtml(source)}">`, what }];
  }
  if (bundle["text/markdown"] !== undefined)
    return [{ type: "markdown", text: asText(bundle["text/markdown"]) }];
  if (bundle["text/latex"] !== undefined)
    return [{ type: "output", text: asText(bundle["text/latex"]), tone: "plain" }];
  if (bundle["text/plain"] !== undefined)
    return [{ type: "output", text: asText(bundle["text/plain"]), tone: "plain" }];
  if (types.length === 0) return [];
  return [{ type: "note", text: `An output of type ${types.join(", ")} is not shown in a report.` }];
}
