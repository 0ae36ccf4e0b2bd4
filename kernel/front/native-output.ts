/**
 * Text that native code, subprocesses and crashes write to fd 1 and 2 of the child. The child ends each cell with a
 * marker on both, so the front knows when all that belongs to the cell has come, and takes the marker out.
 */
import type { Readable } from "node:stream";

export interface NativeOutput {
  /** Resolves when `count` markers have come on both descriptors, or after a time for a process that closed them. */
  drained(count: number): Promise<void>;
}

/** A user may close or redirect a descriptor: a cell never waits longer than this for its marker. */
const LONGEST_WAIT_MS = 500;

/** Node says so when a process ends that an inspector session is connected to, here the watchdog's. */
const DEBUGGER_NOTE = "Waiting for the debugger to disconnect...\n";

export interface NativeStreams {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

export function nativeOutput(
  streams: NativeStreams,
  marker: Uint8Array,
  onText: (name: "stdout" | "stderr", text: string) => void,
): NativeOutput {
  const seen = { stdout: 0, stderr: 0 };
  let wake: (() => void)[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    const decoder = new TextDecoder();
    let held: Buffer = Buffer.alloc(0);
    const emit = (bytes: Uint8Array): void => {
      const text = decoder.decode(bytes, { stream: true }).replace(DEBUGGER_NOTE, "");
      if (text !== "") onText(name, text);
    };
    streams[name].on("data", (chunk: Buffer) => {
      let bytes = held.byteLength > 0 ? Buffer.concat([held, chunk]) : chunk;
      for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker)) {
        emit(bytes.subarray(0, at));
        bytes = bytes.subarray(at + marker.byteLength);
        seen[name]++;
        for (const check of wake) check();
      }
      // Only what may be the begin of a marker waits for the next piece.
      const start = bytes.indexOf(0, Math.max(0, bytes.byteLength - marker.byteLength + 1));
      const mayBegin =
        start >= 0 && bytes.subarray(start).equals(marker.subarray(0, bytes.byteLength - start));
      emit(mayBegin ? bytes.subarray(0, start) : bytes);
      held = mayBegin ? bytes.subarray(start) : Buffer.alloc(0);
    });
  }
  return Object.freeze({
    drained(count: number): Promise<void> {
      return new Promise((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          wake = wake.filter((other) => other !== check);
          resolve();
        };
        const check = (): void => {
          if (seen.stdout >= count && seen.stderr >= count) finish();
        };
        const timer = setTimeout(finish, LONGEST_WAIT_MS);
        wake.push(check);
        check();
      });
    },
  });
}
