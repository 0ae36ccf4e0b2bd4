/**
 * The header of a safetensors file: eight bytes of length, then JSON that names every tensor with its format, shape and
 * place. Everything is checked before any data is touched: the tensors must tile the rest of the file exactly.
 */
import { type Dtype, ELEMENT_BYTES } from "./safetensors-dtype.ts";

/** The reference implementation's limit: a longer header is an attack or garbage. */
export const LARGEST_HEADER = 100_000_000;

export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Place in the file, bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the data. */
  readonly entries: readonly TensorEntry[];
}

/** A file that is not a sound safetensors file. */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
}

function fail(path: string, requirement: string, found: string): never {
  throw new SafetensorsError(
    `Cannot read ${path} as ${requirement}: got ${found}. Download or write the file again.`,
  );
}

/** Bytes of the JSON header, from the first eight bytes of the file. */
export function headerLength(path: string, prefix: Uint8Array, fileBytes: number): number {
  if (prefix.length < 8)
    fail(path, "a safetensors file begins with 8 bytes of header length", `${fileBytes} bytes`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(LARGEST_HEADER)) {
    fail(path, `its header must be at most ${LARGEST_HEADER} bytes`, `${length}`);
  }
  if (8 + Number(length) > fileBytes) {
    fail(path, `its header of ${length} bytes must lie within the file`, `a file of ${fileBytes} bytes`);
  }
  return Number(length);
}

/** The first key that an object of this (valid) JSON text has twice. */
function repeatedKey(text: string): string | undefined {
  // One set per open object, undefined per open array.
  const open: (Set<string> | undefined)[] = [];
  let isKey = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "{" || c === "[") open.push(c === "{" ? new Set() : undefined);
    else if (c === "}" || c === "]") open.pop();
    if (c === "{" || c === ",") isKey = open.at(-1) !== undefined;
    else if (c === ":") isKey = false;
    else if (c === '"') {
      const start = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === "\\") i++;
      if (!isKey) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (open.at(-1)!.has(key)) return key;
      open.at(-1)!.add(key);
    }
  }
  return undefined;
}

const isObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && !Array.isArray(x);
const isSize = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;
const quoted = (x: unknown): string => JSON.stringify(x)?.slice(0, 80) ?? String(x);

function parseEntry(path: string, name: string, value: unknown, dataStart: number): TensorEntry {
  const label = `tensor ${quoted(name)}`;
  if (!isObject(value)) fail(path, `${label} must be described by an object`, quoted(value));
  const { dtype, shape, data_offsets: offsets } = value;
  const unknown = Object.keys(value).find((key) => !["dtype", "shape", "data_offsets"].includes(key));
  if (unknown !== undefined) fail(path, `${label} has only dtype, shape and data_offsets`, quoted(unknown));
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    fail(
      path,
      `${label} must have one of the formats ${Object.keys(ELEMENT_BYTES).join(", ")}`,
      quoted(dtype),
    );
  }
  if (!(Array.isArray(shape) && shape.every(isSize))) {
    fail(path, `${label} must have a shape of non-negative integers`, quoted(shape));
  }
  if (
    !(Array.isArray(offsets) && offsets.length === 2 && offsets.every(isSize) && offsets[0]! <= offsets[1]!)
  ) {
    fail(path, `${label} must have data_offsets [begin, end]`, quoted(offsets));
  }
  const [begin, end] = offsets as [number, number];
  const bytes = (shape as number[]).reduce((a, b) => a * b, 1) * ELEMENT_BYTES[dtype as Dtype];
  if (bytes !== end - begin) {
    fail(path, `${label} of ${dtype} [${shape}] takes ${bytes} bytes`, `${end - begin} in its data_offsets`);
  }
  return { name, dtype: dtype as Dtype, shape: shape as number[], offset: dataStart + begin, bytes };
}

/** @throws SafetensorsError naming what is wrong with the file */
export function parseHeader(path: string, json: Uint8Array, fileBytes: number): Header {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json);
  } catch {
    fail(path, "its header must be UTF-8", "bytes that are not");
  }
  if (!text.startsWith("{")) fail(path, "its header must begin with {", quoted(text.slice(0, 8)));
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    fail(path, "its header must be JSON", (error as Error).message);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) fail(path, "no name may occur twice in its header", quoted(twice));
  const { __metadata__: metadata = {}, ...tensors } = parsed as Record<string, unknown>;
  if (!(isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string"))) {
    fail(path, "__metadata__ must map strings to strings", quoted(metadata));
  }
  const dataStart = 8 + json.length;
  const entries = Object.entries(tensors)
    .map(([name, value]) => parseEntry(path, name, value, dataStart))
    .sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const { name, offset, bytes } of entries) {
    const label = `tensor ${quoted(name)}`;
    if (offset < end) fail(path, `${label} must not overlap another`, `byte ${offset} where ${end} is free`);
    if (offset > end) fail(path, `${label} must follow the one before it`, `a hole of ${offset - end} bytes`);
    end = offset + bytes;
  }
  if (end !== fileBytes) {
    fail(path, `its tensors end at byte ${end}, where the file must end`, `a file of ${fileBytes} bytes`);
  }
  return { metadata: metadata as Record<string, string>, entries };
}

export interface EntryInit {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

const FORMAT_ORDER = Object.keys(ELEMENT_BYTES);

/** Wide formats first, then by name, exactly as the reference implementation does: every tensor is aligned. */
export function inFileOrder<T extends EntryInit>(entries: readonly T[]): T[] {
  return [...entries].sort(
    (a, b) =>
      FORMAT_ORDER.indexOf(b.dtype) - FORMAT_ORDER.indexOf(a.dtype) ||
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
  );
}

/** Length prefix and JSON, padded so that the data begin at a multiple of eight. Entries in file order. */
export function buildHeader(
  entries: readonly EntryInit[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  // Not an object: a tensor may have any name, "__proto__" too.
  const parts: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    parts.push(
      `"__metadata__":{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)}}`,
    );
  }
  let end = 0;
  for (const { name, dtype, shape } of entries) {
    const begin = end;
    end += shape.reduce((a, b) => a * b, 1) * ELEMENT_BYTES[dtype];
    parts.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${begin},${end}]}`,
    );
  }
  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + length).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(length), true);
  out.set(json, 8);
  return out;
}
