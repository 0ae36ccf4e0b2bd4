/**
 * Process of the user's code: its main thread runs cells and nothing of the protocol. Started by the front with
 * `--no-force-async-hooks-checks`, as terminating an execution inside a timer otherwise aborts Node 20; for the same
 * reason nothing here uses AsyncLocalStorage or async_hooks.
 */
import { Console } from "node:console";
import { captureStreams, send, setOutputParent, writeFully } from "./channel.ts";
import { abandonComms, takeComm } from "./comm.ts";
import { abandonDisplays, settleDisplays } from "./display.ts";
import { dwellingConsole } from "./dwell.ts";
import { evaluate, evaluateExpression, installRuntime, release, Shown, slots, takeOut } from "./evaluate.ts";
import { type Command, type Failure, NO_CELL, type Outcome, type RunCommand } from "./frames.ts";
import { installGlobals } from "./globals.ts";
import { probe } from "./health.ts";
import { beginCell, endCell, Interrupted, interruptCell } from "./interrupt.ts";
import { forgetHalfModules, installModules } from "./modules.ts";
import { render, renderResult } from "./render.ts";
import { installStackTraces, rememberCell } from "./stack.ts";
import { isStopping, reportOver, shared, startWatchdog } from "./stdin.ts";
import { failureOf } from "./traceback.ts";
import { showWarning } from "./warnings.ts";

/** Marks the end of a cell on fd 1 and 2; the front chose it, so that it can take it out of the text. */
const MARKER = Buffer.from(`\u0000${process.argv.splice(2, 1)[0]}\u0000`);

const describeFault = (thrown: unknown): Failure =>
  thrown instanceof Shown ? thrown.failure : failureOf(thrown);

async function valuesOf(expressions: RunCommand["expressions"]): Promise<Record<string, unknown>> {
  const values: Record<string, unknown> = {};
  for (const [key, code] of Object.entries(expressions)) {
    try {
      const value = await evaluateExpression(code);
      values[key] = { status: "ok", data: (await render(value)) ?? {}, metadata: {} };
    } catch (thrown) {
      values[key] = { status: "error", ...describeFault(thrown) };
    }
  }
  return values;
}

interface Ended {
  readonly parent: string;
  readonly result?: Outcome;
  readonly failure?: Failure;
  readonly expressions: Readonly<Record<string, unknown>>;
}

/** The outcome of a stopped cell, held back until no termination can strike. */
let held: Ended | null = null;

function report(ended: Ended): void {
  // What native code wrote to the descriptors lies before this marker; the front waits for it.
  for (const fd of [1, 2]) {
    try {
      writeFully(fd, MARKER);
    } catch {
      // The user has closed the descriptor: nothing will come from there.
    }
  }
  try {
    send({ type: "done", ...ended });
  } catch (thrown) {
    send({ type: "done", parent: ended.parent, failure: describeFault(thrown), expressions: {} });
  }
}

/** The cell that ended last: the watchdog may still be at stopping it. */
let lastEnded = "";

function stepOfInterrupt(parent: string): void {
  if (parent === lastEnded || parent === NO_CELL) reportOver(parent);
  else interruptCell(parent);
}

function sendHeld(parent: string): void {
  if (held?.parent !== parent) return;
  report(held);
  held = null;
}

/** A termination has dropped all microtasks: what waited for one is given up, and the event loop is tried. */
function probeAfter(parent: string, isSound: () => void): void {
  abandonComms();
  forgetHalfModules();
  if (parent === NO_CELL) process.stderr.write("[kernel] Code that ran while no cell did was stopped.\n");
  probe(isSound);
}

/** What the next cell says on stderr before anything else. */
let news = "";

/** Without the watchdog nobody clears a cell that is being stopped. */
function afterLoss(told: string): void {
  news = `[kernel] ${told}\n`;
  send({ type: "log", text: told });
  if (held !== null) sendHeld(held.parent);
}

function runCell(command: RunCommand): void {
  const { name, parent, silent } = command;
  rememberCell(name, command.source, command.map);
  setOutputParent(parent);
  if (news !== "") process.stderr.write(news);
  news = "";
  let over = false;
  const end = (outcome: Omit<Ended, "parent">): void => {
    if (over) return;
    const stopped = isStopping();
    const ended = { parent, ...outcome };
    takeOut();
    endCell();
    release();
    over = true;
    lastEnded = parent;
    if (stopped) {
      held = ended;
      reportOver(parent);
    } else report(ended);
  };
  const fail = (thrown: unknown): void => end({ failure: describeFault(thrown), expressions: {} });
  const work = async (): Promise<Omit<Ended, "parent">> => {
    await evaluate(command.script, name);
    const value = takeOut();
    const data = silent ? null : await renderResult(value);
    await settleDisplays();
    const expressions = await valuesOf(command.expressions);
    return { expressions, ...(data === null ? {} : { result: { data, metadata: {} } }) };
  };
  slots.loop = ""; // A loop that was terminated has not done so itself.
  beginCell(parent, (reason) => {
    abandonDisplays();
    fail(reason);
  });
  work().then(end, async (thrown) => {
    // What was shown before the fault is shown; the cell's own fault is the one to report.
    await settleDisplays().catch(() => {});
    fail(thrown);
  });
}

/** Faults outside of any cell's own flow: shown, never fatal. An interrupt is no news. */
function reportStray(title: string, thrown: unknown): void {
  if (thrown instanceof Interrupted) return;
  process.stderr.write(`${title}: ${describeFault(thrown).traceback.join("\n")}\n`);
}

function take(command: Command): void {
  if (command.op === "run") runCell(command);
  else if (command.op === "comm")
    void takeComm(command, (thrown) => reportStray(`The handler of a ${command.message} failed`, thrown));
  else process.exit(0);
}

/** Listens for good: libraries remove all listeners of an event to put their own in their place. */
const emitter: NodeJS.EventEmitter = process;
const removeAllListeners = emitter.removeAllListeners.bind(process);
const firm: (() => void)[] = [];
function listen(event: string, listener: (...given: never[]) => void): void {
  const own = listener as () => void;
  const add = (): void => {
    if (!emitter.listeners(event).includes(own)) emitter.on(event, own);
  };
  firm.push(add);
  add();
}
emitter.removeAllListeners = (event) => {
  // Node's own listeners about listeners open and close the channel to the front.
  const all = emitter.eventNames().filter((name) => name !== "newListener" && name !== "removeListener");
  for (const name of event === undefined ? all : [event]) removeAllListeners(name);
  for (const add of firm) add();
  return emitter;
};

listen("SIGINT", () => {}); // Interrupts come through the watchdog.
listen("disconnect", () => process.exit(0));
listen("unhandledRejection", (thrown) => reportStray("Unhandled rejection", thrown));
listen("uncaughtException", (thrown) => reportStray("Uncaught", thrown));
listen("warning", showWarning);
installStackTraces();
captureStreams();
// Node's global console also feeds the inspector, which would keep the last thousand arguments alive.
globalThis.console = dwellingConsole(new Console({ stdout: process.stdout, stderr: process.stderr }), shared);
installRuntime();
installModules(process.cwd());
installGlobals();
startWatchdog({ onInterrupt: stepOfInterrupt, onClear: sendHeld, onProbe: probeAfter, onLoss: afterLoss });
listen("message", take);
send({ type: "ready" });
