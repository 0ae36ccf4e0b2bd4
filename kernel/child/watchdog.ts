/**
 * Worker thread of the child: listens while the main thread is busy. Terminates an execution that does not answer an
 * interrupt, hands lines of `prompt()` over, and ends the process when the front is gone.
 */
import inspector from "node:inspector";
import { Socket } from "node:net";
import { type MessagePort, workerData } from "node:worker_threads";
import { Shared, WATCHDOG_FD, type WatchdogLine } from "./frames.ts";

export interface WatchdogData {
  /** Cells named by `Shared`. */
  readonly shared: Int32Array;
  readonly port: MessagePort;
}

const { shared, port } = workerData as WatchdogData;
/** Time that the main thread has to answer before it is terminated. */
const PATIENCE_MS = 60;

const session = new inspector.Session();
session.connectToMainThread();

/** Hands a line to the main thread: as a message, and by waking a `prompt()` that blocks. */
function hand(line: WatchdogLine): void {
  port.postMessage(line);
  Atomics.add(shared, Shared.LINES, 1);
  Atomics.notify(shared, Shared.LINES);
}

function terminateUnlessAnswered(): void {
  const answered = Atomics.load(shared, Shared.ANSWERED);
  setTimeout(() => {
    if (Atomics.load(shared, Shared.ANSWERED) !== answered) return;
    // A subprocess that the main thread waits for (execSync) stops as it would by ctrl-C in a terminal.
    try {
      process.kill(-process.pid, "SIGINT");
    } catch {
      // Not the leader of a process group: only the main thread is stopped.
    }
    session.post("Runtime.terminateExecution", () => {});
  }, PATIENCE_MS);
}

function take(line: WatchdogLine): void {
  hand(line);
  if ("interrupt" in line) terminateUnlessAnswered();
}

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
