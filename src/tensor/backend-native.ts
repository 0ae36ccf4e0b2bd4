/**
 * The engine "native": the Node-API addon, with tensors in memory that V8 owns.
 *
 * Each chunk is an uninitialised ArrayBuffer whose address is taken once. V8 therefore knows the memory pressure,
 * collects even inside a synchronous loop, and frees what nothing reaches. Chunks that are disposed go to a bounded pool
 * by size class, so that hot loops neither allocate nor touch fresh pages.
 */
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { type Chunk, type Engine, sizeClass } from "./backend.ts";
import { gibibytes, requireMemory } from "./memory-limit.ts";
import { packageRoot } from "./package-root.ts";

interface Addon {
  open(args: Float64Array): void;
  run(op: number, threads: number, work: number): void;
  address(buffer: ArrayBuffer): number;
  names(): string[];
  isas(): string[];
  use(isa: string): string;
  hasBf16(): boolean;
}

export interface NativeEngine extends Engine {
  /** Instruction sets that run on this machine, best first. */
  readonly isas: readonly string[];
  /** Uses another instruction set (for tests and measurements). */
  useIsa(isa: string): void;
  readonly hasBf16: boolean;
}

const MAX_ARGS = 8192;
const ALIGN = 64;

class NativeChunk implements Chunk {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  readonly pointer: number;
  readonly bytes: number;
  constructor(buffer: ArrayBuffer, offset: number, pointer: number, bytes: number) {
    this.buffer = buffer;
    this.offset = offset;
    this.pointer = pointer;
    this.bytes = bytes;
  }
}

export const addonPath: string = join(packageRoot, "build", "native", "zoetrope.node");

/** Loads the addon; throws (with the loader's reason) when it is not built or does not fit this Node. */
export function nativeEngine({ poolBytes = Math.min(512 * 2 ** 20, totalmem() / 8) } = {}): NativeEngine {
  const addon = createRequire(import.meta.url)(addonPath) as Addon;
  const args = new Float64Array(MAX_ARGS);
  addon.open(args);
  const isas = addon.isas();
  let isa = addon.use(process.env["ZOETROPE_ISA"] ?? isas[0]!);
  let threads = Math.min(availableParallelism(), 64);

  const pool = new Map<number, NativeChunk[]>();
  let pooled = 0;

  const fresh = (bytes: number): NativeChunk => {
    let buffer: ArrayBuffer;
    try {
      // Slow means: never a slice of Node's shared pool. Unlike new ArrayBuffer it is not zeroed.
      buffer = Buffer.allocUnsafeSlow(bytes + ALIGN).buffer as ArrayBuffer;
    } catch (cause) {
      throw new RangeError(
        `Cannot make a tensor as the system must give ${gibibytes(bytes)} of memory for it and gave none. ` +
          "Use smaller tensors, or dispose of those no longer used.",
        { cause },
      );
    }
    const start = addon.address(buffer);
    const offset = (ALIGN - (start % ALIGN)) % ALIGN;
    return new NativeChunk(buffer, offset, start + offset, bytes);
  };

  return {
    name: "native",
    args,
    ops: new Map(addon.names().map((name, index) => [name, index])),
    isas,
    get isa() {
      return isa;
    },
    useIsa(name) {
      if (!isas.includes(name)) {
        throw new RangeError(
          `Cannot use the instruction set ${name} as this machine runs ${isas.join(", ")}. Pick one of those.`,
        );
      }
      isa = addon.use(name);
    },
    hasBf16: addon.hasBf16(),
    get threads() {
      return threads;
    },
    setThreads(count) {
      threads = count;
    },
    allocate(bytes) {
      requireMemory(bytes);
      const size = sizeClass(bytes);
      const free = pool.get(size);
      if (free !== undefined && free.length > 0) {
        pooled -= size;
        return free.pop()!;
      }
      return fresh(size);
    },
    release(chunk) {
      // What does not fit is left to the collector.
      if (pooled + chunk.bytes > poolBytes) return;
      pooled += chunk.bytes;
      const free = pool.get(chunk.bytes);
      if (free === undefined) pool.set(chunk.bytes, [chunk as NativeChunk]);
      else free.push(chunk as NativeChunk);
    },
    floats(chunk, length) {
      return new Float32Array((chunk as NativeChunk).buffer, (chunk as NativeChunk).offset, length);
    },
    ints(chunk, length) {
      return new Int32Array((chunk as NativeChunk).buffer, (chunk as NativeChunk).offset, length);
    },
    bytes(chunk, length) {
      return new Uint8Array((chunk as NativeChunk).buffer, (chunk as NativeChunk).offset, length);
    },
    run(op, work) {
      addon.run(op, threads, work);
    },
    memory() {
      // The collector knows what lives: buffers of the process less what waits in the pool.
      return { live: Math.max(process.memoryUsage().arrayBuffers - pooled, 0), pooled };
    },
    watch() {},
    unwatch() {},
  };
}
