/**
 * Ablations cell by cell: every combination of a grid of objects, times seeds, each a task whose result is kept by
 * content. Running the cell again computes only what changed; stopping loses only what was in work; a failing task is
 * kept and shown while the others go on; old results of a changed cell are shown as stale until they are replaced.
 *
 *   for await (const state of sweep({ forcing: [teacherForcing(), resamplingForcing()] }, [0, 1, 2],
 *     async ({ forcing }, { seed }) => ({ score: await trainAndScore(forcing, seed) })))
 *     display(state, { id: "sweep" });
 */
import type { Row } from "../plot/row.ts";
import { describe, type Json, label } from "./describe.ts";
import { type Executor, inProcess, type Job } from "./executor.ts";
import { runsRoot } from "./root.ts";
import type { Run } from "./run.ts";
import { escapeHtml, type Table, table } from "./table.ts";
import { readIndex, readTask, taskHash, writeIndex, writeTask } from "./task-store.ts";

export type Grid = Readonly<Record<string, readonly unknown[]>>;
export type Point<G extends Grid> = { readonly [K in keyof G]: G[K][number] };

export interface TaskContext {
  readonly seed: number;
  readonly signal: AbortSignal;
}

export type SweepTask<G extends Grid> = (
  point: Point<G>,
  context: TaskContext,
) => Promise<Row | readonly Row[]>;

export interface SweepOptions {
  /** Identifies the sweep for stale results; default: the task's name, or "sweep". */
  readonly name?: string;
  readonly root?: string;
  /** Default: in this process, one task at a time. */
  readonly executor?: Executor;
  /** Default: the cell's stop button, in a notebook. */
  readonly signal?: AbortSignal;
  /** Finished rows are appended here too, as kind "sweep". */
  readonly run?: Run;
  /** Part of every task's hash: change it when something outside the task's own text changed. */
  readonly version?: string;
  /** Number columns of the table; default: those of the results. */
  readonly values?: readonly string[];
  readonly lessIsBetter?: readonly string[];
}

export type TaskStatus = "waiting" | "running" | "done" | "reused" | "failed";

export interface TaskState {
  readonly hash: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly status: TaskStatus;
  readonly rows: readonly Row[];
  /** True where the rows are of an earlier definition of this cell. */
  readonly isStale: boolean;
  readonly error: string;
  readonly seconds: number;
}

export interface SweepState {
  readonly name: string;
  readonly tasks: readonly TaskState[];
  /** Settings, seed and results of every task that has any; stale ones have `stale: true`. */
  readonly rows: readonly Row[];
  readonly total: number;
  readonly done: number;
  readonly reused: number;
  readonly failed: number;
  readonly stale: number;
  readonly isStopped: boolean;
  readonly seconds: number;
  readonly notes: readonly string[];
  /** Mean and interval over seeds, by settings; undefined before the first result. */
  table(): Table | undefined;
  [key: symbol]: () => Record<string, string>;
}

export interface Sweep extends AsyncIterable<SweepState> {
  /** What is known without running anything. */
  peek(): SweepState;
  /** Runs to the end. */
  finish(): Promise<SweepState>;
}

interface Entry {
  state: TaskState;
  readonly job: Job;
}

/** All combinations, the last setting fastest. */
export function combinations<G extends Grid>(grid: G): Point<G>[] {
  return Object.entries(grid).reduce<Record<string, unknown>[]>(
    (points, [key, values]) => points.flatMap((point) => values.map((value) => ({ ...point, [key]: value }))),
    [{}],
  ) as Point<G>[];
}

/**
 * @throws RangeError for an empty grid axis or no seeds
 * @throws Error when two cells of the grid cannot be told apart
 */
export function sweep<G extends Grid>(
  grid: G,
  seeds: readonly number[],
  task: SweepTask<G>,
  options: SweepOptions = {},
): Sweep {
  for (const [axis, values] of [...Object.entries(grid), ["seeds", seeds] as const]) {
    if (values.length === 0)
      throw new RangeError(`Cannot sweep over "${axis}" as it has no values. Give at least one.`);
  }
  const root = runsRoot(options.root);
  const name = (options.name ?? (task.name || "sweep")).replaceAll(/[^\w.-]+/g, "-");
  const makeEntries = () => entriesOf(grid, seeds, task, root, name, options.version ?? "");
  return Object.freeze({
    peek: () => stateOf(name, makeEntries(), options, { isStopped: false, seconds: 0, notes: [] }),
    async finish() {
      let last: SweepState | undefined;
      for await (const state of drive(name, root, grid, makeEntries(), options)) last = state;
      return last!;
    },
    [Symbol.asyncIterator]: () => drive(name, root, grid, makeEntries(), options),
  });
}

