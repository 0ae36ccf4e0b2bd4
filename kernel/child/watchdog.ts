/**
 * Worker thread of the child: listens while the main thread is busy. Terminates an execution that does not answer an
 * interrupt, hands lines of `prompt()` over, and ends the process when the front is gone.
 */
import inspector from "node:inspector";
import { Socket } from "node:net";
import { type MessagePort, workerData } from "node:worker_threads";
import { type MainLine, Shared, WATCHDOG_FD, type WatchdogLine, type WatchdogNote } from "./frames.ts";

export interface WatchdogData {
  /** Cells named by `Shared`. */
  readonly shared: Int32Array;
  readonly port: MessagePort;
}

const { shared, port } = workerData as WatchdogData;
/** Time that the main thread has to answer before it is terminated, and between two lines about the same cell. */
const ROUND_MS = 55;
/**
 * On a starved machine the main thread may be willing and not have had its turn. This thread sees that by its own lateness, and
 * then asks again, a few times: a termination that strikes Node's own code in passing can cost it its timers.
 */
const LATE_MS = 15;
const MAX_POSTPONED = 6;

const session = new inspector.Session();
session.connectToMainThread();

/** Hands a line to the main thread: as a message, and by waking a `prompt()` that blocks. */
function hand(line: MainLine): void {
  port.postMessage(line);
  Atomics.add(shared, Shared.LINES, 1);
  Atomics.notify(shared, Shared.LINES);
}

let stopping: string | null = null;
let terminating = false;

function terminate(): void {
  if (terminating) return; // The main thread is in native code: one termination waits for its return, not a hundred.
  terminating = true;
  // A subprocess that the main thread waits for (execSync) stops as it would by ctrl-C in a terminal.
  try {
    process.kill(-process.pid, "SIGINT");
  } catch {
    // Not the leader of a process group: only the main thread is stopped.
  }
  session.post("Runtime.terminateExecution", () => {
    terminating = false;
  });
}

/** Tells the main thread to stop the cell, again and again until that is done. */
function round(parent: string, postponed = 0): void {
  if (stopping !== parent) return;
  hand({ interrupt: parent });
  const answered = Atomics.load(shared, Shared.ANSWERED);
  const due = performance.now() + ROUND_MS;
  setTimeout(() => {
    if (stopping !== parent) return;
    const isStarved = performance.now() - due > LATE_MS && postponed < MAX_POSTPONED;
    const isSilent = Atomics.load(shared, Shared.ANSWERED) === answered;
    if (isSilent && !isStarved) terminate();
    round(parent, isStarved ? postponed + 1 : 0);
  }, ROUND_MS);
}

function take(line: WatchdogLine): void {
  if (!("interrupt" in line)) hand(line);
  else if (stopping !== line.interrupt) {
    stopping = line.interrupt;
    Atomics.store(shared, Shared.STOPPING, 1);
    round(stopping);
  }
}

// The cell is over. It is reported only when no termination can strike what comes next.
port.on("message", ({ over }: WatchdogNote) => {
  if (terminating) return; // The next round asks again.
  if (stopping === over) {
    stopping = null;
    Atomics.store(shared, Shared.STOPPING, 0);
  }
  hand({ clear: over });
});

let text = "";
const input = new Socket({ fd: WATCHDOG_FD, readable: true, writable: false });
input.setEncoding("utf8");
input.on("data", (chunk: string) => {
  text += chunk;
  const lines = text.split("\n");
  text = lines.pop() ?? "";
  for (const line of lines) take(JSON.parse(line) as WatchdogLine);
});
const frontIsGone = (): void => {
  process.kill(process.pid, "SIGKILL");
};
input.on("close", frontIsGone);
input.on("error", frontIsGone);
