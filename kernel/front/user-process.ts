/** The process of the user's code: started, spoken to, stopped, and started again when it dies. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { Duplex, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import {
  type Command,
  FRAME_FD,
  type Frame,
  frameReader,
  WATCHDOG_FDS,
  type WatchdogLine,
} from "../child/frames.ts";
import { guard } from "./guard.ts";
import { type NativeOutput, nativeOutput } from "./native-output.ts";
import { type WatchdogLines, watchdogLines } from "./watchdog-lines.ts";

const ENTRY = fileURLToPath(new URL("../child/main.js", import.meta.url));

export interface UserProcessEvents {
  onFrame(frame: Frame, buffers: readonly Uint8Array[]): void;
  /** Text from native code. */
  onText(name: "stdout" | "stderr", text: string): void;
  /** The process is gone, all of its output has been handed over. `cause` reads "exit code 3", "signal SIGKILL". */
  onDeath(cause: string): void;
}

export interface UserProcess {
  send(command: Command): void;
  /** A line for the watchdog: arrives also while the main thread is busy. */
  warn(line: WatchdogLine): void;
  /** The watchdog has taken all lines. Where it has not in a second, it hangs or is no more. */
  isHeard(): boolean;
  /** All that native code wrote before the end of the last cell has been handed over. */
  nativeDrained(): Promise<void>;
  /** Stops reading output while clients are behind. */
  holdOutput(held: boolean): void;
  kill(): void;
  /** Ends the process and those it started in its group. */
  close(): Promise<void>;
}

interface Running {
  readonly child: ChildProcess;
  readonly native: NativeOutput;
  readonly watchdog: WatchdogLines;
  /** From the first command on, so that the kernel's start need not wait for it. Ends the guard. */
  dismissGuard: (() => void) | null;
  cells: number;
}

/** Longest wait for the pipes of a dead process: one of its own subprocesses may hold them open for ever. */
const LAST_OUTPUT_MS = 200;
/** Time for exit handlers of user code at shutdown. */
const FAREWELL_MS = 300;
const CORRUPT = "its output could not be read, as code has written to the kernel's pipe or changed JSON";
/** A process that dies sooner than this is not started again until it is needed. */
const STARTS_MS = 500;

export function userProcess(folder: string, events: UserProcessEvents): UserProcess {
  let running: Running | null = null;
  let closing = false;

  const start = (): Running => {
    const token = randomUUID();
    const child = spawn(process.execPath, ["--no-force-async-hooks-checks", "--no-warnings", ENTRY, token], {
      cwd: folder,
      // Its own process group: a client's ctrl-C goes to the group of the kernel, which turns it into an interrupt.
      detached: true,
      serialization: "advanced",
      stdio: ["ignore", "pipe", "pipe", "pipe", "pipe", "ipc", "pipe"],
    });
    const marker = Buffer.from(`\u0000${token}\u0000`);
    const native = nativeOutput({ stdout: child.stdout!, stderr: child.stderr! }, marker, events.onText);
    const watchdog = watchdogLines(WATCHDOG_FDS.map((fd) => child.stdio[fd] as Duplex));
    const read = frameReader((frame, buffers) => {
      if (frame.type === "done") watchdog.forget();
      events.onFrame(frame, buffers);
    });
    const mine: Running = { child, native, watchdog, dismissGuard: null, cells: 0 };
    let corrupt = "";
    const pipe = child.stdio[FRAME_FD] as Readable;
    pipe.on("data", (chunk: Buffer) => {
      if (corrupt !== "") return;
      try {
        read(chunk);
      } catch {
        // Nothing that comes after can be told apart: the next cell gets another process.
        corrupt = `${CORRUPT}; `;
        child.kill("SIGKILL");
      }
    });
    for (const pipe of child.stdio) pipe?.on("error", () => {}); // The end of the process is reported by `exit`.
    child.on("error", () => {});
    const started = performance.now();
    child.on("exit", (code, signal) => {
      mine.dismissGuard?.();
      const cause = corrupt + (signal === null ? `exit code ${code}` : `signal ${signal}`);
      const finish = (): void => {
        clearTimeout(timer);
        child.off("close", finish);
        if (running?.child !== child) return;
        running = null;
        if (closing) return;
        events.onDeath(cause);
        if (performance.now() - started > STARTS_MS) running ??= start();
      };
      const timer = setTimeout(finish, LAST_OUTPUT_MS);
      child.once("close", finish);
    });
    return mine;
  };

  const present = (): Running => {
    running ??= start();
    return running;
  };
  running = start();

  return Object.freeze({
    send(command: Command): void {
      const mine = present();
      const { child, watchdog } = mine;
      // The number of a process that has ended may be another's.
      const lives = child.exitCode === null && child.signalCode === null;
      if (lives && child.pid !== undefined) mine.dismissGuard ??= guard(child.pid);
      if (command.op === "run") {
        mine.cells++;
        watchdog.forget();
      }
      if (child.connected) child.send(command, () => {});
    },
    warn(line: WatchdogLine): void {
      present().watchdog.say(line);
    },
    isHeard: () => running?.watchdog.isHeard() === true,
    nativeDrained: () => (running === null ? Promise.resolve() : running.native.drained(running.cells)),
    holdOutput(held: boolean): void {
      const pipe = running?.child.stdio[FRAME_FD] as Readable | undefined;
      if (held) pipe?.pause();
      else pipe?.resume();
    },
    kill(): void {
      running?.child.kill("SIGKILL");
    },
    async close(): Promise<void> {
      closing = true;
      if (running === null) return;
      const { child } = running;
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      if (child.connected) child.send({ op: "exit" } satisfies Command, () => {});
      const timer = setTimeout(() => child.kill("SIGKILL"), FAREWELL_MS);
      await gone;
      clearTimeout(timer);
      try {
        process.kill(-child.pid!, "SIGTERM"); // Subprocesses that did not detach themselves end with the notebook.
      } catch {
        // There are none.
      }
    },
  });
}
