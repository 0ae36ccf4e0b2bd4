/** What a cell finds without importing it. Their types are declared to the language service in `cell/globals.ts`. */
import { clearOutput, display } from "./display.ts";
import { cellSignal } from "./interrupt.ts";
import { input, prompt } from "./stdin.ts";

export function installGlobals(_names: () => string[]): void {
  const kernel = Object.freeze({
    /** Aborts when the stop button is pressed; a new signal for each cell. */
    get signal(): AbortSignal {
      return cellSignal();
    },
  });
  const globals: Record<string, unknown> = { display, clearOutput, input, prompt, kernel };
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
