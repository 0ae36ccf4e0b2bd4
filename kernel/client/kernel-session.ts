/**
 * A started kernel that is ready for cells: the process and its client joined, so that a dead kernel, a timeout and
 * an interrupt all end a cell with an error instead of a wait without end.
 */
import type { JsonObject } from "../nbformat/notebook.ts";
import { connectKernel, type ExecuteOptions, type KernelClient } from "./kernel-client.ts";
import { KernelDiedError, type KernelProcess, startKernelProcess } from "./kernel-process.ts";
import { type KernelSpec, ownKernel } from "./kernelspec.ts";

export interface SessionOptions {
  readonly kernel?: KernelSpec;
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string };
  readonly startTimeout?: number;
  readonly grace?: number;
  readonly signal?: AbortSignal;
}

export interface CellError {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

export interface CellOutcome {
  /** Undefined when the cell ran through. */
  readonly error?: CellError;
  /** The error is not the cell's own (timeout, interrupt, dead kernel): no later cell may run. */
  readonly isFatal: boolean;
}

export interface RunCellOptions extends ExecuteOptions {
  /** Milliseconds; 0 = no limit (default). */
  readonly timeout?: number;
  /** What messages call the cell. Default "The cell". */
  readonly title?: string;
}

export interface KernelSession {
  readonly spec: KernelSpec;
  readonly client: KernelClient;
  readonly process: KernelProcess;
  /** Content of the kernel_info_reply. */
  readonly info: JsonObject;
  /** A cell over its time is interrupted. */
  runCell(code: string, options?: RunCellOptions): Promise<CellOutcome>;
  /** Stops the running cell, by message or by signal as the kernelspec says. */
  interrupt(): Promise<void>;
  /** Asks the kernel to end, then makes it. */
  shutdown(): Promise<void>;
}

/** Starts a kernel and waits for its first answer. Throws with the kernel's own last words when it does not come. */
export async function startKernelSession(options: SessionOptions = {}): Promise<KernelSession> {
  const { kernel: spec = ownKernel(), startTimeout = 60_000, grace = 10_000, signal } = options;
  const kernel = await startKernelProcess(spec, options);
  const client = connectKernel(kernel.connection);
  void kernel.ended.then((reason) =>
    client.fail(new KernelDiedError(`${sentence(reason)}.${lastWords(kernel)}`)),
  );

  let info: JsonObject;
  try {
    info = await client.ready({ timeout: startTimeout, ...(signal && { signal }) });
  } catch (error) {
    const words = error instanceof KernelDiedError ? "" : lastWords(kernel);
    client.close();
    kernel.dispose();
    if (words === "" || !(error instanceof Error)) throw error;
    throw new Error(`${error.message}${words}`, { cause: error });
  }

  async function interrupt(): Promise<void> {
    if (spec.interruptMode === "signal") kernel.kill("SIGINT");
    else await client.request("control", "interrupt_request").catch(() => undefined);
  }

  async function runCell(
    code: string,
    { timeout = 0, title = "The cell", ...execution }: RunCellOptions = {},
  ): Promise<CellOutcome> {
    let stopped: CellError | undefined;
    let killer: ReturnType<typeof setTimeout> | undefined;
    const stop = (error: CellError) => {
      if (stopped !== undefined) return;
      stopped = error;
      void interrupt();
      killer = setTimeout(() => kernel.kill("SIGKILL"), grace);
    };
    const onAbort = () =>
      stop(cellError("Interrupted", "The run was interrupted; the outputs so far are kept."));
    const limit = timeout > 0 ? setTimeout(() => stop(timeoutError(title, timeout)), timeout) : undefined;
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
    try {
      const reply = await client.execute(code, execution);
      if (stopped !== undefined) return { error: stopped, isFatal: true };
      if (reply["status"] === "ok") return { isFatal: false };
      return { error: errorOf(reply), isFatal: false };
    } catch (error) {
      return { error: stopped ?? cellError("KernelDied", (error as Error).message), isFatal: true };
    } finally {
      clearTimeout(limit);
      clearTimeout(killer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async function shutdown(): Promise<void> {
    if (!kernel.hasEnded()) {
      const asked = client.request("control", "shutdown_request", { restart: false }).then(
        () => kernel.ended,
        () => undefined,
      );
      await Promise.race([asked, kernel.ended, new Promise((resolve) => setTimeout(resolve, 3000).unref())]);
    }
    client.close();
    kernel.dispose();
  }

  return Object.freeze({ spec, client, process: kernel, info, runCell, interrupt, shutdown });
}

function cellError(ename: string, evalue: string): CellError {
  return { ename, evalue, traceback: [`${ename}: ${evalue}`] };
}

function timeoutError(title: string, timeout: number): CellError {
  return cellError(
    "CellTimeout",
    `${title} ran longer than the ${timeout / 1000} s that each cell may take. Allow more with --timeout, or make it smaller.`,
  );
}

function errorOf(reply: JsonObject): CellError {
  const traceback = Array.isArray(reply["traceback"]) ? reply["traceback"].map(String) : [];
  return {
    ename: String(reply["ename"] ?? "Error"),
    evalue: String(reply["evalue"] ?? reply["status"] ?? ""),
    traceback,
  };
}

function lastWords(kernel: KernelProcess): string {
  const words = kernel.log();
  return words === "" ? "" : ` Its last words:\n${words}`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
