/**
 * Worker thread of the child: listens while the main thread is busy. Terminates an execution that does not answer an
 * interrupt, sees that the event loop has survived that, hands lines of `prompt()` over, and ends the process when the front is gone.
 */
import { writeSync } from "node:fs";
import inspector from "node:inspector";
import { Socket } from "node:net";
import { type MessagePort, workerData } from "node:worker_threads";
import { type MainLine, Shared, type WatchdogLine, type WatchdogNote } from "./frames.ts";
import { strikeHalted } from "./halt.ts";
import type { Target } from "./strike.ts";

export interface WatchdogData {
  /** Cells named by `Shared`. */
  readonly shared: Int32Array;
  readonly port: MessagePort;
  /** Where lines of the front arrive, and it is told that they have been taken. */
  readonly fd: number;
}

const { shared, port, fd } = workerData as WatchdogData;
/** Time that the main thread has to answer, and between two lines about the same cell. */
const ROUND_MS = 50;
/** Between two looks at a main thread that does not answer. */
const LOOK_MS = 1;
/** From then on the code of Node that works for the user's is struck too, if it is not what holds the event loop together. */
const PATIENCE_MS = 500;
/** After looking for so long anything is struck: code that never ends has been at work, and the probe tells of the damage. */
const LAST_RESORT_MS = 5000;
/**
 * On a starved machine the main thread may be willing and not have had its turn. This thread sees that by its own lateness,
 * and then asks again, a few times, so that `finally` blocks get their time.
 */
const LATE_MS = 15;
const MAX_POSTPONED = 6;
/** Such terminations without any effect: what turns round is the broken event loop itself. */
const MAX_BLOWS = 1;
const BROKEN =
  "\n[kernel] Stopping has left Node's event loop broken. The process is replaced; variables are lost.\n";
/** Time for the event loop to show that it has survived a termination, in beats that a starved machine stretches. */
const PROBE_BEATS = 30;
const BEAT_MS = 100;

const session = new inspector.Session();
session.connectToMainThread();

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Hands a line to the main thread: as a message, and by waking a `prompt()` that blocks. */
function hand(line: MainLine): void {
  port.postMessage(line);
  Atomics.add(shared, Shared.LINES, 1);
  Atomics.notify(shared, Shared.LINES);
}

let stopping: string | null = null;
let terminating = false;
/** There was a termination since the event loop was last found sound. */
let struck = false;

/** A subprocess that the main thread waits for (execSync) stops as it would by ctrl-C in a terminal. */
function interruptSubprocesses(): void {
  try {
    process.kill(-process.pid, "SIGINT");
  } catch {
    // Not the leader of a process group: only the main thread is stopped.
  }
}

function terminate(): void {
  if (stopping === null || terminating) return;
  terminating = true;
  struck = true;
  session.post("Runtime.terminateExecution", () => {
    terminating = false;
  });
}

/** The main thread stands in an interrupt, in the user's code, and waits for this to be asked for. */
function strike(): void {
  terminate();
  Atomics.add(shared, Shared.STRIKES, 1);
}

function endBroken(): void {
  writeSync(2, BROKEN);
  process.kill(process.pid, "SIGKILL");
}

/** Has the main thread look at its own stack, at once or when native code returns, and strikes where that does no harm. */
async function look(isPatienceOver: boolean): Promise<Target | undefined> {
  const params = { expression: `__k.look(${isPatienceOver})`, returnByValue: true, silent: true };
  const found = await new Promise<Target | undefined>((resolve) => {
    session.post("Runtime.evaluate", params, (_, reply?: object) =>
      resolve((reply as inspector.Runtime.EvaluateReturnType | undefined)?.result.value as Target),
    );
  });
  if (found === "halted") await strikeHalted(session, terminate);
  return found;
}

/** Looks until the main thread answers or has nothing to do. Returns whether that took a blow in the dark. */
async function pursue(isSilent: () => boolean): Promise<boolean> {
  let begun = Infinity;
  while (isSilent()) {
    const waited = performance.now() - begun;
    if (waited > LAST_RESORT_MS) {
      let hasStruck = false;
      const strikeOnce = (): void => {
        hasStruck = true;
        terminate();
      };
      await strikeHalted(session, strikeOnce, { isPatienceOver: true });
      if (!hasStruck) terminate();
      return true;
    }
    const found = await look(waited > PATIENCE_MS);
    if (found === "idle") return false;
    // From the first look on: while native code was at work there was none. Halting takes a time of its own.
    begun = found === "halted" ? Infinity : Math.min(begun, performance.now());
    await sleep(LOOK_MS);
  }
  return false;
}

/** Tells the main thread to stop the cell, again and again until that is done. */
async function stop(parent: string): Promise<void> {
  let blows = 0;
  for (let postponed = 0; stopping === parent; ) {
    const answered = Atomics.load(shared, Shared.ANSWERED);
    const isSilent = (): boolean => stopping === parent && Atomics.load(shared, Shared.ANSWERED) === answered;
    hand({ interrupt: parent });
    const asked = performance.now();
    await sleep(ROUND_MS);
    const isStarved = performance.now() - asked > ROUND_MS + LATE_MS && postponed < MAX_POSTPONED;
    postponed = isStarved ? postponed + 1 : 0;
    if (isStarved || !isSilent()) continue;
    interruptSubprocesses();
    Atomics.store(shared, Shared.PURSUED, 1);
    blows = (await pursue(isSilent)) ? blows + 1 : 0;
    Atomics.store(shared, Shared.PURSUED, 0);
    if (blows > MAX_BLOWS) endBroken();
  }
}

function take(line: WatchdogLine): void {
  if (!("interrupt" in line)) hand(line);
  else if (stopping !== line.interrupt) {
    stopping = line.interrupt;
    Atomics.store(shared, Shared.STOPPING, 1);
    void stop(stopping);
  }
}

let probed: string | null = null;

/** Ends a process whose event loop does not answer any more: the next cell starts afresh instead of waiting for ever. */
async function probe(parent: string): Promise<void> {
  probed = parent;
  hand({ probe: parent });
  for (let beat = 0; beat < PROBE_BEATS; beat++) {
    await sleep(BEAT_MS);
    if (probed !== parent) return;
  }
  endBroken();
}

// The cell is over. It is reported only when no termination can strike what comes next.
function over(parent: string): void {
  if (terminating) return; // The next round asks again.
  if (stopping === parent) {
    stopping = null;
    Atomics.store(shared, Shared.STOPPING, 0);
  }
  if (!struck) hand({ clear: parent });
  else if (probed === null) void probe(parent);
}

port.on("message", (note: WatchdogNote) => {
  if ("strike" in note) strike();
  else if ("over" in note) over(note.over);
  else if (note.sound === probed) {
    probed = null;
    struck = false;
    hand({ clear: note.sound });
  }
});

/** A byte for each line taken, and one before: see `front/watchdog-lines.ts`. */
const HEARD = ".";
let text = "";
const input = new Socket({ fd, readable: true, writable: true });
input.setEncoding("utf8");
input.on("data", (chunk: string) => {
  text += chunk;
  const lines = text.split("\n");
  text = lines.pop() ?? "";
  for (const line of lines) {
    take(JSON.parse(line) as WatchdogLine);
    input.write(HEARD);
  }
});
const frontIsGone = (): void => {
  process.kill(process.pid, "SIGKILL");
};
input.on("close", frontIsGone);
input.on("error", frontIsGone);
input.write(HEARD); // From now on somebody listens here.
