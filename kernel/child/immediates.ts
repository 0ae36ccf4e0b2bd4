/**
 * The one structure of Node that does not survive the termination of a user's callback: its list of immediates. The
 * `finally` block of Node's `processImmediate`, which a termination skips, says which immediate comes next; without it
 * Node loses those that wait, or asks for the next of none over and over. So the watchdog halts the main thread there as
 * a debugger does, and has that block's work done before the strike.
 */
import type inspector from "node:inspector";
import { isUsers } from "./strike.ts";

/** What the `finally` block does; where the list has gone on to another immediate already there is nothing to do. */
const SETTLE = `if (immediate._destroyed) {
  immediate._onImmediate = null;
  outstandingQueue.head = immediate._idleNext;
}`;

/** A thread that does not halt in this time is in native code, or has come to its end. */
const HALT_MS = 3000;

type Parsed = inspector.InspectorNotification<inspector.Debugger.ScriptParsedEventDataType>;
type Paused = inspector.InspectorNotification<inspector.Debugger.PausedEventDataType>;

/** Halts the main thread of `session`; where that is in code of the user's, sets its immediates right and calls `strike`. */
export async function strikeImmediate(session: inspector.Session, strike: () => void): Promise<void> {
  let onPaused!: (event: Paused | null) => void;
  const paused = new Promise<Paused | null>((resolve) => {
    onPaused = resolve;
  });
  const scripts = new Map<string, string>();
  const onParsed = ({ params: { scriptId, url } }: Parsed): void => void scripts.set(scriptId, url);
  session.on("Debugger.scriptParsed", onParsed);
  session.once("Debugger.paused", onPaused);
  session.post("Debugger.enable");
  session.post("Debugger.pause");
  const timer = setTimeout(() => onPaused(null), HALT_MS);
  const frames = (await paused)?.params.callFrames ?? [];
  clearTimeout(timer);
  session.off("Debugger.paused", onPaused);
  session.off("Debugger.scriptParsed", onParsed);
  const frame = frames.find(({ functionName }) => functionName === "processImmediate");
  const scriptOf = ({ location }: inspector.Debugger.CallFrame): string =>
    scripts.get(location.scriptId) ?? "";
  if (frame !== undefined && isUsers({ script: scriptOf(frames[0]!), name: "" })) {
    const params = { callFrameId: frame.callFrameId, expression: SETTLE, silent: true };
    await new Promise((resolve) => session.post("Debugger.evaluateOnCallFrame", params, resolve));
    strike();
  }
  if (frames.length > 0) session.post("Debugger.resume");
  session.post("Debugger.disable");
}
