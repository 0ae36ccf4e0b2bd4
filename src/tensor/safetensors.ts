/**
 * Weights in safetensors files (format of huggingface/safetensors): read lazily through a file handle, so that a file
 * may be larger than memory, alone or sharded behind an index; written whole or not at all.
 */
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type Dtype, decode, ELEMENT_BYTES, encodeFloats, tensorDtype } from "./safetensors-dtype.ts";
import {
  buildHeader,
  type EntryInit,
  headerLength,
  inFileOrder,
  parseHeader,
  SafetensorsError,
  type TensorEntry,
} from "./safetensors-header.ts";
import { type Tensor, tf } from "./tf.ts";

export { SafetensorsError } from "./safetensors-header.ts";

/** Bytes read at a time where only a part of every row is wanted. */
const PIECE_BYTES = 1 << 24;
/** One read call takes less than 2^31 bytes. */
const LARGEST_READ = 1 << 30;

export interface SafetensorsFile {
  /** In the order of the data. */
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** @throws SafetensorsError when there is no such tensor */
  info(name: string): { readonly dtype: Dtype; readonly shape: readonly number[]; readonly bytes: number };
  /** The bytes as they are in the file. */
  raw(name: string): Promise<Uint8Array>;
  /** The whole tensor; float formats become float32, integers int32. */
  read(name: string): Promise<Tensor>;
  /** A block of it: `begin` and `size` per axis, -1 = to the end. Reads only the rows it needs. */
  slice(name: string, begin: readonly number[], size: readonly number[]): Promise<Tensor>;
  close(): Promise<void>;
}

type ReadAt = (position: number, bytes: number) => Promise<Uint8Array>;

function unreadable(path: string, found: string, cause?: unknown): SafetensorsError {
  return new SafetensorsError(
    `Cannot read ${path} as it must be a file of weights that can be opened: ${found}. Check the path.`,
    { cause },
  );
}

async function openFile(path: string): Promise<SafetensorsFile> {
  const file: FileHandle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(path, cause.code === "ENOENT" ? "there is none" : cause.message, cause);
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw unreadable(path, "it is a folder or a device");
    const fileBytes = found.size;
    const readAt: ReadAt = async (position, bytes) => {
      const out = new Uint8Array(bytes);
      let done = 0;
      while (done < bytes) {
        const length = Math.min(bytes - done, LARGEST_READ);
        const { bytesRead } = await file.read(out, done, length, position + done);
        if (bytesRead === 0) {
          throw new SafetensorsError(
            `Cannot read ${path} as it must have ${fileBytes} bytes: it was cut at ${position + done}. Download or write the file again.`,
          );
        }
        done += bytesRead;
      }
      return out;
    };
    const length = headerLength(path, await readAt(0, Math.min(8, fileBytes)), fileBytes);
    const { metadata, entries } = parseHeader(path, await readAt(8, length), fileBytes);
    return readerOf(path, entries, metadata, readAt, () => file.close());
  } catch (error) {
    await file.close();
    throw error;
  }
}

function readerOf(
  path: string,
  entries: readonly TensorEntry[],
  metadata: Readonly<Record<string, string>>,
  readAt: ReadAt,
  close: () => Promise<void>,
): SafetensorsFile {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const find = (name: string): TensorEntry => {
    const entry = byName.get(name);
    if (entry) return entry;
    throw new SafetensorsError(
      `Cannot read ${JSON.stringify(name)} as ${path} must hold it: it has ${entries.length} other tensors. See names.`,
    );
  };
  const tensor = (bytes: Uint8Array, { name, dtype }: TensorEntry, shape: readonly number[]): Tensor =>
    tf.tensor(decode(bytes, dtype, name), [...shape], tensorDtype(dtype));
  return Object.freeze({
    names: Object.freeze(entries.map((entry) => entry.name)),
    metadata,
    info(name: string) {
      const { dtype, shape, bytes } = find(name);
      return { dtype, shape, bytes };
    },
    async raw(name: string) {
      const { offset, bytes } = find(name);
      return readAt(offset, bytes);
    },
    async read(name: string) {
      const entry = find(name);
      return tensor(await readAt(entry.offset, entry.bytes), entry, entry.shape);
    },
    async slice(name: string, begin: readonly number[], size: readonly number[]) {
      const entry = find(name);
      const counts = size.map((n, i) => (n === -1 ? entry.shape[i]! - begin[i]! : n));
      const fits =
        begin.length === entry.shape.length &&
        size.length === begin.length &&
        entry.shape.every((n, i) => begin[i]! >= 0 && counts[i]! >= 0 && begin[i]! + counts[i]! <= n);
      if (!fits) {
        throw new RangeError(
          `Cannot cut ${JSON.stringify(name)} as begin and size must lie within [${entry.shape}]: got [${begin}] and [${size}].`,
        );
      }
      return tensor(await readBlock(entry, begin, counts, readAt), entry, counts);
    },
    close,
  });
}

