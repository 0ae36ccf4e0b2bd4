/**
 * What the process holds, by variable. A value of any library may say what it holds outside of JavaScript by the method
 * `Symbol.for("Jupyter.memory")`, returning `{ bytes, tensors? }`; array buffers, strings and plain objects are counted
 * here. Bytes that two variables share are counted for the first.
 */
import { types } from "node:util";
import { getHeapStatistics } from "node:v8";
import { declaredNames, dropVariable, variables } from "./evaluate.ts";
import { DISPLAY, type Displayable } from "./render.ts";
import { table } from "./table.ts";

export const MEMORY: unique symbol = Symbol.for("Jupyter.memory") as never;

export interface Held {
  readonly bytes: number;
  readonly tensors?: number;
}

export interface VariableMemory {
  readonly name: string;
  readonly kind: string;
  readonly bytes: number;
  readonly tensors: number;
}

export interface MemoryReport extends Displayable {
  /** Bytes of the JavaScript heap in use, and its limit. */
  readonly heapUsed: number;
  readonly heapLimit: number;
  /** Bytes of typed arrays and buffers, outside of the heap. */
  readonly arrayBuffers: number;
  /** Bytes of the whole process. */
  readonly rss: number;
  readonly tensors: number;
  /** Largest first. */
  readonly variables: readonly VariableMemory[];
}

/** Objects looked at per variable: beyond that a size is a lower bound. */
const MOST_OBJECTS = 200_000;

/** What `value` reaches and `seen` does not hold yet. Getters are never called, proxies never touched. */
function measure(value: unknown, seen: Set<object>): { bytes: number; tensors: number } {
  const total = { bytes: 0, tensors: 0 };
  const waiting: unknown[] = [value];
  for (let looked = 0; waiting.length > 0 && looked < MOST_OBJECTS; looked++) {
    const item = waiting.pop();
    if (typeof item === "string") total.bytes += item.length * 2;
    else if (typeof item === "number" || typeof item === "bigint") total.bytes += 8;
    if ((typeof item !== "object" && typeof item !== "function") || item === null) continue;
    if (seen.has(item) || types.isProxy(item)) continue;
    seen.add(item);
    const own = (item as { [MEMORY]?: unknown })[MEMORY];
    if (typeof own === "function") {
      const held = own.call(item) as Held;
      total.bytes += held.bytes;
      total.tensors += held.tensors ?? 0;
      continue;
    }
    if (types.isAnyArrayBuffer(item)) total.bytes += item.byteLength;
    else if (ArrayBuffer.isView(item)) waiting.push(item.buffer);
    else if (item instanceof Map) {
      for (const [key, value] of item) waiting.push(key, value);
    } else if (item instanceof Set) {
      for (const value of item) waiting.push(value);
    } else if (typeof item === "object") {
      const fields = Object.getOwnPropertyDescriptors(item);
      for (const key of Reflect.ownKeys(fields)) {
        total.bytes += 8;
        const field = fields[key as string];
        if (field !== undefined && "value" in field) waiting.push(field.value);
      }
    }
  }
  return total;
}

const kindOf = (value: unknown): string =>
  typeof value === "object" && value !== null ? (value.constructor?.name ?? "object") : typeof value;

/** Bytes as people read them. */
export function readableBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** The memory of this process, by variable. */
export function memory(): MemoryReport {
  const seen = new Set<object>();
  const held = Object.entries(variables())
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ({ name, kind: kindOf(value), ...measure(value, seen) }))
    .sort((a, b) => b.bytes - a.bytes);
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  const tensors = held.reduce((sum, variable) => sum + variable.tensors, 0);
  return Object.freeze({
    heapUsed,
    heapLimit: getHeapStatistics().heap_size_limit,
    arrayBuffers,
    rss,
    tensors,
    variables: held,
    [DISPLAY]() {
      const totals = [
        { what: "JavaScript heap", held: readableBytes(heapUsed) },
        { what: "array buffers", held: readableBytes(arrayBuffers) },
        { what: "whole process", held: readableBytes(rss) },
        { what: "live tensors of variables", held: String(tensors) },
      ];
      const rows = held.map(({ name, kind, bytes, tensors: count }) => ({
        variable: name,
        kind,
        held: readableBytes(bytes),
        tensors: count,
      }));
      const [above, below] = [table(totals), table(rows, { limit: 40 })].map(
        (shown) => shown[DISPLAY]() as Record<string, string>,
      );
      return {
        "text/html": `${above!["text/html"]}${below!["text/html"]}`,
        "text/plain": `${above!["text/plain"]}\n\n${below!["text/plain"]}`,
      };
    },
  });
}

/**
 * Lets go of the value of the variable `name`, which is `undefined` from then on. A value with `Symbol.dispose` is
 * disposed, unless another variable holds it too. Throws a ReferenceError for a name that no cell has declared.
 */
export function drop(name: string): void {
  if (!declaredNames().includes(name))
    throw new ReferenceError(
      `Cannot drop a variable as no cell has declared it: got "${name}". The names are ${declaredNames().join(", ") || "none yet"}.`,
    );
  const all = variables();
  const value = all[name] as Partial<Disposable> | undefined;
  const shared = Object.entries(all).some(([other, held]) => other !== name && held === value);
  dropVariable(name);
  if (!shared && typeof value === "object" && value !== null && typeof value[Symbol.dispose] === "function")
    value[Symbol.dispose]!();
}
