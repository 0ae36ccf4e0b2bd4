/**
 * Runs a notebook without a front end: one kernel, the code cells in order, and an event for everything that happens.
 * The notebook that comes out always holds all outputs so far, after a failure, a timeout or an interrupt too, and is
 * written after every cell when a path is given.
 */
import type { CodeCell, JsonObject, Notebook, Output } from "../nbformat/notebook.ts";
import { isCodeCell, isJsonObject, tagsOf } from "../nbformat/notebook.ts";
import { recordOutputs } from "../nbformat/outputs.ts";
import { writeNotebookFile } from "../nbformat/write.ts";
import type { Message } from "../protocol/message.ts";
import { eventQueue } from "./event-queue.ts";
import { contentOf } from "./kernel-client.ts";
import { type KernelSession, startKernelSession } from "./kernel-session.ts";
import type { KernelSpec } from "./kernelspec.ts";

export interface RunOptions {
  /** Default: this package's kernel. */
  readonly kernel?: KernelSpec;
  /** Working folder of the cells. Default: the current one. */
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string };
  /** Milliseconds that a cell may take; 0 = no limit (default). A cell over it is interrupted and counts as failed. */
  readonly timeout?: number | ((cell: CodeCell) => number);
  /** Milliseconds from start to the kernel's first answer. Default 60,000. */
  readonly startTimeout?: number;
  /** Milliseconds that an interrupted cell gets to end by itself before its kernel is killed. Default 10,000. */
  readonly grace?: number;
  /** Go on after a failing cell, as if each were tagged `raises-exception`. Default false. */
  readonly continuesAfterErrors?: boolean;
  /** Aborting interrupts the running cell; the outputs so far are kept. */
  readonly signal?: AbortSignal;
  /** Where to write the notebook, after every cell and at the end. */
  readonly output?: string;
}

export interface Failure {
  /** Index among all cells of the notebook that was run. */
  readonly cellIndex: number;
  /** 1-based number among the code cells, as progress counts them. */
  readonly number: number;
  readonly id: string;
  readonly ename: string;
  readonly evalue: string;
  /** In lines of the cell, as the kernel reports them. */
  readonly traceback: readonly string[];
}

export type RunStatus = "ok" | "failed" | "interrupted";

export interface RunResult {
  readonly status: RunStatus;
  readonly notebook: Notebook;
  readonly failure?: Failure;
  readonly seconds: number;
}

export type RunEvent =
  | { readonly type: "start"; readonly cells: number; readonly kernel: string; readonly seconds: number }
  | {
      readonly type: "cell";
      readonly cell: CodeCell;
      readonly cellIndex: number;
      readonly number: number;
      readonly of: number;
    }
  | {
      readonly type: "output";
      readonly cell: CodeCell;
      readonly cellIndex: number;
      readonly output: Output;
      readonly isUpdate: boolean;
    }
  | { readonly type: "clear"; readonly cell: CodeCell; readonly cellIndex: number }
  | {
      readonly type: "cell-end";
      readonly cell: CodeCell;
      readonly cellIndex: number;
      readonly number: number;
      readonly of: number;
      /** "raised" = failed as its tag `raises-exception` or the run's options allow. */
      readonly status: "ok" | "raised" | "error";
      readonly seconds: number;
    }
  | ({ readonly type: "end" } & RunResult);

/**
 * Events of one run; the last one is `end`. The given notebook is left as it is. Throws only when the kernel cannot
 * be started at all; everything later, the kernel's death included, is reported in `end`.
 */
