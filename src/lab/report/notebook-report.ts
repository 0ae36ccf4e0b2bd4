/**
 * An executed notebook as a report: prose, figures, clips, tables and claims in reading order, code one click away.
 * Reads nbformat 4 and, upgraded on the way, 3; unknown cells and outputs are named in place, and nothing else is lost.
 */
import { basename } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";
import { givenText } from "../../tensor/given-file.ts";
import { runMediaType } from "../ledger.ts";
import type { RunFacts } from "../run.ts";
import { type Block, bundleBlocks, type MimeBundle } from "./blocks.ts";
import { makeReport, type Report, type ReportOptions, strippedNotebook } from "./report.ts";

interface NotebookCell {
  readonly cell_type?: string;
  readonly source?: unknown;
  readonly outputs?: readonly NotebookOutput[];
  readonly metadata?: { readonly tags?: readonly string[] };
  readonly attachments?: Readonly<Record<string, MimeBundle>>;
}

interface NotebookOutput {
  readonly output_type?: string;
  readonly data?: MimeBundle;
  readonly name?: string;
  readonly text?: unknown;
  readonly ename?: string;
  readonly evalue?: string;
  readonly traceback?: unknown;
}

interface NotebookFile {
  readonly nbformat?: number;
  readonly cells?: readonly NotebookCell[];
  readonly worksheets?: readonly { readonly cells?: readonly OldCell[] }[];
}

interface OldCell extends NotebookCell {
  readonly input?: unknown;
  readonly level?: number;
  readonly outputs?: readonly (NotebookOutput & Readonly<Record<string, unknown>>)[];
}

/**
 * @param path an executed .ipynb
 * @throws Error when the file is not a notebook
 */
