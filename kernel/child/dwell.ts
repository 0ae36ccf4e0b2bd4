/**
 * A moment for the watchdog at the end of each print. A loop of prints is in the user's own code for a hundredth of its
 * time, and for none of it where it waits for a front that is behind with reading; a strike comes nowhere else. So while
 * the watchdog looks for that moment a print stands still before it returns, when all of it is written. `strike.ts` looks
 * through this file at whoever has called.
 */
import type { Console } from "node:console";
import { Shared } from "./frames.ts";

/** A look comes every millisecond, and two of them four milliseconds apart must find the same code at work. */
const DWELL_MS = 10;
const PRINTS = ["log", "info", "debug", "warn", "error", "dir", "table", "trace"] as const;

type Print = (...given: unknown[]) => void;

/** `console` with prints that stand still while `Shared.PURSUED` is set. */
export function dwellingConsole(console: Console, shared: Int32Array): Console {
  const given = console as unknown as Record<string, Print>;
  for (const name of PRINTS) {
    const print = given[name]!;
    // No other function is called here: its frame would be one that the watchdog cannot see through.
    const { [name]: dwelling } = {
      [name]: (...values: unknown[]): void => {
        print(...values);
        if (Atomics.load(shared, Shared.PURSUED) === 1) Atomics.wait(shared, Shared.PURSUED, 1, DWELL_MS);
      },
    };
    given[name] = dwelling!;
  }
  return console;
}
