/**
 * The engine "wasm": the C++ kernels as WebAssembly with SIMD and threads. It needs no compiler and no addon.
 *
 * Tensors lie in one shared memory of at most 4 GiB that V8 cannot see into, so a tensor that nothing reaches gives its
 * memory back through a FinalizationRegistry, which JavaScript runs between tasks: inside one synchronous loop use
 * `tf.tidy` or `dispose`. (The engine "native" has no such limit.)
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { type Chunk, type Engine, sizeClass } from "./backend.ts";
import { gibibytes } from "./memory-limit.ts";
import { packageRoot } from "./package-root.ts";

interface Exports {
  __stack_pointer: WebAssembly.Global;
  __heap_base: WebAssembly.Global;
  args(): number;
  op_name(index: number): number;
  op_count(): number;
  own_bytes(): number;
  common_bytes(): number;
  set_own(index: number, pointer: number): void;
  set_common(pointer: number): void;
  joined(): number;
  run(op: number, threads: number): void;
}

const PAGE = 65536;
const MAX_ARGS = 8192;
const STACK_BYTES = 262144;
const MAX_THREADS = 16;
/** Below this many floating point operations one thread is faster than waking the others. */
const SMALL_WORK = 400_000;
/** From this much live memory on, the collector is asked to look for dead tensors now and then. */
const COLLECT_FROM = 2 ** 30;
const COLLECT_EVERY = 2 ** 29;

export const wasmPath: string = join(packageRoot, "src", "tensor", "native", "zoetrope.wasm");

/** What a worker runs: it instantiates the module over the shared memory and waits for ops. */
const WORKER = `
const { workerData } = require("node:worker_threads");
const { module, memory, stack, math } = workerData;
const env = { memory };
for (const name of math) env[name] = name === "fmod" ? (a, b) => a % b : Math[name];
const { exports } = new WebAssembly.Instance(module, { env });
exports.__stack_pointer.value = stack;
try { exports.work(); } catch (error) { exports.fail(); throw error; }
`;

/** Compiles the committed module; throws when it is missing. */
export function wasmEngine(): Engine {
  const module = new WebAssembly.Module(readFileSync(wasmPath));
  const memory = new WebAssembly.Memory({ initial: 64, maximum: PAGE, shared: true });
  const math = WebAssembly.Module.imports(module)
    .map((entry) => entry.name)
    .filter((name) => name !== "memory");
  const env: Record<string, WebAssembly.ImportValue> = { memory };
  for (const name of math) {
    env[name] =
      name === "fmod"
        ? (a: number, b: number) => a % b
        : (Math as unknown as Record<string, () => number>)[name]!;
  }
  const wasm = new WebAssembly.Instance(module, { env }).exports as unknown as Exports;

  let top = wasm.__heap_base.value as number;
  const grow = (bytes: number): number => {
    const start = Math.ceil(top / 64) * 64;
    const missing = start + bytes - memory.buffer.byteLength;
    if (missing > 0) {
      try {
        memory.grow(
          Math.min(
            Math.ceil(missing / PAGE) + 256,
            Math.max(PAGE - memory.buffer.byteLength / PAGE, Math.ceil(missing / PAGE)),
          ),
        );
      } catch (cause) {
        throw new RangeError(
          `Cannot make a tensor as WebAssembly has 4 GiB at most, of which ${gibibytes(start)} are taken: ` +
            `got ${gibibytes(bytes)} more. Dispose of tensors (tf.tidy), or build the native engine with \`npm run build\`.`,
          { cause },
        );
      }
    }
    top = start + bytes;
    return start;
  };

  const argsAt = wasm.args();
  const args = new Float64Array(memory.buffer, argsAt, MAX_ARGS);
  wasm.set_common(grow(wasm.common_bytes()));
  wasm.set_own(0, grow(wasm.own_bytes()));

  const names: [string, number][] = [];
  const text = new Uint8Array(memory.buffer);
  for (let i = 0; i < wasm.op_count(); i++) {
    const from = wasm.op_name(i);
    names.push([Buffer.from(text.slice(from, text.indexOf(0, from))).toString("latin1"), i]);
  }

  let threads = Math.min(availableParallelism(), MAX_THREADS);
  let started = 0;
  const start = (): void => {
    while (started < threads - 1) {
      started++;
      wasm.set_own(started, grow(wasm.own_bytes()));
      const stack = grow(STACK_BYTES) + STACK_BYTES;
      new Worker(WORKER, { eval: true, workerData: { module, memory, stack, math } }).unref();
    }
  };

  const pool = new Map<number, Chunk[]>();
  let pooled = 0;
  let live = 0;
  let collectAt = COLLECT_FROM;
  let collect: (() => void) | undefined;
  const release = (chunk: Chunk): void => {
    live -= chunk.bytes;
    pooled += chunk.bytes;
    const free = pool.get(chunk.bytes);
    if (free === undefined) pool.set(chunk.bytes, [chunk]);
    else free.push(chunk);
  };
  const registry = new FinalizationRegistry<Chunk>(release);

  return {
    name: "wasm",
    args,
    ops: new Map(names),
    isa: "simd128",
    get threads() {
      return threads;
    },
    setThreads(count) {
      threads = Math.min(count, MAX_THREADS);
    },
    allocate(bytes) {
      const size = sizeClass(bytes);
      const free = pool.get(size);
      let chunk: Chunk;
      if (free !== undefined && free.length > 0) {
        pooled -= size;
        chunk = free.pop()!;
      } else {
        if (live > collectAt) {
          // V8 sees only small objects: it would not look for dead tensors by itself.
          setFlagsFromString("--expose-gc");
          collect ??= runInNewContext("gc") as () => void;
          collect();
          collectAt = Math.max(COLLECT_FROM, live + COLLECT_EVERY);
        }
        chunk = Object.freeze({ pointer: grow(size), bytes: size });
      }
      live += size;
      return chunk;
    },
    release,
    floats: (chunk, length) => new Float32Array(memory.buffer, chunk.pointer, length),
    ints: (chunk, length) => new Int32Array(memory.buffer, chunk.pointer, length),
    bytes: (chunk, length) => new Uint8Array(memory.buffer, chunk.pointer, length),
    run(op, work) {
      const onAllThreads = work >= SMALL_WORK && threads > 1;
      if (onAllThreads && started < threads - 1) start();
      wasm.run(op, onAllThreads ? threads : 1);
    },
    memory: () => ({ live, pooled }),
    watch(block, chunk) {
      registry.register(block, chunk, block);
    },
    unwatch(block) {
      registry.unregister(block);
    },
  };
}
