/** Registers every plain kernel of "native" and "wasm", the gradients that tfjs lacks, then fallbacks for the rest. */
import "../dispatch.ts";
import "./structure.ts";
import "./elementwise.ts";
import "./movement.ts";
import "./reduce.ts";
import "./matmul.ts";
import "./lookup.ts";
import "./conv.ts";
import "./einsum.ts";
import "./gradients.ts";
import "./rest.ts";
