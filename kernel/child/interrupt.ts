/**
 * The state of the running cell and what the stop button does to it:
 *
 *   0 ms   `kernel.signal` aborts, and each pending `await` of cell code rejects (its `finally` blocks run)
 *   50 ms  the cell is reported as interrupted, whether or not its own promise has settled
 *   50 ms  no answer from the main thread: the watchdog terminates the execution (variables are kept)
 *   again  the front kills the process (variables are lost)
 *
 * A termination strikes code of the user's only (strike.ts), but it drops all microtasks. So nothing here waits for a
 * promise or a timer: the watchdog repeats its line until the cell is over, and each step may be taken again.
 */

export class Interrupted extends Error {
  override name = "Interrupted";
  constructor() {
    super("the cell was stopped; its variables are kept");
    this.stack = `${this.name}: ${this.message}`;
  }
}

/** Time that `finally` blocks and library code get between the abort signal and the report. */
const GRACE_MS = 45;

interface RunningCell {
  readonly parent: string;
  interruptedAt: number | null;
  /** Ends the cell; does nothing when it has ended by itself. */
  readonly stop: (reason: Interrupted) => void;
}

let controller = new AbortController();
let abortedAt = 0;
let running: RunningCell | null = null;
/** Awaits of cell code under way. A set of their own, as Promise.race with one promise would keep every value alive. */
const pending = new Set<(reason: unknown) => void>();

export const cellSignal = (): AbortSignal => controller.signal;

export function beginCell(parent: string, stop: RunningCell["stop"]): void {
  controller = new AbortController();
  running = { parent, stop, interruptedAt: null };
}

export function endCell(): void {
  running = null;
}

/** A step of stopping the cell `parent`; does nothing when that cell is over or has not begun. */
export function interruptCell(parent: string): void {
  if (running?.parent !== parent) return;
  const now = performance.now();
  if (running.interruptedAt === null) {
    running.interruptedAt = now;
    abortedAt = now;
    const reason = new Interrupted();
    for (const reject of pending) reject(reason);
    pending.clear();
    controller.abort(reason); // Last, as its listeners are code of the user's, which may be stuck.
  } else if (now - running.interruptedAt >= GRACE_MS) running.stop(new Interrupted());
}

/** How long a stopped cell may go on to clean up, unless the next cell begins before. */
const CLEAN_UP_MS = 2000;

/** Code of a stopped cell that has had its time, or has outlived it by catching everything. */
const isSpent = (of: AbortController): boolean =>
  of.signal.aborted && (of !== controller || performance.now() - abortedAt > CLEAN_UP_MS);

/** The line of the cell that waits, added to errors: V8 cannot follow the promise made here. */
function addFrame(error: unknown, site: { readonly stack?: string }): void {
  if (!(error instanceof Error) || typeof error.stack !== "string") return;
  const frame = site.stack?.split("\n").find((line) => line.includes("cell["));
  if (frame === undefined || error.stack.includes(frame.trim().replace(/^at (async )?/, ""))) return;
  error.stack += `\n${frame.replace(/^\s*at (async )?/, "    at async ")}`;
}

/**
 * A place in cell code where the stop button acts: settles as `value` does, or rejects when the cell is stopped. What a
 * stopped cell awaits after that (in a `finally`) works as usual for two seconds; then it is left waiting for ever, as
 * is a loop that catches everything. No rejected promise is made here on the way: Node's hook for those can swallow a
 * termination.
 */
export function cancelPoint<T>(value: T): T | Promise<Awaited<T>> {
  const mine = controller;
  if (isSpent(mine)) return new Promise(() => {});
  const then = (value as { then?: unknown } | null | undefined)?.then;
  if (typeof then !== "function") return value;
  const site: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 1;
  Error.captureStackTrace(site, cancelPoint);
  Error.stackTraceLimit = limit;
  return new Promise((resolve, reject) => {
    pending.add(reject);
    Promise.resolve(value).then(
      (result) => {
        pending.delete(reject);
        if (!isSpent(mine)) resolve(result);
      },
      (error) => {
        pending.delete(reject);
        addFrame(error, site);
        if (!isSpent(mine)) reject(error);
      },
    );
  });
}

/** `for await` over `source` with a cancel point at each step; a stopped loop tells the source to finish. */
export async function* cancellable<T>(
  source: AsyncIterable<T> | Iterable<T | PromiseLike<T>>,
): AsyncGenerator<T> {
  const iterator =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let over = false;
  try {
    while (true) {
      const step = await cancelPoint(iterator.next());
      if (step.done) {
        over = true;
        return;
      }
      yield await cancelPoint(step.value as T);
    }
  } finally {
    // Not awaited when stopped: a generator that is stuck in its own await answers only after it.
    const end = over ? undefined : iterator.return?.();
    if (controller.signal.aborted) Promise.resolve(end).catch(() => {});
    else await end;
  }
}
