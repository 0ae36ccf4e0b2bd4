/**
 * Two strikes need more than a moment in the user's code; the watchdog halts the main thread there as a debugger does.
 *
 * Immediates: the one structure of Node that does not survive the termination of a user's callback. The `finally` block
 * of Node's `processImmediate`, which a termination skips, says which immediate comes next; without it Node loses those
 * that wait, or asks for the next of none over and over. So that block's work is done before the strike.
 *
 * Loops that work on variables of their own (`cell/loops.ts`): their `finally`, which would write them back, is skipped
 * too, so that is done here, with the values as they are at this very moment.
 */
import type inspector from "node:inspector";
import { isUsers } from "./strike.ts";

/** What the `finally` block does; where the list has gone on to another immediate already there is nothing to do. */
const SETTLE = `if (immediate._destroyed) {
  immediate._onImmediate = null;
  outstandingQueue.head = immediate._idleNext;
}`;

/** What a loop has set in `cell/loops.ts`, and that this is done. */
const LOOP = "const loop = __k.loop; __k.loop = ''; loop";

/** A thread that does not halt in this time is in native code, or has come to its end. */
const HALT_MS = 3000;
/** Calls that may lie between the user's code and where the thread has halted. */
const MAX_STEPS = 60;

type Parsed = inspector.InspectorNotification<inspector.Debugger.ScriptParsedEventDataType>;
type Paused = inspector.InspectorNotification<inspector.Debugger.PausedEventDataType>;
type Frame = inspector.Debugger.CallFrame;

/** The value of an expression as seen from a frame; `undefined` where it throws. */
function valueIn(session: inspector.Session, { callFrameId }: Frame, expression: string): Promise<unknown> {
  const params = { callFrameId, expression, silent: true, returnByValue: true };
  return new Promise((resolve) =>
    session.post("Debugger.evaluateOnCallFrame", params, (_, reply?: object) =>
      resolve((reply as inspector.Debugger.EvaluateOnCallFrameReturnType | undefined)?.result.value),
    ),
  );
}

/** Writes back the variables of the loop that runs in one of `frames`; the text is known to one frame only. */
async function keepVariables(session: inspector.Session, frames: readonly Frame[]): Promise<void> {
  const loop = await valueIn(session, frames[0]!, LOOP);
  if (typeof loop !== "string" || loop === "") return;
  for (const frame of frames) if ((await valueIn(session, frame, `${loop}; true`)) === true) return;
}

/**
 * Halts the main thread of `session`, and has it go on to the next place in code of the user's. There, or wherever it is
 * where `isPatienceOver`, sets right what a termination would leave behind, and calls `strike`.
 */
export async function strikeHalted(
  session: inspector.Session,
  strike: () => void,
  { isPatienceOver = false } = {},
): Promise<void> {
  const scripts = new Map<string, string>();
  const onParsed = ({ params: { scriptId, url } }: Parsed): void => void scripts.set(scriptId, url);
  const isInUsers = ({ location }: Frame): boolean =>
    isUsers({ script: scripts.get(location.scriptId) ?? "", name: "" });
  const halt = async (command: "Debugger.pause" | "Debugger.stepOut"): Promise<readonly Frame[]> => {
    let onPaused!: (event: Paused | null) => void;
    const paused = new Promise<Paused | null>((resolve) => {
      onPaused = resolve;
    });
    session.once("Debugger.paused", onPaused);
    session.post(command);
    const timer = setTimeout(() => onPaused(null), HALT_MS);
    const frames = (await paused)?.params.callFrames ?? [];
    clearTimeout(timer);
    session.off("Debugger.paused", onPaused);
    return frames;
  };
  session.on("Debugger.scriptParsed", onParsed);
  session.post("Debugger.enable");
  let frames = await halt("Debugger.pause");
  for (let step = 0; step < MAX_STEPS && frames.some(isInUsers) && !isInUsers(frames[0]!); step++)
    frames = await halt("Debugger.stepOut");
  const [top] = frames;
  if (top !== undefined && (isPatienceOver || isInUsers(top))) {
    const immediate = frames.find(({ functionName }) => functionName === "processImmediate");
    if (immediate !== undefined) await valueIn(session, immediate, SETTLE);
    await keepVariables(session, frames);
    strike();
  }
  if (frames.length > 0) session.post("Debugger.resume");
  session.post("Debugger.disable");
  session.off("Debugger.scriptParsed", onParsed);
}
