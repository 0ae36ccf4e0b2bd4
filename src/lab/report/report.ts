/**
 * A report is prose with live values in it, written as one HTML file that works offline and can be re-run:
 *
 *   const page = report({ title: "Does search pay?", runs: [run] })`
 *   ## What search bought
 *   ${plot.nfeVersusScore(run)}
 *   ${claims}
 *   `;
 *   await page.write("data/reports/search.html");
 *
 * `reportFromTemplate` takes the prose from a Markdown file with {{names}} instead.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { givenText } from "../../tensor/given-file.ts";
import { packageRoot } from "../../tensor/package-root.ts";
import { tf } from "../../tensor/tf.ts";
import { type CodeState, codeState, machine } from "../provenance.ts";
import { type Run, type RunFacts, runFacts } from "../run.ts";
import { escapeHtml } from "../table.ts";
import { type Block, blocksOf } from "./blocks.ts";
import { renderPage } from "./page.ts";
import { hashOf, type Payload, plainNumber } from "./payload.ts";
import { reportScript } from "./vega-bundle.ts";

export interface ReportOptions {
  readonly title: string;
  readonly author?: string;
  /** Runs whose configuration, seeds, inputs and ledgers go into the provenance. */
  readonly runs?: readonly Run[];
  /** The notebook that makes this report; it is embedded so that the report can be re-run. Default: the notebook that is open, where the front end says so. */
  readonly source?: string;
  /** The code that made the numbers, where it is not this tree as it is now. */
  readonly code?: CodeState;
  /** Charts that answer to the pointer; false leaves pictures and saves half a megabyte. */
  readonly isInteractive?: boolean;
}

export interface Report {
  readonly title: string;
  /** The whole file. */
  html(fileName?: string): Promise<string>;
  /** Writes the file; relative paths are taken from the package folder. Returns where it lies. */
  write(path: string): Promise<string>;
  [key: symbol]: () => Record<string, string>;
}

/** @example report({ title: "Quickstart", runs: [run] })`## Loss\n${plot.loss(run)}` */
export function report(options: ReportOptions) {
  return (strings: TemplateStringsArray, ...values: readonly unknown[]): Report => {
    const parts = strings.flatMap((text, i) => [text, ...(i < values.length ? [values[i]] : [])]);
    return makeReport(options, async (onRun) => joinText(await partsToBlocks(parts, onRun)));
  };
}

/**
 * @param path a Markdown file; `{{name}}` on its own line is replaced by the value of that name
 * @throws Error naming a placeholder without a value
 */
export function reportFromTemplate(
  path: string,
  values: Readonly<Record<string, unknown>>,
  options: ReportOptions,
): Report {
  const parts = givenText(path, "fill a report's template")
    .split(/\{\{\s*([\w-]+)\s*\}\}/)
    .map((part, i) => {
      if (i % 2 === 0) return part;
      if (!(part in values)) {
        throw new Error(
          `Cannot fill the template ${basename(path)} as it names {{${part}}}: the values are ${Object.keys(values).join(", ") || "none"}.`,
        );
      }
      return values[part];
    });
  return makeReport(options, async (onRun) => joinText(await partsToBlocks(parts, onRun)));
}

async function partsToBlocks(parts: readonly unknown[], onRun: (run: Run) => void): Promise<Block[]> {
  const blocks: Block[] = [];
  for (const part of parts) {
    // Text and inline numbers are one Markdown document until a block interrupts it.
    if (typeof part === "string" || typeof part === "number" || typeof part === "boolean") {
      blocks.push({ type: "markdown", text: String(part) });
    } else blocks.push(...(await blocksOf(part, onRun)));
  }
  return blocks;
}

function joinText(blocks: readonly Block[]): Block[] {
  const joined: Block[] = [];
  for (const block of blocks) {
    const last = joined.at(-1);
    if (block.type === "markdown" && last?.type === "markdown") {
      joined[joined.length - 1] = { type: "markdown", text: last.text + block.text };
    } else joined.push(block);
  }
  return joined
    .map((block) => (block.type === "markdown" ? { ...block, text: dedent(block.text) } : block))
    .filter((block) => block.type !== "markdown" || block.text.trim() !== "");
}

/** A template literal is indented with the code around it; four spaces would make its text a code block. */
function dedent(text: string): string {
  const lines = text.split("\n");
  const indents = lines.filter((line) => line.trim() !== "").map((line) => /^ */.exec(line)![0].length);
  const shared = Math.min(...(indents.length > 1 ? indents.slice(/^\s*\n/.test(text) ? 0 : 1) : [0]));
  return lines
    .map((line) => (line.startsWith(" ".repeat(shared)) ? line.slice(shared) : line.trimStart()))
    .join("\n");
}

