/** Registers every plain kernel of "native" and "wasm", then fallbacks for what is left. */
import "./structure.ts";
import "./matmul.ts";
import "./fallback.ts";