async function readBlock(
  { offset, dtype, shape }: TensorEntry,
  begin: readonly number[],
  counts: readonly number[],
  readAt: ReadAt,
): Promise<Uint8Array> {
  const element = ELEMENT_BYTES[dtype];
  if (shape.length === 0) return readAt(offset, element);
  const total = counts.reduce((a, b) => a * b, 1) * element;
  const out = new Uint8Array(total);
  if (total === 0) return out;
  const row = shape.slice(1).reduce((a, b) => a * b, 1) * element;
  const whole = shape.slice(1).every((n, i) => counts[i + 1] === n);
  const first = begin[0]!;
  if (whole) return readAt(offset + first * row, total);
  const rowsAtOnce = Math.max(1, Math.floor(PIECE_BYTES / row));
  let at = 0;
  for (let i = 0; i < counts[0]!; i += rowsAtOnce) {
    const rows = Math.min(rowsAtOnce, counts[0]! - i);
    const piece = await readAt(offset + (first + i) * row, rows * row);
    for (let r = 0; r < rows; r++) at = crop(piece, r * row, row, 1);
  }
  return out;

  /** Copies the wanted part of axis `axis`.. of the block of `bytes` at `from`; returns where the next one goes. */
  function crop(piece: Uint8Array, from: number, bytes: number, axis: number): number {
    if (axis === shape.length) {
      out.set(piece.subarray(from, from + bytes), at);
      return at + bytes;
    }
    const step = bytes / shape[axis]!;
    if (axis === shape.length - 1) {
      const start = from + begin[axis]! * step;
      out.set(piece.subarray(start, start + counts[axis]! * step), at);
      return at + counts[axis]! * step;
    }
    for (let i = 0; i < counts[axis]!; i++)
      at = crop(piece, from + (begin[axis]! + i) * step, step, axis + 1);
    return at;
  }
}

async function openSharded(path: string): Promise<SafetensorsFile> {
  const bad = (requirement: string, found: string): never => {
    throw new SafetensorsError(
      `Cannot read ${path} as ${requirement}: got ${found}. Download the index again.`,
    );
  };
  let index: { weight_map?: unknown; metadata?: Record<string, unknown> } | null = null;
  try {
    index = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    bad("an index must be JSON", (error as Error).message);
  }
  const map = index?.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    return bad("an index must have a weight_map of names to files", JSON.stringify(map) ?? "none");
  }
  const shards = new Map<string, SafetensorsFile>();
  const close = async (): Promise<void> => {
    await Promise.all([...shards.values()].map((shard) => shard.close()));
  };
  try {
    for (const file of new Set(Object.values(map))) {
      if (typeof file !== "string" || basename(file) !== file || file.includes("\\")) {
        bad("its weight_map must name files beside it", JSON.stringify(file));
      }
      shards.set(file as string, await openFile(join(dirname(path), file as string)));
    }
    for (const [name, file] of Object.entries(map)) shards.get(file as string)!.info(name);
  } catch (error) {
    await close();
    throw error;
  }
  const where = new Map(Object.entries(map as Record<string, string>).map(([n, f]) => [n, shards.get(f)!]));
  const find = (name: string): SafetensorsFile => {
    const shard = where.get(name);
    if (shard) return shard;
    throw new SafetensorsError(
      `Cannot read ${JSON.stringify(name)} as ${path} must list it: it has ${where.size} other tensors. See names.`,
    );
  };
  return Object.freeze({
    names: Object.freeze([...where.keys()]),
    metadata: Object.fromEntries(
      Object.entries(index?.metadata ?? {}).map(([key, value]) => [key, String(value)]),
    ),
    info: (name: string) => find(name).info(name),
    raw: (name: string) => find(name).raw(name),
    read: (name: string) => find(name).read(name),
    slice: (name: string, begin: readonly number[], size: readonly number[]) =>
      find(name).slice(name, begin, size),
    close,
  });
}