/** A report of blocks that are made when it is written; `known` are runs of which only what was shown is at hand. */
export function makeReport(
  options: ReportOptions & {
    readonly madeBy?: "notebook" | "template";
    readonly notebook?: Payload["source"];
  },
  makeBlocks: (onRun: (run: Run) => void) => Promise<readonly Block[]>,
  known: readonly RunFacts[] = [],
): Report {
  const { title, author = "", isInteractive = true } = options;
  const html = async (fileName = "report.html"): Promise<string> => {
    const runs = new Map(known.map((facts) => [facts.id, facts]));
    for (const run of options.runs ?? []) runs.set(run.id, runFacts(run));
    const blocks = await makeBlocks((run) => runs.set(run.id, runFacts(run)));
    const payload = payloadOf(options, blocks, [...runs.values()], fileName);
    const hasFigures = blocks.some((block) => block.type === "figure");
    return renderPage({
      payload,
      blocks,
      author,
      script: isInteractive && hasFigures ? await reportScript() : undefined,
    });
  };
  /** Where it was written last, as the caller named it. */
  let written = "";
  return Object.freeze({
    title,
    html,
    async write(path: string) {
      const target = reportPath(path);
      mkdirSync(dirname(target), { recursive: true });
      const text = await html(basename(target));
      const temporary = `${target}.${process.pid}.tmp`;
      writeFileSync(temporary, text);
      renameSync(temporary, target);
      written = path;
      return target;
    },
    [Symbol.for("Jupyter.display")]: () => ({
      "text/html": `<p><b>Report</b> ${escapeHtml(title)}: ${
        written === ""
          ? 'write it with <code>await page.write("data/reports/name.html")</code>'
          : `in <code>${escapeHtml(written)}</code>`
      }.</p>`,
      "text/plain": `Report ${title}${written === "" ? "" : `: in ${written}`}`,
    }),
  });
}

/** Where a report goes: ZOETROPE_REPORTS redirects them all, which is how a re-run is kept away from the original. */
function reportPath(path: string): string {
  const redirected = process.env["ZOETROPE_REPORTS"];
  if (redirected) return join(redirected, basename(path));
  return isAbsolute(path) ? path : resolve(packageRoot, path);
}

function payloadOf(
  options: ReportOptions & {
    readonly madeBy?: "notebook" | "template";
    readonly notebook?: Payload["source"];
  },
  blocks: readonly Block[],
  runs: readonly RunFacts[],
  fileName: string,
): Payload {
  const figures = blocks.filter((block) => block.type === "figure");
  const claims = blocks.filter((block) => block.type === "claim").map((block) => block.claim);
  return {
    format: "zoetrope-report-1",
    title: options.title,
    created: new Date().toISOString(),
    fileName,
    figures: figures.map((figure, i) => ({
      id: `figure-${i + 1}`,
      title: figure.title,
      hash: hashOf(figure.spec),
      spec: figure.spec,
      rows: figure.rows,
    })),
    claims: claims.map(({ statement, verdict, estimate, low, high, hash }) => ({
      statement,
      verdict,
      estimate: plainNumber(estimate),
      low: plainNumber(low),
      high: plainNumber(high),
      hash,
    })),
    runs,
    code: options.code ?? codeState(),
    machine: machine(),
    device: tf.engine().backendName ?? null,
    source: options.notebook ?? embeddedSource(options.source),
    madeBy: options.madeBy ?? "template",
  };
}

/** The notebook's cells without outputs; null where none is known or readable. */
function embeddedSource(path: string | undefined): Payload["source"] {
  const known = path ?? process.env["JPY_SESSION_NAME"];
  if (known === undefined) return null;
  const found = [known, resolve(packageRoot, known), resolve(packageRoot, "notebooks", basename(known))];
  for (const candidate of found) {
    try {
      return { fileName: basename(candidate), notebook: strippedNotebook(readFileSync(candidate, "utf8")) };
    } catch {
      // Not here, or not JSON: the next place.
    }
  }
  if (path === undefined) return null;
  throw new Error(
    `Cannot embed the notebook "${path}" as it was not found or is not JSON. Give the path of the .ipynb.`,
  );
}

/** A notebook as JSON with outputs and execution counts removed. */
export function strippedNotebook(text: string): object {
  const notebook = JSON.parse(text) as {
    cells?: { cell_type?: string; outputs?: unknown; execution_count?: unknown }[];
  };
  if (!Array.isArray(notebook.cells)) throw new TypeError("Cannot embed a notebook without cells.");
  return {
    ...notebook,
    cells: notebook.cells.map((cell) =>
      cell.cell_type === "code" ? { ...cell, outputs: [], execution_count: null } : cell,
    ),
  };
}
