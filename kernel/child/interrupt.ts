/**
 * The state of the running cell and what the stop button does to it:
 *
 *   0 ms   `kernel.signal` aborts, and each pending `await` of cell code rejects (its `finally` blocks run)
 *   50 ms  the cell is reported as interrupted, whether or not its own promise has settled
 *   60 ms  no answer from the main thread: the watchdog terminates the execution (variables are kept)
 *   again  the front kills the process (variables are lost)
 *
 * A termination may strike the kernel's own code on this thread, and it drops all microtasks. So nothing here waits for
 * a promise or a timer: the watchdog repeats its line until the cell is over, and each step may be taken again.
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

interface RunningCell {
  readonly parent: string;
  interruptedAt: number | null;
  /** Ends the cell; does nothing when it has ended by itself. */
  readonly stop: (reason: Interrupted) => void;
}

let controller = new AbortController();
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

/** Whether the stop button was pressed during the running cell. */
export const isInterrupted = (): boolean => running?.interruptedAt != null;

/** A step of stopping the cell `parent`; does nothing when that cell is over or has not begun. */
export function interruptCell(parent: string): void {
  if (running?.parent !== parent) return;
  const now = performance.now();
  if (running.interruptedAt === null) {
    running.interruptedAt = now;
    controller.abort(new Interrupted());
    for (const reject of pending) reject(controller.signal.reason);
    pending.clear();
  } else if (now - running.interruptedAt >= GRACE_MS) running.stop(controller.signal.reason as Interrupted);
}

/**
 * A place in cell code where the stop button acts: settles as `value` does, or rejects when the cell is stopped. Throws
 * where it is stopped already: a loop that catches everything would go round through rejected promises otherwise, and
 * Node's hook for those swallows a termination.
 */
export function cancelPoint<T>(value: T): T | Promise<Awaited<T>> {
  controller.signal.throwIfAborted();
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