function entriesOf<G extends Grid>(
  grid: G,
  seeds: readonly number[],
  task: SweepTask<G>,
  root: string,
  name: string,
  version: string,
): Entry[] {
  const before = readIndex(root, name);
  const seen = new Map<string, string>();
  return combinations(grid).flatMap((point) => {
    const settings = Object.fromEntries(Object.entries(point).map(([key, value]) => [key, label(value)]));
    return seeds.map((seed): Entry => {
      const hash = taskHash(point, seed, task.toString(), version);
      const cell = `${JSON.stringify(settings)} seed ${seed}`;
      if (seen.has(hash)) {
        throw new Error(
          `Cannot sweep as two tasks cannot be told apart: ${seen.get(hash)} and ${cell} describe themselves alike. Remove one, or give the objects fields in which they differ.`,
        );
      }
      seen.set(hash, cell);
      const stored = readTask(root, hash);
      const old = stored ? undefined : staleResult(root, before, settings, seed);
      const found = stored ?? old;
      return {
        job: { hash, settings: point, seed, call: (signal) => callTask(task, point, { seed, signal }) },
        state: {
          hash,
          settings,
          seed,
          status: stored ? "reused" : "waiting",
          rows: found?.rows ?? [],
          isStale: old !== undefined,
          error: "",
          seconds: found?.seconds ?? 0,
        },
      };
    });
  });
}

function staleResult(
  root: string,
  before: ReturnType<typeof readIndex>,
  settings: Record<string, string>,
  seed: number,
) {
  const key = JSON.stringify(settings);
  const known = before?.tasks.find((one) => one.seed === seed && JSON.stringify(one.settings) === key);
  return known ? readTask(root, known.hash) : undefined;
}

async function callTask<G extends Grid>(
  task: SweepTask<G>,
  point: Point<G>,
  context: TaskContext,
): Promise<readonly Row[]> {
  const result = await task(point, context);
  if (typeof result !== "object" || result === null) {
    throw new TypeError(
      `Cannot keep the task's result as it must be a row or rows: got ${String(result)}. Return e.g. { score }.`,
    );
  }
  return Array.isArray(result) ? (result as readonly Row[]) : [result as Row];
}

const cellSignal = () => (globalThis as { kernel?: { signal?: AbortSignal } }).kernel?.signal;

async function* drive(
  name: string,
  root: string,
  grid: Grid,
  entries: Entry[],
  options: SweepOptions,
): AsyncGenerator<SweepState, void> {
  const { executor = inProcess(), run, signal = cellSignal() } = options;
  const start = performance.now();
  const notes: string[] = [];
  const state = (isStopped = false) =>
    stateOf(name, entries, options, { isStopped, seconds: (performance.now() - start) / 1000, notes });
  const remember = () => writeIndex(root, indexOf(name, grid, entries));
  const byHash = new Map(entries.map((entry) => [entry.job.hash, entry]));
  const queue = entries.filter((entry) => entry.state.status === "waiting");
  let running = 0;
  if (run)
    for (const entry of entries)
      if (entry.state.status === "reused") run.append("sweep", resultRows(entry.state));
  const stopped = new Promise<"stop">((done) => {
    if (signal?.aborted) done("stop");
    signal?.addEventListener("abort", () => done("stop"), { once: true });
  });
  try {
    remember();
    yield state();
    while (queue.length > 0 || running > 0) {
      while (running < executor.slots && queue.length > 0 && !signal?.aborted) {
        const entry = queue.shift()!;
        entry.state = { ...entry.state, status: "running" };
        executor.submit(entry.job);
        running++;
      }
      const ended = signal?.aborted ? "stop" : await Promise.race([executor.poll(), stopped]);
      if (ended === "stop") {
        for (const entry of entries) {
          if (entry.state.status === "running") entry.state = { ...entry.state, status: "waiting" };
        }
        yield state(true);
        return;
      }
      for (const end of ended) {
        const entry = byHash.get(end.hash);
        if (!entry) continue;
        running--;
        if ("error" in end) {
          entry.state = { ...entry.state, status: "failed", error: end.error, seconds: end.seconds };
          run?.append("sweep", {
            ...entry.state.settings,
            seed: entry.state.seed,
            task: end.hash,
            error: end.error,
          });
          continue;
        }
        const written = writeTask(root, {
          hash: end.hash,
          rows: end.rows,
          seconds: end.seconds,
          finished: new Date().toISOString(),
        });
        if (written === "conflict") {
          notes.push(
            `Another process finished ${JSON.stringify(entry.state.settings)} seed ${entry.state.seed} first, with other rows: the task is not deterministic. The first result is kept.`,
          );
        }
        const kept = written === "stored" ? end.rows : (readTask(root, end.hash)?.rows ?? end.rows);
        entry.state = {
          ...entry.state,
          status: "done",
          rows: kept,
          isStale: false,
          error: "",
          seconds: end.seconds,
        };
        run?.append("sweep", resultRows(entry.state));
      }
      yield state();
    }
  } finally {
    // Also where the loop was left by `break`: nothing goes on behind the cell's back.
    if (running > 0) await executor.cancel();
  }
}

