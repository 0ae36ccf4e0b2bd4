/**
 * Lines to the watchdog of a child, of which there may be a second one with a pipe of its own. Each says a byte when it
 * listens, and one for every line that it has taken; so what is said before is kept, and nothing goes to one that ended
 * before it listened, whose pipe stays open with nobody there to read it.
 */
import type { Duplex } from "node:stream";
import type { WatchdogLine } from "../child/frames.ts";

export interface WatchdogLines {
  /** Says it now, or when a watchdog listens; once more to the one that comes after it. */
  say(line: WatchdogLine): void;
  /** What was said is over and done with: the next watchdog need not hear of it. */
  forget(): void;
  /** A watchdog listens, and has taken all that it was told. */
  isHeard(): boolean;
}

export function watchdogLines(pipes: readonly Duplex[]): WatchdogLines {
  let listener: Duplex | null = null;
  /** Lines that the listener has not taken yet. */
  let open = 0;
  /** Said since `forget`. Hearing the same line twice is no harm. */
  let said: string[] = [];
  const write = (line: string): void => {
    if (listener === null) return;
    open++;
    listener.write(line);
  };
  for (const pipe of pipes) {
    pipe.once("data", () => {
      listener = pipe;
      open = 0;
      pipe.on("data", (taken: Uint8Array) => {
        if (listener === pipe) open -= taken.byteLength;
      });
      for (const line of said) write(line);
    });
    pipe.on("close", () => {
      if (listener === pipe) listener = null;
    });
  }
  return Object.freeze({
    say(line: WatchdogLine): void {
      const text = `${JSON.stringify(line)}\n`;
      said.push(text);
      write(text);
    },
    forget(): void {
      said = [];
    },
    isHeard: () => listener !== null && open === 0,
  });
}
