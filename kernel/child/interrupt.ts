/**
 * The state of the running cell and what the stop button does to it:
 *
 *   0 ms   `kernel.signal` aborts, and each pending `await` of cell code rejects (its `finally` blocks run)
 *   50 ms  the cell is reported as interrupted, whether or not its own promise has settled
 *   60 ms  no answer from the main thread: the watchdog terminates the execution (variables are kept)
 *   again  the front kills the process (variables are lost)
 */

export class Interrupted extends Error {
  override name = "Interrupted";
  constructor() {
    super("the cell was stopped; its variables are kept");
    this.stack = `${this.name}: ${this.message}`;
  }
}

/** Time that `finally` blocks and library code get between the abort signal and the report. */
const GRACE_MS = 50;

type Reject = (reason: unknown) => void;

export interface RunningCell {
  readonly parent: string;
  readonly signal: AbortSignal;
  /** Rejects with Interrupted a grace after the stop button. */
  readonly interrupted: Promise<never>;
}

let controller = new AbortController();
let running: RunningCell | null = null;
let rejectRun: Reject = () => {};
/** Awaits of cell code under way. A set of their own, as Promise.race with one promise would keep every value alive. */
const pending = new Set<Reject>();

export const cellSignal = (): AbortSignal => controller.signal;
export const runningCell = (): RunningCell | null => running;

export function beginCell(parent: string): RunningCell {
  controller = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    rejectRun = reject;
  });
  interrupted.catch(() => {});
  running = { parent, signal: controller.signal, interrupted };
  return running;
}

export function endCell(): void {
  running = null;
}

/** Stops the cell `parent`; does nothing when that cell is over. */
export function interruptCell(parent: string): void {
  if (running?.parent !== parent) return;
  const reason = new Interrupted();
  const reject = rejectRun;
  // A listener of the user's that throws must not keep the rest from stopping: abort() reports it by itself.
  controller.abort(reason);
  for (const stop of pending) stop(reason);
  pending.clear();
  setTimeout(() => reject(reason), GRACE_MS);
}

/** A place in cell code where the stop button acts: settles as `value` does, or rejects when the cell is stopped. */
export function cancelPoint<T>(value: T): T | Promise<Awaited<T>> {
  if (controller.signal.aborted) return Promise.reject(controller.signal.reason);
  const then = (value as { then?: unknown } | null | undefined)?.then;
  if (typeof then !== "function") return value;
  return new Promise((resolve, reject) => {
    pending.add(reject);
    Promise.resolve(value).then(
      (result) => {
        pending.delete(reject);
        resolve(result);
      },
      (error) => {
        pending.delete(reject);
        reject(error);
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