function indexOf(name: string, grid: Grid, entries: readonly Entry[]) {
  const axes: Json = Object.fromEntries(
    Object.entries(grid).map(([key, values]) => [key, values.map((value) => describe(value))]),
  );
  return {
    name,
    config: axes,
    tasks: entries.map(({ state }) => ({ hash: state.hash, settings: state.settings, seed: state.seed })),
  };
}

const resultRows = (state: TaskState): Row[] =>
  state.rows.map((row) => ({
    ...state.settings,
    ...row,
    seed: state.seed,
    task: state.hash.slice(0, 16),
    ...(state.isStale ? { stale: true } : {}),
  }));

function stateOf(
  name: string,
  entries: readonly Entry[],
  options: SweepOptions,
  progress: { isStopped: boolean; seconds: number; notes: readonly string[] },
): SweepState {
  const tasks = entries.map((entry) => entry.state);
  const rows = tasks.flatMap(resultRows);
  const count = (status: TaskStatus) => tasks.filter((task) => task.status === status).length;
  const stale = tasks.filter((task) => task.isStale).length;
  const made = {
    name,
    tasks,
    rows,
    total: tasks.length,
    done: count("done") + count("reused"),
    reused: count("reused"),
    failed: count("failed"),
    stale,
    ...progress,
    notes: [...progress.notes],
  };
  const axes = Object.keys(tasks[0]?.settings ?? {});
  const makeTable = () => sweepTable(rows, axes, stale, tasks.length, options);
  return Object.freeze({
    ...made,
    table: makeTable,
    [Symbol.for("Jupyter.display")]: () => bundle(made, makeTable()),
  });
}

function sweepTable(
  rows: readonly Row[],
  axes: readonly string[],
  stale: number,
  total: number,
  options: SweepOptions,
) {
  const own = new Set([...axes, "seed", "task", "stale"]);
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((column) => !own.has(column));
  const numeric = columns.filter((column) => rows.some((row) => Number.isFinite(row[column])));
  const values = (options.values ?? numeric).filter((column) => numeric.includes(column));
  if (values.length === 0) return undefined;
  const warning =
    stale > 0
      ? `Stale: ${stale} of ${total} results come from an earlier version of this cell; run it to replace them.`
      : "";
  return table(rows, { by: axes, values, lessIsBetter: options.lessIsBetter ?? [], warning });
}

function bundle(
  state: Pick<
    SweepState,
    "name" | "total" | "done" | "reused" | "failed" | "tasks" | "isStopped" | "seconds" | "notes"
  >,
  made: Table | undefined,
): Record<string, string> {
  const running = state.tasks.filter((task) => task.status === "running").length;
  const parts = [
    `${state.done} of ${state.total} tasks`,
    ...(state.reused > 0 ? [`${state.reused} reused`] : []),
    ...(running > 0 ? [`${running} running`] : []),
    ...(state.failed > 0 ? [`${state.failed} failed`] : []),
    ...(state.isStopped ? ["stopped: run the cell to continue"] : []),
    `${state.seconds.toFixed(1)} s`,
  ];
  const line = `${state.name}: ${parts.join(", ")}`;
  const failures = state.tasks
    .filter((task) => task.status === "failed")
    .map(
      (task) => `${Object.values(task.settings).join(", ")}, seed ${task.seed}: ${task.error.split("\n")[0]}`,
    );
  const lines = [...failures.map((text) => `failed: ${text}`), ...state.notes];
  const html = [
    `<progress value="${state.done}" max="${state.total}"></progress> ${escapeHtml(line)}`,
    ...lines.map((text) => `<div style="color:#D55E00">${escapeHtml(text)}</div>`),
    made?.html() ?? "",
  ].join("");
  return {
    "text/html": html,
    "text/plain": [line, ...lines.map((text) => `  ${text}`), ...(made ? [made.markdown()] : [])].join("\n"),
  };
}
