/**
 * Standard normals of a key: Box-Muller, of words 2 i and 2 i + 1 of Philox, with `Math.log`, `Math.cos` and `Math.sin`
 * in double precision, rounded to float32 at the end. `referenceNormals` says it so; `fillNormals` gives the same bits
 * several times faster through normals/normals.cc (how that is certain stands there), committed as WebAssembly.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";
import { type PhiloxKey, philoxBlocks } from "./philox.ts";

interface Exports {
  memory: WebAssembly.Memory;
  values_at(): number;
  doubtful_at(): number;
  logarithms_at(): number;
  circle_at(): number;
  most_groups(): number;
  draw(key0: number, key1: number, first: number, groups: number): number;
}

interface Drawer {
  /** Draws groups `first`, `first` + 1, ... into `values`; returns how many of `doubtful` to compute otherwise. */
  readonly draw: Exports["draw"];
  readonly values: Float32Array;
  readonly doubtful: Uint32Array;
}

/** Values that are drawn and doubted together: four blocks of Philox. */
const GROUP = 16;
/** Below so many a call costs more than it saves. */
const FEW = 64;

export const normalsWasmPath: string = join(packageRoot, "src", "tensor", "normals", "normals.wasm");

let drawer: Drawer | undefined;

/** Fills `out` with the normals of `key`, from block `first` (four values) on. */
export function referenceNormals(key: PhiloxKey, out: Float32Array, first = 0): void {
  const words = new Uint32Array(4 * Math.ceil(out.length / 4));
  philoxBlocks(key, words, first);
  for (let i = 0; i < out.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words[i]! + 1) / 4294967296));
    const angle = (2 * Math.PI * words[i + 1]!) / 4294967296;
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
}

/** `referenceNormals(key, out)`. */
export function fillNormals(key: PhiloxKey, out: Float32Array): void {
  if (out.length < FEW) {
    referenceNormals(key, out);
    return;
  }
  drawer ??= open();
  const { draw, values, doubtful } = drawer;
  for (let at = 0; at < out.length; at += values.length) {
    const count = Math.min(values.length, out.length - at);
    const doubts = draw(key[0], key[1], at / GROUP, Math.ceil(count / GROUP));
    out.set(count < values.length ? values.subarray(0, count) : values, at);
    for (let i = 0; i < doubts; i++) {
      const from = at + GROUP * doubtful[i]!;
      referenceNormals(key, out.subarray(from, from + GROUP), from / 4);
    }
  }
}

function open(): Drawer {
  const module = new WebAssembly.Module(readFileSync(normalsWasmPath));
  const wasm = new WebAssembly.Instance(module).exports as unknown as Exports;
  const { buffer } = wasm.memory;
  const logarithms = new Float64Array(buffer, wasm.logarithms_at(), 2 * 256);
  for (let i = 0; i < 256; i++) {
    const inverse = 1 / (1 + (i + 0.5) / 256);
    logarithms.set([inverse, -Math.log(inverse)], 2 * i);
  }
  const circle = new Float64Array(buffer, wasm.circle_at(), 2 * 1024);
  for (let i = 0; i < 1024; i++) {
    const angle = (2 * Math.PI * i) / 1024;
    circle.set([Math.cos(angle), Math.sin(angle)], 2 * i);
  }
  return {
    draw: wasm.draw,
    values: new Float32Array(buffer, wasm.values_at(), GROUP * wasm.most_groups()),
    doubtful: new Uint32Array(buffer, wasm.doubtful_at(), wasm.most_groups()),
  };
}
