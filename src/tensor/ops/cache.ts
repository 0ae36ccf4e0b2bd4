/**
 * Key/value caches of autoregressive sampling: appending in place, reading back, collecting rows of several caches, and the
 * mean keys that routing reads.
 */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, isRecording, require, runFused, withGradient } from "./fused.ts";
import { headMajor, headsIn, tokenMajor } from "./head-major.ts";

/** The kernels copy words of four bytes. */
const isOfWords = ({ dtype }: TensorInfo): boolean => dtype === "float32" || dtype === "int32";

/** The append in plain tf ops: a new tensor. */
export function appendCacheComposition(cache: Tensor, kv: Tensor, atToken: number): Tensor {
  const [rows, capacity, width] = cache.shape as [number, number, number];
  const end = atToken + kv.shape[1]!;
  return tf.concat(
    [
      cache.slice([0, 0, 0], [rows, atToken, width]),
      headMajor(kv, headsIn(cache, kv.shape[0]!)),
      cache.slice([0, end, 0], [rows, capacity - end, width]),
    ],
    1,
  );
}

/**
 * Writes `kv` at tokens atToken.. of the cache. On `native` the cache itself is written and the result shares its
 * memory, unless a gradient is being recorded: use only the result afterwards, and copy before branching.
 * Elsewhere the result is a new tensor.
 * @param cache [B, capacity, D], or head-major [B heads, capacity, D / heads]
 * @param kv [B, n, D]
 * @throws RangeError when the tokens do not fit
 */
export function appendCache(cache: Tensor, kv: Tensor, atToken: number): Tensor {
  const [rows, capacity, width] = cache.shape;
  const heads = headsIn(cache, kv.shape[0]!);
  require(cache.rank === 3 &&
    kv.rank === 3 &&
    Number.isInteger(heads) &&
    kv.shape[2] === heads * width!, () =>
    `Cannot append to the cache [${cache.shape}] as the new tokens must be [${rows}, n, ${width}], or [${rows} / heads, n, heads times ${width}] for a head-major cache: got [${kv.shape}].`);
  require(Number.isInteger(atToken) && atToken >= 0 && atToken + kv.shape[1]! <= capacity!, () =>
    `Cannot append ${kv.shape[1]} tokens at ${atToken} as the cache holds ${capacity}: got an end of ${atToken + kv.shape[1]!}. Make a larger cache or drop old chunks.`);
  require(cache.dtype === kv.dtype, () =>
    `Cannot append to a cache of ${cache.dtype} as the new tokens must be of the same type: got ${kv.dtype}. Cast them.`);
  if (isRecording() || !isOfWords(cache) || !hasKernel("Fused.AppendCache"))
    return appendCacheComposition(cache, kv, atToken);
  return runFused("Fused.AppendCache", { cache, kv }, { atToken })[0]!;
}

/** The reading in plain tf ops. */
function readCacheComposition(cache: Tensor, atToken: number, count: number, heads: number): Tensor {
  return tokenMajor(cache.slice([0, atToken, 0], [-1, count, -1]), heads);
}

/**
 * Tokens atToken .. atToken + count - 1 of a cache as they were appended.
 * @param cache [B, capacity, D], or head-major [B heads, capacity, D / heads]
 * @param heads heads by which the cache is split; default 1
 * @returns [B, count, D], of the type of the cache
 * @throws RangeError for tokens that are not there
 */
export function readCache(cache: Tensor, atToken: number, count: number, heads = 1): Tensor {
  require(cache.rank === 3 && Number.isInteger(heads) && heads > 0 && cache.shape[0]! % heads === 0, () =>
    `Cannot read the cache as it must be [batch times ${heads} heads, capacity, features]: got [${cache.shape}].`);
  require(Number.isInteger(atToken) &&
    Number.isInteger(count) &&
    atToken >= 0 &&
    count >= 0 &&
    atToken + count <= cache.shape[1]!, () =>
    `Cannot read ${count} tokens at ${atToken} as the cache holds ${cache.shape[1]}: got an end of ${atToken + count}. Ask for tokens that are there.`);
  if (isRecording() || !isOfWords(cache) || !hasKernel("Fused.ReadCache")) {
    return tf.tidy(() => readCacheComposition(cache, atToken, count, heads));
  }
  return runFused("Fused.ReadCache", { cache }, { atToken, count, heads })[0]!;
}

/** Caches of one batch, of any widths. */
export interface RowSource {
  /** [B, slots n, ...] each; n may differ from tensor to tensor. */
  readonly tensors: readonly Tensor[];
  /** Slots of a row. */
  readonly slots: number;
  /** What is wanted of each row: runs of slots. */
  readonly runs: readonly (readonly [from: number, count: number])[];
}

