/** `prompt()` (blocks, like a browser's) and `input()` (a promise) over the watchdog's lines; also where interrupts arrive. */
import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers";
import { fileURLToPath } from "node:url";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { outputParent, send } from "./channel.ts";
import { slots } from "./evaluate.ts";
import { type MainLine, SHARED_BYTES, Shared, WATCHDOG_FDS, type WatchdogNote } from "./frames.ts";
import { cancelPoint, Interrupted } from "./interrupt.ts";
import { forgetCalls, type Target, target } from "./strike.ts";
import type { WatchdogData } from "./watchdog.ts";

export interface InputOptions {
  /** Do not echo what is typed. */
  readonly password?: boolean;
}

/** Cells named by `Shared`. */
export const shared = new Int32Array(new SharedArrayBuffer(SHARED_BYTES));
/** This thread's end of the channel to the watchdog; at first to nobody. */
let { port1: port } = new MessageChannel();
const waiting = new Map<number, (value: string | null) => void>();
let lastId = 0;

const refused = (): Error =>
  new Error(
    "Cannot ask for input as this front end takes none (allow_stdin is false). Run the cell interactively.",
  );

function handle(line: MainLine): void {
  forgetCalls();
  if ("interrupt" in line) {
    // Answered only after the microtasks: a loop that catches every rejection never gets there, and is terminated.
    setImmediate(() => Atomics.add(shared, Shared.ANSWERED, 1));
    events.onInterrupt(line.interrupt);
  } else if ("clear" in line) events.onClear(line.clear);
  else if ("probe" in line) events.onProbe(line.probe, () => tell({ sound: line.probe }));
  else {
    waiting.get(line.input)?.(line.value);
    waiting.delete(line.input);
  }
}

/** Whether the watchdog is at stopping a cell, although this thread may not have read of it yet. */
export const isStopping = (): boolean => Atomics.load(shared, Shared.STOPPING) === 1;

const tell = (note: WatchdogNote): void => port.postMessage(note);

/** Tells the watchdog that the stopped cell is over. */
export const reportOver = (parent: string): void => tell({ over: parent });

/** Longest wait for a watchdog that has no turn on a busy machine. */
const STRIKE_MS = 1000;

/** Runs in an interrupt of this thread: stands still until the watchdog has asked for a termination, where one may come. */
function look(isPatienceOver: boolean): Target {
  const found = isStopping() ? target(look, isPatienceOver) : "none";
  if (found !== "here") return found;
  if (slots.loop !== "") return "halted";
  const strikes = Atomics.load(shared, Shared.STRIKES);
  tell({ strike: true });
  // Not by Atomics.wait: this may be an interrupt of one, and V8 does not nest them.
  const until = performance.now() + STRIKE_MS;
  while (Atomics.load(shared, Shared.STRIKES) === strikes && performance.now() < until);
  return found;
}

export interface WatchdogEvents {
  /** The stop button was pressed for this cell; repeated until the cell is reported as over. */
  onInterrupt(parent: string): void;
  /** No termination will strike any more: the outcome of this cell can be sent. */
  onClear(parent: string): void;
  /** A termination came: call `isSound` if Node's event loop still works. */
  onProbe(parent: string, isSound: () => void): void;
  /** The watchdog has ended, which it never should. `told` says so to the user. */
  onLoss(told: string): void;
}

let events: WatchdogEvents = {
  onInterrupt: () => {},
  onClear: () => {},
  onProbe: () => {},
  onLoss: () => {},
};

const ALONE = "The stop button ends the process from now on, pressed twice; restart the kernel.";

export function startWatchdog(given: WatchdogEvents): void {
  events = given;
  slots.look = look;
  if (!begins(0)) events.onLoss(`The thread that stops cells cannot be started. ${ALONE}`);
}

/** Starts the watchdog for the `life`th time; false where that is not possible. */
function begins(life: number): boolean {
  const fd = WATCHDOG_FDS[life];
  if (fd === undefined) return false;
  try {
    begin(life, fd);
    return true;
  } catch {
    return false; // No more threads or descriptors.
  }
}

function begin(life: number, fd: number): void {
  const { port1, port2 } = new MessageChannel();
  port = port1;
  port.on("message", handle);
  port.unref();
  const worker = new Worker(fileURLToPath(new URL("./watchdog.js", import.meta.url)), {
    workerData: { shared, port: port2, fd } satisfies WatchdogData,
    transferList: [port2],
  });
  worker.unref();
  let cause = "";
  worker.on("error", (error) => {
    cause = error.message;
  });
  worker.on("exit", (code) => {
    port1.close(); // What it held of the front's lines, the front says again to the next watchdog.
    Atomics.store(shared, Shared.STOPPING, 0);
    Atomics.store(shared, Shared.PURSUED, 0);
    const ended = `The thread that stops cells has ended (${cause || `exit code ${code}`})`;
    events.onLoss(begins(life + 1) ? `${ended}; another one has taken its place.` : `${ended}. ${ALONE}`);
  });
}

function ask(text: string, { password = false }: InputOptions): number {
  lastId++;
  send({ type: "input", parent: outputParent(), id: lastId, prompt: text, password });
  return lastId;
}

/** Asks in the front end and blocks until the answer is there. The stop button works meanwhile. */
export function prompt(text = "", options: InputOptions | string = {}): string {
  const id = ask(String(text), typeof options === "string" ? {} : options);
  const otherwise = typeof options === "string" ? options : "";
  while (true) {
    const seen = Atomics.load(shared, Shared.LINES);
    const received = receiveMessageOnPort(port) as { message: MainLine } | undefined;
    if (received === undefined) {
      Atomics.wait(shared, Shared.LINES, seen, 1000);
      continue;
    }
    const line = received.message;
    if ("interrupt" in line) {
      Atomics.add(shared, Shared.ANSWERED, 1);
      events.onInterrupt(line.interrupt);
      throw new Interrupted();
    }
    if (!("input" in line) || line.input !== id) {
      handle(line);
      continue;
    }
    if (line.value === null) throw refused();
    return line.value === "" ? otherwise : line.value;
  }
}

/** Asks in the front end; other code runs until the answer is there. */
export async function input(text = "", options: InputOptions = {}): Promise<string> {
  const id = ask(String(text), options);
  const value = await cancelPoint(
    new Promise<string | null>((resolve) => {
      waiting.set(id, resolve);
    }),
  );
  if (value === null) throw refused();
  return value;
}
