/** The engine "wasm": not there yet in this build. */
import type { Engine } from "./backend.ts";

export function wasmEngine(): Engine {
  throw new Error("the wasm engine is not built");
}