export interface CollectedRow {
  /** Index into the sources. */
  readonly source: number;
  readonly row: number;
}

/** The collection in plain tf ops; slots behind the wanted ones are 0. */
export function collectRowsComposition(
  sources: readonly RowSource[],
  rows: readonly CollectedRow[],
  capacity: number,
): Tensor[] {
  const starts = startsOf(sources);
  const blank = starts.at(-1)!;
  const index = rows.flatMap(({ source, row }) => {
    const { slots, runs } = sources[source]!;
    const wanted = runs.flatMap(([from, count]) =>
      Array.from({ length: count }, (_, i) => starts[source]! + row * slots + from + i),
    );
    return [...wanted, ...new Array<number>(capacity - wanted.length).fill(blank)];
  });
  return sources[0]!.tensors.map((like, i) =>
    tf.tidy(() => {
      const width = slotWidth(like, sources[0]!.slots);
      const all = sources.map(({ tensors }) => tensors[i]!.reshape([-1, width]));
      const slots = tf.concat([...all, tf.zeros([1, width], like.dtype)]);
      return slots
        .gather(tf.tensor1d(index, "int32"))
        .reshape(collectedShape(like, sources[0]!, rows, capacity));
    }),
  );
}

/**
 * Rows of several caches, in memory of their own, all tensors at once: of every row its source's runs, one behind the other,
 * and room behind them, whose content is undefined.
 * @param capacity slots of a row of the result
 * @returns per tensor of a source [rows, capacity n, ...]
 * @throws RangeError for sources of different kinds, a row or slot that is not there, or more slots than fit
 */
export function collectRows(
  sources: readonly RowSource[],
  rows: readonly CollectedRow[],
  capacity: number,
): Tensor[] {
  const odd = sources.find((source) => !isAlike(sources[0]!, source));
  require(!odd, () =>
    `Cannot collect rows of different kinds as a slot must be the same in every source: got [${kindOf(sources[0]!)}] and [${kindOf(odd!)}]. Join caches of one model and one precision.`);
  for (const { source, row } of rows) {
    const { tensors, slots, runs } = sources[source]!;
    const batch = tensors[0]?.shape[0] ?? 0;
    let wanted = 0;
    for (const [from, count] of runs)
      wanted += from >= 0 && count >= 0 && from + count <= slots ? count : Infinity;
    require(row >= 0 && row < batch && wanted <= capacity, () =>
      `Cannot collect row ${row} as its source has ${batch} rows of ${slots} slots and the result room for ${capacity}: got the runs ${JSON.stringify(runs)}. Ask for rows and slots that are there.`);
  }
  if (isRecording() || !sources[0]!.tensors.every(isOfWords) || !hasKernel("Fused.CollectRows"))
    return collectRowsComposition(sources, rows, capacity);
  // The tensors are in the sources: to name each as an input would cost more than to copy it.
  return runFused("Fused.CollectRows", {}, { sources, rows, capacity });
}

/** Whether slots of both hold as many numbers of the same types. */
function isAlike(a: RowSource, b: RowSource): boolean {
  return (
    a.tensors.length === b.tensors.length &&
    a.tensors.every((tensor, i) => {
      const other = b.tensors[i]!;
      return tensor.dtype === other.dtype && slotWidth(tensor, a.slots) === slotWidth(other, b.slots);
    })
  );
}

const kindOf = ({ tensors, slots }: RowSource): string =>
  tensors.map((tensor) => `${slotWidth(tensor, slots)} ${tensor.dtype}`).join(", ");

/** Where the slots of each source begin when all lie one behind the other; last, their number. */
function startsOf(sources: readonly RowSource[]): number[] {
  const starts = [0];
  for (const { tensors, slots } of sources) starts.push(starts.at(-1)! + (tensors[0]?.shape[0] ?? 0) * slots);
  return starts;
}

function slotWidth(tensor: TensorInfo, slots: number): number {
  return sizeOf(tensor.shape) / (tensor.shape[0]! * slots);
}

function collectedShape(
  { shape }: TensorInfo,
  { slots }: RowSource,
  rows: readonly CollectedRow[],
  capacity: number,
): number[] {
  return [rows.length, (shape[1]! / slots) * capacity, ...shape.slice(2)];
}

