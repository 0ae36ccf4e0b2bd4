/** Where time goes: named pieces of synchronous work, each without the pieces inside it. */

export interface Stopwatch {
  /** Runs `work`; its time counts for `name`, that of pieces timed inside it for theirs. */
  time<T>(name: string, work: () => T): T;
  /** Milliseconds by name, since the start. */
  read(): ReadonlyMap<string, number>;
}

export function stopwatch(): Stopwatch {
  const totals = new Map<string, number>();
  let inside = 0;
  return Object.freeze({
    time<T>(name: string, work: () => T): T {
      const before = inside;
      inside = 0;
      const started = performance.now();
      try {
        return work();
      } finally {
        const whole = performance.now() - started;
        totals.set(name, (totals.get(name) ?? 0) + whole - inside);
        inside = before + whole;
      }
    },
    read: () => new Map(totals),
  });
}
