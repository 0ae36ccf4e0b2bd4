/**
 * A configuration as JSON, read off the objects themselves: factories return frozen objects with plain fields, so a
 * strategy, a forcing or a model describes itself. Functions appear by name and by a hash of their source, so that a
 * changed function changes the hash of what was configured with it; what a function closes over is not seen.
 */
import { sha256 } from "./hash.ts";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const deepest = 12;

/** @example describe({ forcing: resamplingForcing({ shift: 0.6 }), steps: 1000 }) */
export function describe(value: unknown): Json {
  return walk(value, [], new Set());
}

function walk(value: unknown, path: readonly string[], above: Set<object>): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return Number.isFinite(value) ? value : { $number: String(value) };
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint") return { $bigint: value.toString() };
  if (typeof value === "symbol") return { $symbol: value.description ?? "" };
  if (typeof value === "function") return describeFunction(value as (...args: never[]) => unknown);
  const object = value as object;
  if (above.has(object)) return { $cycle: true };
  if (path.length >= deepest) return { $deep: object.constructor?.name ?? "Object" };
  const known = describeKnown(object);
  if (known !== undefined) return known;
  above.add(object);
  try {
    if (Array.isArray(object)) return object.map((item, i) => walk(item, [...path, String(i)], above));
    if (object instanceof Set) return [...object].map((item, i) => walk(item, [...path, String(i)], above));
    const entries =
      object instanceof Map ? [...object].map(([k, v]) => [String(k), v]) : Object.entries(object);
    const described = entries
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [key, walk(member, [...path, key as string], above)] as const);
    const name = object.constructor?.name;
    const isPlain = name === undefined || name === "Object" || name === "Map";
    return { ...(isPlain ? {} : { $class: name }), ...Object.fromEntries(described) };
  } finally {
    above.delete(object);
  }
}

function describeKnown(object: object): Json | undefined {
  if (object instanceof Date)
    return { $date: Number.isNaN(object.getTime()) ? "invalid" : object.toISOString() };
  if (object instanceof RegExp || object instanceof URL) return String(object);
  if (object instanceof Error) return { $error: object.message };
  if (ArrayBuffer.isView(object) && !(object instanceof DataView)) {
    const array = object as Float32Array;
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    return { $array: object.constructor.name, length: array.length, sha256: sha256(bytes) };
  }
  const tensor = object as { shape?: unknown; dtype?: unknown; dataId?: unknown };
  if (Array.isArray(tensor.shape) && typeof tensor.dtype === "string" && tensor.dataId !== undefined) {
    return { $tensor: tensor.dtype, shape: tensor.shape as number[] };
  }
  const own = object as { toConfig?: unknown };
  if (typeof own.toConfig === "function") return describe((own.toConfig as () => unknown)());
  return undefined;
}

function describeFunction(value: (...args: never[]) => unknown): Json {
  return { $function: value.name || "anonymous", source: sha256(value.toString()).slice(0, 12) };
}

/** A description flattened to dotted keys, for tables and for comparing two configurations. */
export function flatten(value: Json, prefix = ""): Record<string, string | number | boolean | null> {
  if (typeof value !== "object" || value === null) return { [prefix || "value"]: value };
  const parts = Array.isArray(value)
    ? value.map((item, i) => [`${i}`, item as Json] as const)
    : Object.entries(value as Record<string, Json>);
  const named = value as Record<string, Json>;
  if (!Array.isArray(value) && typeof named["$function"] === "string")
    return { [prefix]: `${named["$function"]}()` };
  if (parts.length === 0) return prefix === "" ? {} : { [prefix]: Array.isArray(value) ? "[]" : "{}" };
  return Object.assign(
    {},
    ...parts.map(([key, part]) => flatten(part, prefix === "" ? key : `${prefix}.${key}`)),
  );
}

/** A short name for an object in tables: its `name` with its options, or its plain fields. */
export function label(value: unknown): string {
  if (typeof value !== "object" || value === null) {
    return typeof value === "function" ? value.name || "function" : String(value);
  }
  const { name, label: own } = value as { name?: unknown; label?: unknown };
  if (typeof own === "string") return own;
  if (typeof name === "string") return name;
  const fields = Object.entries(flatten(describe(value)))
    .slice(0, 4)
    .map(([key, field]) => `${key}=${field}`);
  return fields.join(" ") || "{}";
}
