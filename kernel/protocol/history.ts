/** Inputs (and the plain text of results) of this session, kept as text only: no value stays alive through history. */
import type { HistoryRequest } from "./requests.ts";

export interface HistoryEntry {
  readonly line: number;
  readonly input: string;
  readonly output: string | null;
}

export interface History {
  add(entry: HistoryEntry): void;
  /** Rows of `history_reply`: `[session, line, input]`, or `[session, line, [input, output]]`. */
  select(request: HistoryRequest): unknown[];
}

/** Glob of the specification (`*`, `?`) as an anchored regular expression. */
const glob = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, "\\$&")
      .replace(/\*/g, ".*")
      .replace(/\?/g, ".")}$`,
    "s",
  );

export function history({ capacity = 10_000 }: { capacity?: number } = {}): History {
  const entries: HistoryEntry[] = [];
  return Object.freeze({
    add(entry: HistoryEntry): void {
      entries.push(entry);
      if (entries.length > capacity) entries.shift();
    },
    select({ access, withOutput, session, start, stop, n, pattern, unique }: HistoryRequest): unknown[] {
      let chosen: HistoryEntry[] = entries;
      if (access === "range") {
        // Sessions before this one are not stored: 0 is the present one, as in IPython.
        chosen =
          session === 0 ? entries.filter(({ line }) => line >= start && (stop === null || line < stop)) : [];
      } else {
        if (access === "search") chosen = entries.filter(({ input }) => glob(pattern).test(input));
        if (unique) {
          const newest = new Map<string, HistoryEntry>();
          for (const entry of chosen) {
            newest.delete(entry.input);
            newest.set(entry.input, entry);
          }
          chosen = [...newest.values()];
        }
        if (n !== null) chosen = n > 0 ? chosen.slice(-n) : [];
      }
      return chosen.map(({ line, input, output }) => [0, line, withOutput ? [input, output] : input]);
    },
  });
}
