/** Where time goes: named pieces of synchronous work, each without the pieces inside it. */

export interface Stopwatch {
  /** Runs `work`; its time counts for `name`, that of pieces timed inside it for theirs. */
  time<T>(name: string, work: () => T): T;
  /** Milliseconds by name, since the start. */
  read(): ReadonlyMap<string, number>;
  /** When something was timed, without gaps inside: pairs of begin and end on the clock of `performance`. */
  spans(): readonly (readonly [begin: number, end: number])[];
}

export function stopwatch(): Stopwatch {
  const totals = new Map<string, number>();
  const outermost: [number, number][] = [];
  let inside = 0;
  let depth = 0;
  return Object.freeze({
    time<T>(name: string, work: () => T): T {
      const before = inside;
      inside = 0;
      depth++;
      const started = performance.now();
      try {
        return work();
      } finally {
        const ended = performance.now();
        const whole = ended - started;
        if (--depth === 0) outermost.push([started, ended]);
        totals.set(name, (totals.get(name) ?? 0) + whole - inside);
        inside = before + whole;
      }
    },
    read: () => new Map(totals),
    spans: () => outermost,
  });
}

/** Keeps no time. */
export const untimed: Stopwatch = Object.freeze({
  time: <T>(_name: string, work: () => T): T => work(),
  read: () => new Map(),
  spans: () => [],
});