/** The mean in plain tf ops. */
export function poolKeysComposition(k: Tensor, chunkTokens: number): Tensor {
  const [batch, tokens, width] = k.shape as [number, number, number];
  return k.reshape([batch, tokens / chunkTokens, chunkTokens, width]).mean(2);
}

/**
 * Mean key of every chunk, the gate of routed attention.
 * @param k [B, S, D] with S a multiple of chunkTokens
 * @returns [B, S/chunkTokens, D]
 */
export function poolKeys(k: Tensor, chunkTokens: number): Tensor {
  const tokens = k.shape[1]!;
  require(k.rank === 3 && chunkTokens > 0 && tokens % chunkTokens === 0, () =>
    `Cannot pool keys in chunks of ${chunkTokens} tokens as k must be [batch, a multiple of ${chunkTokens}, features]: got [${k.shape}].`);
  if (!hasKernel("Fused.PoolKeys")) return poolKeysComposition(k, chunkTokens);
  return withGradient(
    { k },
    () => runFused("Fused.PoolKeys", { k }, { chunkTokens })[0]!,
    (dy) => ({ k: () => runFused("Fused.PoolKeysGrad", { dy }, { chunkTokens })[0]! }),
  );
}

defineKernel<{ cache: TensorInfo; kv: TensorInfo }, { atToken: number }>(
  "Fused.AppendCache",
  (backend, { cache, kv }, { atToken }) => {
    const [, capacity, width] = cache.shape as [number, number, number];
    const [batch, count] = kv.shape as [number, number, number];
    const size = sizeOf(kv.shape);
    if (size > 0) {
      const heads = headsIn(cache, batch);
      backend.call("cache_rows", size, batch, heads, capacity, count, width, atToken, cache, kv, 0);
    }
    return backend.alias(cache);
  },
);

defineKernel<{ cache: TensorInfo }, { atToken: number; count: number; heads: number }>(
  "Fused.ReadCache",
  (backend, { cache }, { atToken, count, heads }) => {
    const [rows, capacity, width] = cache.shape as [number, number, number];
    const out = backend.output([rows / heads, count, heads * width], cache.dtype);
    const size = sizeOf(out.shape);
    if (size > 0) {
      backend.call("cache_rows", size, rows / heads, heads, capacity, count, width, atToken, cache, out, 1);
    }
    return out;
  },
);

defineKernel<
  Record<string, TensorInfo>,
  { sources: readonly RowSource[]; rows: readonly CollectedRow[]; capacity: number }
>("Fused.CollectRows", (backend, _inputs, { sources, rows, capacity }) => {
  const table: number[] = [];
  let slots = 0;
  for (const [i, { source, row }] of rows.entries()) {
    let at = i * capacity;
    for (const [from, count] of sources[source]!.runs) {
      table.push(source, row * sources[source]!.slots + from, at, count);
      at += count;
    }
    slots += at - i * capacity;
  }
  const first = sources[0]!;
  const outs: TensorInfo[] = [];
  const list: (TensorInfo | number)[] = [];
  let width = 0;
  for (const [i, like] of first.tensors.entries()) {
    const out = backend.output(collectedShape(like, first, rows, capacity), like.dtype);
    outs.push(out);
    width += slotWidth(like, first.slots);
    list.push(slotWidth(like, first.slots), out);
    for (const { tensors } of sources) list.push(tensors[i]!);
  }
  if (slots * width > 0) {
    const runs = table.length / 4;
    backend.call(
      "collect_rows",
      4 * slots * width,
      outs.length,
      sources.length,
      runs,
      new Int32Array(table),
      ...list,
    );
  }
  return outs;
});

defineKernel<{ k: TensorInfo }, { chunkTokens: number }>(
  "Fused.PoolKeys",
  (backend, { k }, { chunkTokens }) => {
    const [batch, tokens, width] = k.shape as [number, number, number];
    const chunks = tokens / chunkTokens;
    const out = backend.output([batch, chunks, width], "float32");
    if (batch * chunks > 0) {
      backend.call("pool_keys", 2 * sizeOf(k.shape), batch * chunks, chunkTokens, width, k, out);
    }
    return out;
  },
);

defineKernel<{ dy: TensorInfo }, { chunkTokens: number }>(
  "Fused.PoolKeysGrad",
  (backend, { dy }, { chunkTokens }) => {
    const [batch, chunks, width] = dy.shape as [number, number, number];
    const dk = backend.output([batch, chunks * chunkTokens, width], "float32");
    if (batch * chunks > 0) {
      backend.call("pool_keys_grad", 2 * sizeOf(dk.shape), batch * chunks, chunkTokens, width, dy, dk);
    }
    return dk;
  },
);
