/**
 * Where a termination may strike. V8 unwinds without running `finally`, so one that hits Node's own code (a timer list
 * half taken out of its queue, an immediate half done, a module half loaded) breaks the event loop for good, and one that
 * hits the kernel's leaves a cell that never ends. So the watchdog first has this thread look at its own stack, from
 * within an interrupt, and strikes only while code of the user is on top of it.
 */
import { performance } from "node:perf_hooks"; // Not the global, which is loaded when it is first used.
import { fileURLToPath } from "node:url";

const KERNEL_FOLDER = new URL("..", import.meta.url).href;
const FOLDERS = [KERNEL_FOLDER, fileURLToPath(KERNEL_FOLDER)];
const RENDER = new URL("./render.js", import.meta.url).href;
const DWELL = new URL("./dwell.js", import.meta.url).href;

/** Frames looked at: above these a recursion of the user's is all that there is. */
const DEPTH = 400;

/** Scripts of Node that hold the event loop, the loader and the pipes together. */
const VITAL =
  /^node:(internal\/(timers|process\/(?!task_queues)|priority_queue|fixed_queue|linkedlist|async_hooks|event_target|abort|child_process|worker|modules|bootstrap|streams|fs|webstreams)|timers|events|net|child_process|stream|worker_threads|inspector)/;

export interface StackFrame {
  readonly script: string;
  readonly name: string;
}

const isImmediateWork = ({ script, name }: StackFrame): boolean =>
  name === "processImmediate" && script === "node:internal/timers";

/** Builtins, Node's getters of globals such as `process`, and the end of a print: nothing is half done in them. */
const isTransparent = ({ script, name }: StackFrame): boolean =>
  script === "" || script === DWELL || (name === "get" && script === "node:internal/bootstrap/node");

export const isUsers = ({ script }: StackFrame): boolean =>
  !script.startsWith("node:") && !FOLDERS.some((folder) => script.startsWith(folder));

/**
 * `user`: the user's code is what runs. `inside`: it has called something that is still at work, or the kernel draws a
 * value of it. `away`: Node's or the kernel's own code, which comes to its end by itself.
 */
export type Standing = "user" | "inside" | "away";

/** Reads a stack, innermost frame first, without builtins. */
export function standingOf(frames: readonly StackFrame[]): Standing {
  const [top] = frames;
  if (top === undefined) return "away";
  if (isUsers(top)) return "user";
  const isAtWork = frames.some((frame) => isUsers(frame) || frame.script === RENDER);
  return isAtWork && top.script.startsWith("node:") && !VITAL.test(top.script) ? "inside" : "away";
}

/** Code of the user's on behalf of Node's loader: half a module is none, and the next import of it would wait for ever. */
const isLoading = (frames: readonly StackFrame[]): boolean =>
  frames.some(({ script }) => script.startsWith("node:internal/modules/"));

/** The stack beneath the caller of `look`. User code cannot have a hand in it. */
function framesBelow(below: (isPatienceOver: boolean) => Target): StackFrame[] {
  const { stackTraceLimit, prepareStackTrace } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = DEPTH;
    Error.prepareStackTrace = (_, sites) =>
      sites
        .slice(1) // The expression that the watchdog evaluates.
        .map((site) => ({
          script: site.isEval() ? "eval" : (site.getScriptNameOrSourceURL() ?? ""),
          name: site.getFunctionName() ?? "",
        }))
        .filter((frame) => !isTransparent(frame));
    Error.captureStackTrace(holder, below);
    return holder.stack as StackFrame[];
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}

/** What stays the same while one call of the user's code runs: its outermost function and what called that. */
function callOf(frames: readonly StackFrame[]): string {
  const outermost = Math.max(0, frames.findLastIndex(isUsers));
  return frames
    .slice(outermost)
    .map(({ script, name }) => `${name}@${script}`)
    .join("\n");
}

/** Looks this far apart must find the same call: a short callback is over before a termination would come. */
const APART_MS = 4;

/** When each call was first seen, since this thread was last in its event loop. */
let calls = new Map<string, number>();

/** This thread is back in its event loop. */
export function forgetCalls(): void {
  if (calls.size > 0) calls = new Map();
}

/** `here`: at once. `halted`: with the help of a debugger, see `halt.ts`. `idle`: nothing runs. */
export type Target = "here" | "halted" | "none" | "idle";

/** Whether a termination may come now. `isPatienceOver`: also while Node works for the user's code. */
export function target(below: (isPatienceOver: boolean) => Target, isPatienceOver: boolean): Target {
  const frames = framesBelow(below);
  if (frames.length === 0) return "idle";
  const call = callOf(frames);
  const now = performance.now();
  const since = calls.get(call) ?? now;
  calls.set(call, since);
  if (now - since < APART_MS) return "none";
  const standing = standingOf(frames);
  const isDelicate = standing === "inside" || isLoading(frames);
  if (standing === "away" || (isDelicate && !isPatienceOver)) return "none";
  forgetCalls();
  return frames.some(isImmediateWork) ? "halted" : "here";
}