export function notebookReport(path: string, options: Partial<ReportOptions> = {}): Report {
  const text = givenText(path, "report a notebook");
  const { cells, notes } = readCells(text, path);
  const heading = cells
    .filter((cell) => cell.cell_type === "markdown")
    .map((cell) => /^#\s+(.+)$/m.exec(asText(cell.source))?.[1])
    .find((found) => found !== undefined);
  const title = options.title ?? heading ?? basename(path, ".ipynb");
  const notebook = {
    fileName: basename(path),
    notebook: strippedNotebook(JSON.stringify({ ...JSON.parse(text), ...upgraded(text) })),
  };
  return makeReport(
    { ...options, title, madeBy: "notebook", notebook },
    async () => [
      ...notes.map((note): Block => ({ type: "note", text: note })),
      ...cells.flatMap((cell, i) => cellBlocks(cell, i, title)),
    ],
    shownRuns(cells),
  );
}

/** Runs as the cells that spent on them showed them; the last showing has the whole ledger. What is no run is passed over. */
function shownRuns(cells: readonly NotebookCell[]): RunFacts[] {
  const shown = cells
    .flatMap((cell) => cell.outputs ?? [])
    .map((output) => runShape.safeParse(output.data?.[runMediaType]))
    .flatMap((parsed) => (parsed.success ? [parsed.data] : []));
  return [...new Map(shown.map((run) => [run.id, run])).values()];
}

const words = z.string();
const hashOrNone = words.nullable();
const runShape = z.object({
  id: words,
  name: words,
  created: words,
  configHash: words,
  config: z.unknown(),
  seeds: z.array(z.number()),
  inputs: z.array(z.object({ path: words, sha256: words })),
  ledger: z.record(words, z.number()),
  code: z.object({
    commit: hashOrNone,
    isDirty: z.boolean().nullable(),
    diffHash: hashOrNone,
    lockfileHash: hashOrNone,
    version: words,
  }),
  device: words.nullable(),
});

/** An old notebook's embedded source is in the new format, so that the kernel can run it. */
function upgraded(text: string): object {
  const file = JSON.parse(text) as NotebookFile;
  if (file.nbformat !== 3) return {};
  return { nbformat: 4, nbformat_minor: 4, metadata: {}, cells: upgradeCells(file), worksheets: undefined };
}

function readCells(text: string, path: string): { cells: readonly NotebookCell[]; notes: string[] } {
  let file: NotebookFile;
  try {
    file = JSON.parse(text) as NotebookFile;
  } catch (error) {
    throw new Error(`Cannot report on ${basename(path)} as it is not JSON: ${(error as Error).message}.`);
  }
  const version = file.nbformat;
  if (version === 3)
    return { cells: upgradeCells(file), notes: ["Written in notebook format 3, shown as upgraded to 4."] };
  if (!Array.isArray(file.cells)) {
    throw new Error(
      `Cannot report on ${basename(path)} as it has no cells (nbformat ${String(version)}). Open and save it in JupyterLab to bring it to format 4.`,
    );
  }
  const notes =
    version === 4
      ? []
      : [`Written in notebook format ${String(version)}, which is newer than 4; read as far as known.`];
  return { cells: file.cells, notes };
}

const oldTypes: Readonly<Record<string, string>> = {
  text: "text/plain",
  html: "text/html",
  svg: "image/svg+xml",
  png: "image/png",
  jpeg: "image/jpeg",
  latex: "text/latex",
};

function upgradeCells(file: NotebookFile): NotebookCell[] {
  return (file.worksheets ?? [])
    .flatMap((sheet) => sheet.cells ?? [])
    .map((cell) => {
      if (cell.cell_type === "heading") {
        return {
          cell_type: "markdown",
          metadata: {},
          source: `${"#".repeat(cell.level ?? 1)} ${asText(cell.source)}`,
        };
      }
      if (cell.cell_type !== "code") return { metadata: {}, ...cell };
      return {
        cell_type: "code",
        execution_count: null,
        metadata: {},
        source: cell.input ?? "",
        outputs: (cell.outputs ?? []).map((output) => {
          if (output.output_type === "stream")
            return { output_type: "stream", name: "stdout", text: output.text };
          if (output.output_type === "pyerr") return { ...output, output_type: "error" };
          const data = Object.fromEntries(
            Object.entries(oldTypes).flatMap(([key, type]) =>
              output[key] === undefined ? [] : [[type, output[key]]],
            ),
          );
          return { output_type: "display_data", data, metadata: {} };
        }),
      };
    });
}

const asText = (value: unknown): string =>
  Array.isArray(value) ? value.map(String).join("") : typeof value === "string" ? value : "";

function cellBlocks(cell: NotebookCell, index: number, title: string): Block[] {
  const tags = cell.metadata?.tags ?? [];
  if (tags.includes("remove-cell") || tags.includes("hide-cell")) return [];
  const source = asText(cell.source);
  if (cell.cell_type === "markdown") {
    // The report has the title already.
    const text = withAttachments(source, cell).replace(/^#\s+(.+)$/m, (line, heading: string) =>
      heading === title ? "" : line,
    );
    return text.trim() === "" ? [] : [{ type: "markdown", text }];
  }
  if (cell.cell_type === "raw")
    return source.trim() === "" ? [] : [{ type: "output", text: source, tone: "plain" }];
  if (cell.cell_type !== "code") {
    const shown = source === "" ? "" : `: ${source.slice(0, 200)}`;
    return [
      { type: "note", text: `Cell ${index + 1} is of the unknown type "${String(cell.cell_type)}"${shown}` },
    ];
  }
  const isCode = source.trim() !== "" && !tags.includes("hide-input");
  const label = tags.includes("parameters") ? "Parameters" : "Code";
  return [
    ...(isCode ? [{ type: "code", text: source, title: label } as const] : []),
    ...mergeStreams(cell.outputs ?? []).flatMap(outputBlocks),
  ];
}

/** Pictures pasted into a Markdown cell. */
function withAttachments(source: string, cell: NotebookCell): string {
  return source.replaceAll(/attachment:([^)\s"']+)/g, (whole, name: string) => {
    const bundle = cell.attachments?.[name] ?? cell.attachments?.[decodeURIComponent(name)];
    const type = Object.keys(bundle ?? {}).find((key) => /^image\/(png|jpeg|gif|webp)$/.test(key));
    return bundle && type ? `data:${type};base64,${asText(bundle[type]).replaceAll(/\s/g, "")}` : whole;
  });
}

/** Consecutive pieces of one stream are one output. */
function mergeStreams(outputs: readonly NotebookOutput[]): NotebookOutput[] {
  const merged: NotebookOutput[] = [];
  for (const output of outputs) {
    const last = merged.at(-1);
    if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name) {
      merged[merged.length - 1] = { ...last, text: asText(last.text) + asText(output.text) };
    } else merged.push(output);
  }
  return merged;
}

function outputBlocks(output: NotebookOutput): Block[] {
  switch (output.output_type) {
    case "stream":
      return asText(output.text).trim() === ""
        ? []
        : [
            {
              type: "output",
              text: plain(asText(output.text)),
              tone: output.name === "stderr" ? "error" : "plain",
            },
          ];
    case "error": {
      const trace = Array.isArray(output.traceback) ? output.traceback.map(String).join("\n") : "";
      return [{ type: "output", text: plain(trace || `${output.ename}: ${output.evalue}`), tone: "error" }];
    }
    case "display_data":
    case "execute_result":
      return bundleBlocks(output.data ?? {});
    default:
      return [
        { type: "note", text: `An output of the unknown type "${String(output.output_type)}" is not shown.` },
      ];
  }
}

/** Terminal colours go, and what a carriage return overwrote (progress bars) with them. */
function plain(text: string): string {
  const uncolored = stripVTControlCharacters(text);
  return uncolored
    .split("\n")
    .map((line) => line.replace(/\r+$/, "").split("\r").at(-1)!)
    .join("\n");
}