/**
 * Opens a file, or the shards behind an index (`*.json`); only headers are read.
 * @throws SafetensorsError naming what is wrong with the file
 */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return path.endsWith(".json") ? openSharded(path) : openFile(path);
}

/** Reads all tensors of a file (or index), or only `names`. */
export async function readSafetensors(
  path: string,
  { names }: { names?: readonly string[] } = {},
): Promise<{ tensors: Map<string, Tensor>; metadata: Readonly<Record<string, string>> }> {
  const file = await openSafetensors(path);
  const tensors = new Map<string, Tensor>();
  try {
    for (const name of names ?? file.names) tensors.set(name, await file.read(name));
    return { tensors, metadata: file.metadata };
  } catch (error) {
    tf.dispose([...tensors.values()]);
    throw error;
  } finally {
    await file.close();
  }
}

/** Makes the temporary names of one process differ. */
let writes = 0;

/** Bytes in a format that tensors do not have. */
export interface RawTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Little-endian elements, row-major. */
  readonly bytes: Uint8Array;
}

type Source = EntryInit & { readonly value: Tensor | RawTensor };

function sourceOf(name: string, value: Tensor | RawTensor, floats: "F32" | "F16" | "BF16"): Source {
  if (name === "__metadata__") {
    throw new RangeError(`Cannot write a tensor named __metadata__: the format keeps that name. Rename it.`);
  }
  if (!(value instanceof tf.Tensor)) {
    const wanted = value.shape.reduce((a, b) => a * b, 1) * ELEMENT_BYTES[value.dtype];
    if (value.bytes.length !== wanted) {
      throw new RangeError(
        `Cannot write ${JSON.stringify(name)} as ${value.dtype} [${value.shape}] takes ${wanted} bytes: got ${value.bytes.length}.`,
      );
    }
    return { name, dtype: value.dtype, shape: value.shape, value };
  }
  const dtype = ({ float32: floats, int32: "I32", bool: "BOOL" } as Record<string, Dtype>)[value.dtype];
  if (!dtype) {
    throw new RangeError(
      `Cannot write ${JSON.stringify(name)} as its dtype must be float32, int32 or bool: got ${value.dtype}. Cast it.`,
    );
  }
  return { name, dtype, shape: value.shape, value };
}

async function bytesOf({ value, dtype }: Source): Promise<Uint8Array> {
  if (!(value instanceof tf.Tensor)) return value.bytes;
  const data = await value.data();
  if (data instanceof Float32Array) return encodeFloats(data, dtype as "F32" | "F16" | "BF16");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Writes tensors under their names. The file appears whole: it is written beside its place, flushed, and renamed. The
 * same tensors give the same bytes, in whatever order they come.
 * @param metadata free text, kept in the header
 * @param floats format of float tensors
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor | RawTensor> | Readonly<Record<string, Tensor | RawTensor>>,
  {
    metadata = {},
    floats = "F32",
  }: { metadata?: Readonly<Record<string, string>>; floats?: "F32" | "F16" | "BF16" } = {},
): Promise<void> {
  const pairs = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  const sources = inFileOrder(pairs.map(([name, value]) => sourceOf(name, value, floats)));
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${++writes}.writing`);
  try {
    const file = await open(temporary, "w").catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "ENOENT") throw cause;
      throw new Error(
        `Cannot write ${path} as its folder must exist: there is no ${dirname(path)}. Make it first.`,
        { cause },
      );
    });
    try {
      await file.writeFile(buildHeader(sources, metadata));
      for (const source of sources) await file.writeFile(await bytesOf(source));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
