/**
 * Turns for the event loop by time, not by count: between two pieces of work timers, output and the stop button come
 * through, but work in small pieces does not pay for a turn after each (a tenth of a millisecond, as the loop's code has
 * left the caches by then). A piece that takes longer than `every` is always followed by one, so an abort is seen after
 * the piece in which it came, or `every` later.
 */

/** @param every milliseconds of work between two turns; default 50, less than a hand notices */
export function eventLoopTurns({
  every = 50,
}: {
  readonly every?: number;
} = {}): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < every) return undefined;
    return new Promise<void>((resolve) => {
      setImmediate(() => {
        last = performance.now();
        resolve();
      });
    });
  };
}
