/**
 * Runs scripts in V8's REPL mode through this thread's own inspector session: real global scope, top-level await,
 * names that can be declared again, full speed. A session of another thread can then terminate them.
 *
 * No value passes through the inspector (it would keep it alive): results come through `slots`, and what the inspector
 * did hold is released after each cell.
 */
import inspector from "node:inspector";
import { cancellable, cancelPoint, Interrupted } from "./interrupt.ts";
import type { Target } from "./strike.ts";
import { type failureOf, syntaxFailure } from "./traceback.ts";

const session = new inspector.Session();
session.connect();

const GROUP = "cell";

interface Reply {
  readonly error: Error | null;
  readonly result: inspector.Runtime.EvaluateReturnType | undefined;
}

/** What cells reach as `__k`; the names are those that `cell/rewrite.ts` writes. */
export interface CellRuntime {
  out: unknown;
  module: unknown;
  thrown: unknown;
  meta: unknown;
  /** While a loop works on variables of its own: what writes them back, see `cell/loops.ts`. */
  loop: string;
  /** Evaluated by the watchdog: see `strike.ts`. */
  look: (isPatienceOver: boolean) => Target;
  import: (specifier: unknown, options?: ImportCallOptions) => Promise<unknown>;
  readonly w: typeof cancelPoint;
  readonly each: typeof cancellable;
  readonly fn: <F>(value: F, name: string) => F;
}

export const slots: CellRuntime = {
  out: undefined,
  module: undefined,
  thrown: undefined,
  meta: undefined,
  loop: "",
  look: () => "none",
  import: () => Promise.reject(new Error("internal: imports are not set up")),
  w: cancelPoint,
  each: cancellable,
  fn: (value, name) => Object.defineProperty(value as object, "name", { value: name }) as typeof value,
};

export function installRuntime(): void {
  Object.defineProperty(globalThis, "__k", { value: slots, enumerable: false });
}

const post = (expression: string): Promise<Reply> =>
  new Promise((resolve) => {
    session.post(
      "Runtime.evaluate",
      { expression, replMode: true, objectGroup: GROUP, silent: true },
      (error, result) => resolve({ error, result: result as Reply["result"] }),
    );
  });

/** A failure that has been made readable already, such as a syntax error with its line. */
export class Shown extends Error {
  readonly failure: ReturnType<typeof failureOf>;
  constructor(failure: ReturnType<typeof failureOf>) {
    super(failure.evalue);
    this.failure = failure;
  }
}

/** What the script threw, as the very value. */
function thrownBy(details: inspector.Runtime.ExceptionDetails, name: string): unknown {
  const { exception } = details;
  const message = exception?.description?.split("\n")[0] ?? details.text;
  const stack = details.stackTrace?.callFrames ?? [];
  if (exception?.className === "SyntaxError" && stack.length === 0)
    return new Shown(syntaxFailure(message, name, details.lineNumber + 1, details.columnNumber + 1));
  if (exception?.objectId === undefined)
    return exception === undefined
      ? new Error(details.text)
      : (exception.unserializableValue ?? (exception.value as unknown));
  slots.thrown = undefined;
  session.post("Runtime.callFunctionOn", {
    objectId: exception.objectId,
    functionDeclaration: "function () { __k.thrown = this; }",
    silent: true,
  });
  const { thrown } = slots;
  slots.thrown = undefined;
  return thrown;
}

/** Runs `script`; rejects with what it threw. */
export async function evaluate(script: string, name: string): Promise<void> {
  const { error, result } = await post(`${script}\n//# sourceURL=${name}`);
  if (error !== null) throw new Interrupted(); // The only way: "Execution was terminated".
  if (result?.exceptionDetails !== undefined) throw thrownBy(result.exceptionDetails, name);
}

/** The value of one expression of plain JavaScript. */
export async function evaluateExpression(expression: string): Promise<unknown> {
  slots.out = undefined;
  await evaluate(`__k.out = (${expression}\n);undefined`, "expression");
  return takeOut();
}

/** The value that the cell left, which is then the caller's alone. */
export function takeOut(): unknown {
  const { out } = slots;
  slots.out = undefined;
  slots.module = undefined;
  return out;
}

/** Lets go of everything that the inspector remembers of the cell, console arguments included. */
export function release(): void {
  session.post("Runtime.releaseObjectGroup", { objectGroup: GROUP });
  session.post("Runtime.discardConsoleEntries");
}

/** Names that cells have declared. */
export function declaredNames(): string[] {
  let names: string[] = [];
  session.post("Runtime.globalLexicalScopeNames", {}, (_, reply) => {
    names = reply?.names ?? [];
  });
  return names;
}

/** Evaluates at once, also while a cell runs: a plain script, which sees the names of all cells. */
function evaluateNow(expression: string): void {
  session.post("Runtime.evaluate", { expression, objectGroup: GROUP, silent: true });
}

/** The present values of all names that cells have declared; what is not initialised yet is left out. */
export function variables(): Record<string, unknown> {
  const kept = slots.out;
  const reads = declaredNames().map((name) => `try { __k.out[${JSON.stringify(name)}] = ${name} } catch {}`);
  const found: Record<string, unknown> = {};
  slots.out = found;
  evaluateNow(`${reads.join("\n")}\n;undefined`);
  slots.out = kept;
  return found;
}

/** Sets a declared name to `undefined`. */
export function dropVariable(name: string): void {
  evaluateNow(`${name} = undefined;undefined`);
}