export async function* runNotebook(
  notebook: Notebook,
  options: RunOptions = {},
): AsyncGenerator<RunEvent, RunResult> {
  const { signal, output, timeout = 0 } = options;
  const startedAt = performance.now();
  const seconds = () => (performance.now() - startedAt) / 1000;
  const result = emptied(notebook);
  const work = result.cells.flatMap((cell, cellIndex) =>
    isCodeCell(cell) && cell.source.trim() !== "" ? [{ cell, cellIndex }] : [],
  );
  const save = () => {
    if (output !== undefined) writeNotebookFile(output, result);
  };

  const session = await startKernelSession(options);
  try {
    describe(result, session);
    yield { type: "start", cells: work.length, kernel: session.spec.displayName, seconds: seconds() };
    save();

    const recorder = recordOutputs();
    let events = eventQueue<RunEvent>();
    const cellOf = new Map<string, CodeCell>();
    const take = (cell: CodeCell, message: Message) => {
      for (const change of recorder.record(cell, message.header.msg_type, contentOf(message))) {
        const cellIndex = result.cells.indexOf(change.cell);
        if (change.kind === "cleared") events.push({ type: "clear", cell: change.cell, cellIndex });
        else {
          const output = change.cell.outputs[change.outputIndex]!;
          events.push({
            type: "output",
            cell: change.cell,
            cellIndex,
            output,
            isUpdate: change.kind === "changed",
          });
        }
      }
    };
    // What a timer of an earlier cell says belongs to that cell, as in a front end.
    session.client.onLate((message) => {
      const cell = cellOf.get(message.parent?.msg_id ?? "");
      if (cell !== undefined) take(cell, message);
    });
    let failure: Failure | undefined;
    for (const [position, { cell, cellIndex }] of work.entries()) {
      if (signal?.aborted) break;
      const place = { cell, cellIndex, number: position + 1, of: work.length } as const;
      yield { type: "cell", ...place };
      const cellStartedAt = performance.now();

      events = eventQueue<RunEvent>();
      const mayFail = options.continuesAfterErrors === true || tagsOf(cell).includes("raises-exception");
      const outcome = session
        .runCell(cell.source, {
          stopsOnError: !mayFail,
          timeout: typeof timeout === "function" ? timeout(cell) : timeout,
          title: `Cell ${place.number} of ${place.of} (id ${cell.id})`,
          onMessage: (message) => {
            if (message.parent !== null) cellOf.set(message.parent.msg_id, cell);
            const count = contentOf(message)["execution_count"];
            if (typeof count === "number") cell.execution_count = count;
            take(cell, message);
          },
        })
        .finally(() => events.end());
      yield* events;
      const { error, isFatal } = await outcome;

      if (error !== undefined && (isFatal || !cell.outputs.some((shown) => shown.output_type === "error"))) {
        const shown: Output = { output_type: "error", ...error, traceback: [...error.traceback] };
        cell.outputs.push(shown);
        yield { type: "output", cell, cellIndex, output: shown, isUpdate: false };
      }
      save();
      const spent = (performance.now() - cellStartedAt) / 1000;
      const hasFailed = error !== undefined && (isFatal || !mayFail);
      const status = error === undefined ? "ok" : hasFailed ? "error" : "raised";
      yield { type: "cell-end", ...place, status, seconds: spent };
      if (hasFailed) {
        failure = { cellIndex, number: place.number, id: cell.id, ...error };
        break;
      }
    }

    const status = signal?.aborted ? "interrupted" : failure === undefined ? "ok" : "failed";
    const end = { status, notebook: result, seconds: seconds(), ...(failure && { failure }) } as const;
    save();
    yield { type: "end", ...end };
    return end;
  } finally {
    try {
      save();
    } finally {
      await session.shutdown();
    }
  }
}

/** The run's result without its events. */
export async function runToEnd(notebook: Notebook, options: RunOptions = {}): Promise<RunResult> {
  const run = runNotebook(notebook, options);
  for (;;) {
    const step = await run.next();
    if (step.done) return step.value;
  }
}

/** A copy without the outputs of earlier runs. */
function emptied(notebook: Notebook): Notebook {
  const copy = structuredClone(notebook);
  for (const cell of copy.cells)
    if (isCodeCell(cell)) {
      cell.outputs = [];
      cell.execution_count = null;
    }
  return copy;
}

/** Says in the notebook which kernel ran it. */
function describe(notebook: Notebook, { spec, info }: KernelSession): void {
  const language = info["language_info"];
  if (isJsonObject(language) && typeof language["name"] === "string")
    notebook.metadata["language_info"] = language;
  const kernelspec: JsonObject = { name: spec.name, display_name: spec.displayName };
  if (spec.language !== "") kernelspec["language"] = spec.language;
  notebook.metadata["kernelspec"] = kernelspec;
}
