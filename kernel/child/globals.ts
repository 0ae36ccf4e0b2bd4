/** What a cell finds without importing it. Types are declared to the language service in `cell/globals.ts`. */
import { send } from "./channel.ts";
import { openComm, registerTarget } from "./comm.ts";
import { clearOutput, display } from "./display.ts";
import { html, json, latex, md, png, svg, vegaLite } from "./displayable.ts";
import type { TypeCheckMode } from "./frames.ts";
import { cellSignal } from "./interrupt.ts";
import { drop, memory } from "./memory.ts";
import { progress } from "./progress.ts";
import { input, prompt } from "./stdin.ts";
import { table } from "./table.ts";
import { tslab } from "./tslab.ts";

const MODES: readonly TypeCheckMode[] = ["error", "warn", "off"];
let typeCheck = MODES.find((mode) => mode === process.env["ZOETROPE_TYPE_CHECK"]) ?? "error";

const kernel = Object.freeze({
  /** Aborts when the stop button is pressed; a new signal for each cell. */
  get signal(): AbortSignal {
    return cellSignal();
  },
  /** What a type error does, from the next cell on. */
  get typeCheck(): TypeCheckMode {
    return typeCheck;
  },
  set typeCheck(mode: TypeCheckMode) {
    if (!MODES.includes(mode))
      throw new RangeError(
        `Cannot set kernel.typeCheck as it must be "error", "warn" or "off": got ${JSON.stringify(mode)}.`,
      );
    typeCheck = mode;
    send({ type: "typeCheck", mode });
  },
  comm: Object.freeze({ open: openComm, register: registerTarget }),
});

const globals: Record<string, unknown> = {
  clearOutput,
  display,
  drop,
  html,
  input,
  json,
  kernel,
  latex,
  md,
  memory,
  png,
  progress,
  prompt,
  svg,
  table,
  vegaLite,
};

export function installGlobals(): void {
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  // Read by the module that `import ... from "tslab"` resolves to.
  Object.defineProperty(globalThis, Symbol.for("zoetrope.tslab"), { value: tslab });
}
