/**
 * Where tasks run. An executor takes jobs, says which have ended, and can be told to stop; it keeps no results and
 * retries nothing, because results are content-addressed and whoever drives it decides. `inProcess` runs closures here;
 * `childProcesses` runs an exported function of a module in Node processes of its own.
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { Row } from "../plot/row.ts";
import { packageRoot } from "../tensor/package-root.ts";
import { canonicalJson } from "./hash.ts";

export interface Job {
  readonly hash: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly seed: number;
  /** The task bound to its settings, for executors that share this process. */
  readonly call: (signal: AbortSignal) => Promise<readonly Row[]>;
}

export type JobEnd =
  | { readonly hash: string; readonly rows: readonly Row[]; readonly seconds: number }
  | { readonly hash: string; readonly error: string; readonly seconds: number };

export interface Executor {
  readonly name: string;
  /** Jobs it works on at once. */
  readonly slots: number;
  submit(job: Job): void;
  /** Waits until at least one job has ended (or nothing is running), and returns all that have. */
  poll(): Promise<readonly JobEnd[]>;
  /** Stops what runs; those jobs are reported by no later poll. The executor can be used again. */
  cancel(): Promise<void>;
}

/** Ended jobs, and whoever waits for one. */
function outbox() {
  let ended: JobEnd[] = [];
  let wake = () => {};
  return {
    add(end: JobEnd) {
      ended.push(end);
      wake();
    },
    async take(isBusy: () => boolean): Promise<readonly JobEnd[]> {
      if (ended.length === 0 && isBusy()) {
        await new Promise<void>((done) => {
          wake = done;
        });
      }
      const taken = ended;
      ended = [];
      return taken;
    },
    clear() {
      ended = [];
      wake();
    },
  };
}

const textOf = (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Runs tasks in this process, one after the other unless `slots` says more (useful where tasks wait for others). */
export function inProcess({ slots = 1 }: { slots?: number } = {}): Executor {
  const box = outbox();
  let stop = new AbortController();
  const running = new Set<string>();
  return Object.freeze({
    name: "in process",
    slots,
    submit(job: Job) {
      const { signal } = stop;
      const start = performance.now();
      running.add(job.hash);
      const finish = (end: { rows: readonly Row[] } | { error: string }) => {
        if (signal.aborted) return;
        running.delete(job.hash);
        box.add({ hash: job.hash, seconds: (performance.now() - start) / 1000, ...end });
      };
      // A turn of the event loop between tasks lets displays, interrupts and other cells through.
      setImmediate(() => {
        if (signal.aborted) return;
        job.call(signal).then(
          (rows) => finish({ rows }),
          (error: unknown) => finish({ error: textOf(error) }),
        );
      });
    },
    poll: () => box.take(() => running.size > 0),
    async cancel() {
      stop.abort();
      stop = new AbortController();
      running.clear();
      box.clear();
    },
  });
}

export interface ChildProcessOptions {
  /** A built module (.js, .mjs) that exports the task. */
  readonly module: string;
  /** Name of the export; default "task". It gets (settings, { seed, signal }) and returns rows. */
  readonly exported?: string;
  readonly slots?: number;
}

interface Worker {
  readonly process: ChildProcess;
  job: { readonly hash: string; readonly start: number } | undefined;
}

/** Runs tasks in processes of their own: a crash costs one task, not the sweep. Settings must be plain JSON. */
export function childProcesses(options: ChildProcessOptions): Executor {
  const { exported = "task", slots = Math.max(1, availableParallelism()) } = options;
  const module = resolve(options.module);
  if (!existsSync(module)) {
    throw new Error(
      `Cannot run tasks of ${module} as it does not exist. Build it first, and give the path of the .js file.`,
    );
  }
  const entry = join(packageRoot, "dist", "src", "lab", "sweep-worker.js");
  if (!existsSync(entry)) {
    throw new Error("Cannot run tasks in child processes as the package is not built. Run npm run build.");
  }
  const box = outbox();
  const workers = new Set<Worker>();
  const waiting: Job[] = [];

  const start = (): Worker => {
    const worker: Worker = {
      process: fork(entry, [module, exported], { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
      job: undefined,
    };
    worker.process.on("message", (message: { hash: string; rows?: Row[]; error?: string }) => {
      if (worker.job?.hash !== message.hash) return;
      const seconds = (performance.now() - worker.job.start) / 1000;
      worker.job = undefined;
      const { hash, rows, error } = message;
      box.add(
        error === undefined ? { hash, rows: (rows ?? []).map(revive), seconds } : { hash, error, seconds },
      );
      next();
    });
    worker.process.on("exit", (code, signal) => {
      workers.delete(worker);
      if (worker.job === undefined) return;
      const { hash, start: began } = worker.job;
      const error = `The worker process ended (${signal ?? `exit status ${code}`}) before the task did.`;
      box.add({ hash, error, seconds: (performance.now() - began) / 1000 });
      next();
    });
    workers.add(worker);
    return worker;
  };
  const next = () => {
    while (waiting.length > 0) {
      const free = [...workers].find((worker) => worker.job === undefined && worker.process.connected);
      if (!free && workers.size >= slots) return;
      const worker = free ?? start();
      const job = waiting.shift()!;
      worker.job = { hash: job.hash, start: performance.now() };
      worker.process.send({ hash: job.hash, settings: job.settings, seed: job.seed });
    }
    // Nothing left: idle workers go, so that a finished sweep leaves no processes behind.
    if ([...workers].every((worker) => worker.job === undefined)) {
      for (const worker of workers) if (worker.process.connected) worker.process.disconnect();
    }
  };
  return Object.freeze({
    name: `${slots} child processes`,
    slots,
    submit(job: Job) {
      const plain = JSON.stringify(job.settings);
      if (
        plain === undefined ||
        canonicalJson(JSON.parse(plain)) !== canonicalJson(job.settings) ||
        hasFunction(job.settings)
      ) {
        throw new TypeError(
          "Cannot send the settings to another process as they must be plain JSON: got functions or class instances. Pass names or numbers and build the objects in the task, or use inProcess().",
        );
      }
      waiting.push(job);
      next();
    },
    poll: () => box.take(() => waiting.length > 0 || [...workers].some((worker) => worker.job !== undefined)),
    async cancel() {
      waiting.length = 0;
      const doomed = [...workers];
      for (const worker of doomed) {
        worker.job = undefined;
        worker.process.kill("SIGTERM");
      }
      await Promise.all(
        doomed.map((worker) =>
          worker.process.exitCode !== null || worker.process.signalCode !== null
            ? undefined
            : new Promise((done) => worker.process.once("exit", done)),
        ),
      );
      box.clear();
    },
  });
}

function hasFunction(value: unknown): boolean {
  if (typeof value === "function") return true;
  return typeof value === "object" && value !== null && Object.values(value).some(hasFunction);
}

/** IPC is JSON: numbers that are not finite travel by name. */
function revive(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => {
      const name = (value as { $number?: string } | null | undefined)?.$number;
      return [key, name === undefined ? value : Number(name)];
    }),
  );
}
