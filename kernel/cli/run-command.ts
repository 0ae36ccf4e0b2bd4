/** `run NOTEBOOK`: a notebook from the command line, for people, for CI and for other programs (`--json`). */
import { mkdirSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { findKernelSpec, ownKernel } from "../client/kernelspec.ts";
import { type Failure, type RunEvent, type RunResult, runNotebook } from "../client/run-notebook.ts";
import { isJsonObject, type Notebook } from "../nbformat/notebook.ts";
import { withoutColour } from "../nbformat/outputs.ts";
import { injectParameters, parseAssignments } from "../nbformat/parameters.ts";
import { readNotebookFile } from "../nbformat/read.ts";
import { nfeOf, showProgress } from "./progress.ts";

export interface RunCommandOptions {
  /** `name=value` each. */
  readonly parameter: readonly string[];
  readonly output?: string;
  readonly inPlace: boolean;
  /** Seconds per cell; 0 = no limit. */
  readonly timeout: number;
  /** Name of an installed kernel. Default: this package's own, whatever the notebook names. */
  readonly kernel?: string;
  readonly cwd?: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly continueAfterErrors: boolean;
}

/** Exit status: 0 = ran through, 1 = a cell failed, 130 = interrupted. */
export async function runCommand(path: string, options: RunCommandOptions): Promise<number> {
  const { notebook: original, notes } = readNotebookFile(path);
  const notebook = await injectParameters(original, parseAssignments(options.parameter), { areText: true });
  const output = options.inPlace ? path : (options.output ?? executedPath(path));
  mkdirSync(dirname(resolve(output)), { recursive: true });

  const stop = new AbortController();
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(130);
    if (!options.json) process.stderr.write("\nInterrupting the cell (once more to leave at once) ...\n");
    stop.abort(new Error("The run was interrupted."));
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  const progress = options.json || options.quiet ? undefined : showProgress(notebook, process.stdout);
  try {
    if (!options.json) for (const note of notes) process.stderr.write(`${basename(path)}: ${note}\n`);
    const run = runNotebook(notebook, {
      kernel: options.kernel === undefined ? ownKernel() : findKernelSpec(options.kernel),
      cwd: resolve(options.cwd ?? dirname(path)),
      timeout: options.timeout * 1000,
      continuesAfterErrors: options.continueAfterErrors,
      signal: stop.signal,
      output,
    });
    let result: RunResult | undefined;
    for await (const event of run) {
      progress?.show(event);
      if (options.json) process.stdout.write(`${JSON.stringify(lean(event, output))}\n`);
      if (event.type === "end") result = event;
    }
    progress?.close();
    if (!options.json && result !== undefined) conclude(result, output);
    return result === undefined || result.status === "failed" ? 1 : result.status === "interrupted" ? 130 : 0;
  } catch (error) {
    if (stop.signal.aborted) return 130;
    throw error;
  } finally {
    progress?.close();
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}

function executedPath(path: string): string {
  const extension = extname(path);
  return join(dirname(path), `${basename(path, extension)}.executed${extension || ".ipynb"}`);
}

function conclude(result: RunResult, output: string): void {
  const cost = spentBy(result.notebook);
  const nfe = cost > 0 ? `, NFE ${cost.toLocaleString("en-US")}` : "";
  const took = `${result.seconds.toFixed(1)} s${nfe}`;
  if (result.failure !== undefined)
    process.stderr.write(failureText(result.failure, result.notebook, process.stderr.isTTY));
  const [what, kept] = {
    ok: ["Ran through", "outputs"],
    failed: ["Failed", "outputs so far"],
    interrupted: ["Interrupted", "outputs so far"],
  }[result.status] as [string, string];
  process.stdout.write(`${what} in ${took}; ${kept} are in ${output}\n`);
}

/** The failing cell with line numbers and its traceback. */
export function failureText(failure: Failure, notebook: Notebook, isColoured = false): string {
  const source = notebook.cells[failure.cellIndex]?.source ?? "";
  const lines = source.split("\n").map((line, index) => `  ${String(index + 1).padStart(4)} | ${line}`);
  const traceback = failure.traceback.join("\n");
  return [
    "",
    `Cell ${failure.number} (id ${failure.id}) failed: ${failure.ename}: ${failure.evalue}`,
    ...(lines.length > 40 ? [...lines.slice(0, 40), `       ... ${lines.length - 40} more lines`] : lines),
    "",
    isColoured && !process.env["NO_COLOR"] ? traceback : withoutColour(traceback),
    "",
    "",
  ].join("\n");
}

function spentBy(notebook: Notebook): number {
  return notebook.cells.reduce((sum, cell) => sum + (cell.cell_type === "code" ? nfeOf(cell) : 0), 0);
}

/** An event as one line of JSON: ids instead of whole cells, and no images. */
function lean(event: RunEvent, output: string): { readonly [name: string]: unknown } {
  if (event.type === "end") {
    const { type, status, seconds, failure, notebook } = event;
    return { type, status, seconds, output, nfe: spentBy(notebook), ...(failure && { failure }) };
  }
  if (!("cell" in event)) return event;
  const { cell, ...rest } = event;
  const slim = { ...rest, id: cell.id };
  if (event.type !== "output") return slim;
  return {
    ...slim,
    output: "data" in event.output ? { ...event.output, data: textsOnly(event.output.data) } : event.output,
  };
}

function textsOnly(data: { readonly [mediaType: string]: unknown }): {
  readonly [mediaType: string]: unknown;
} {
  return Object.fromEntries(
    Object.entries(data).map(([mediaType, value]) =>
      /^text\/(plain|markdown)$/.test(mediaType) ||
      (isJsonObject(value) && JSON.stringify(value).length < 10_000)
        ? [mediaType, value]
        : [mediaType, null],
    ),
  );
}
