/**
 * The key/value memory behind a history. One buffer per batch of histories holds, per layer, keys and values
 * [B heads, capacity, D / heads] (head-major: what one head reads of a chunk is one piece of memory), and mean keys per chunk
 * where a policy routes by keys that stay as they are. Histories are immutable prefixes of it:
 *
 *   buffer   | c0 | c1 | c2 | c3 |    |    |
 *   h1         ^----------^                       3 chunks: not the longest, copies before it writes
 *   h2         ^---------------^                  4 chunks: the longest, writes chunk 4 in place
 *
 * Once h2 is disposed, h1 is the longest: continuations tried one after the other copy nothing.
 *
 * The slot behind the longest prefix is scratch: a denoising step puts the keys of the unfinished chunk there, so that
 * attention reads one contiguous range and nothing is concatenated. Chunks that the policy can never see again are
 * dropped when the buffer is full, so a window costs constant memory. Keys and values are stored in the shape's format.
 */
import type { Precision } from "../tensor/device.ts";
import { type CollectedRow, collectRows, poolKeys, type RowSource } from "../tensor/ops/cache.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { HistoryPolicy } from "./history-policy.ts";
import type { KeyFormat } from "./key-format.ts";
import { replaced, type Turn, type TurnedKeys, turnedKeys } from "./turned-keys.ts";

export interface KvShape {
  readonly layers: number;
  readonly dim: number;
  readonly heads: number;
  readonly chunkTokens: number;
  /** Whether the mean keys of every chunk are kept. */
  readonly averagesKeys: boolean;
  readonly format: KeyFormat;
}

interface KvBuffer {
  /** Per layer; [B heads, capacity * chunkTokens, D / heads], as the format stores them. */
  readonly keys: Tensor[];
  readonly values: Tensor[];
  /** [B heads, capacity, D / heads], empty unless mean keys are kept. */
  readonly pooled: Tensor[];
  readonly turned: TurnedKeys;
  /** Chunks that fit. */
  readonly capacity: number;
  /** Lengths of the histories that live here. */
  readonly prefixes: Set<() => number>;
}

/** A prefix of a buffer. Writing goes through `reserve`, which copies first unless this is the longest prefix. */
export interface KvCache {
  readonly batch: number;
  readonly precision: Precision;
  /** Chunk number of every slot, ascending; old ones may be missing. */
  readonly slots: readonly number[];
  readonly bytes: number;
  /** All that it holds: prefixes of one buffer name the same tensors. */
  readonly tensors: readonly Tensor[];
  /** Keys of one layer as stored, which `attention` reads: the tensor may be longer than the valid prefix. */
  keys(layer: number): Tensor;
  values(layer: number): Tensor;
  pooled(layer: number): Tensor | undefined;
  /** Keys (as stored) of this prefix and of the unfinished `current` chunk behind it, turned to positions from `base` on; and their means. */
  turned(
    layer: number,
    current: number,
    base: number,
    turn: Turn,
  ): { readonly keys: Tensor; readonly pooled: Tensor };
  /** Makes room for `chunks` more behind the prefix that this cache may overwrite. */
  reserve(chunks: number): void;
  /**
   * Writes k, v [B, n chunkTokens, D] float32 behind the prefix without making them part of it.
   * @param gateKeys what routing averages per chunk; default k
   */
  write(layer: number, k: Tensor, v: Tensor, gateKeys?: Tensor): void;
  /** Makes the `chunks` last written ones part of this prefix. */
  commit(chunks: number): void;
  /** Another owner of the same prefix. */
  share(): KvCache;
  /** These batch rows, in memory of their own. */
  gather(rows: readonly number[]): KvCache;
  /** What rows are collected from: keys, values and means of every layer. */
  source(): Omit<RowSource, "runs">;
  /** The rows of this cache, then those of `others` (all of one length), in memory of their own. */
  join(others: readonly KvCache[]): KvCache;
  dispose(): void;
}

/** Chunks of room in a gathered or joined cache: the one that waits to be written and the one in work. */
const spareChunks = 2;

export function kvCache(shape: KvShape, policy: HistoryPolicy, batch: number): KvCache {
  return prefix(shape, policy, batch, undefined, []);
}

function prefix(
  shape: KvShape,
  policy: HistoryPolicy,
  batch: number,
  initial: KvBuffer | undefined,
  initialSlots: readonly number[],
): KvCache {
  let buffer = initial;
  let slots = initialSlots;
  let disposed = false;
  const length = () => slots.length;
  buffer?.prefixes.add(length);

  const live = (): KvBuffer => {
    if (disposed) throw new Error("Cannot read this history as it was disposed. Keep it until its last use.");
    if (!buffer) throw new Error("internal: an empty cache has no buffer");
    return buffer;
  };
  const moveTo = (next: KvBuffer, kept: readonly number[]) => {
    release(buffer, length);
    next.prefixes.add(length);
    buffer = next;
    slots = kept;
  };

  /** A cache of these rows, which hold the chunks `kept`, with room for what comes next: all layers in one pass. */
  const collected = (
    sources: readonly RowSource[],
    rows: readonly CollectedRow[],
    kept: readonly number[],
  ): KvCache => {
    const capacity = kept.length + spareChunks;
    const heads = Array.from({ length: shape.heads }, (_, head) => head);
    const split = rows.flatMap(({ source, row }) =>
      heads.map((head) => ({ source, row: row * shape.heads + head })),
    );
    const tensors = collectRows(sources, split, capacity).map((tensor) => tf.keep(tensor));
    const copy: KvBuffer = {
      keys: tensors.slice(0, shape.layers),
      values: tensors.slice(shape.layers, 2 * shape.layers),
      pooled: tensors.slice(2 * shape.layers),
      turned: turnedKeys(shape),
      capacity,
      prefixes: new Set(),
    };
    return prefix(shape, policy, rows.length, copy, kept);
  };

  const self: KvCache = Object.freeze({
    batch,
    precision: shape.format.precision,
    get slots() {
      return slots;
    },
    get bytes() {
      return self.tensors.reduce((sum, tensor) => sum + 4 * tensor.size, 0);
    },
    get tensors() {
      return buffer ? tensorsOf(buffer) : [];
    },
    keys: (layer: number) => live().keys[layer]!,
    values: (layer: number) => live().values[layer]!,
    pooled: (layer: number) => buffer?.pooled[layer],
    turned: (layer: number, current: number, base: number, turn: Turn) =>
      live().turned.read(layer, live().keys[layer]!, [...slots, current], base, turn),
    reserve(chunks: number) {
      if (disposed) live();
      const needed = slots.length + chunks;
      if (buffer && longestOf(buffer) === slots.length && needed <= buffer.capacity) return;
      const kept = retained(policy, slots);
      const size = kept.length + chunks;
      const most = 2 * (policy.span.first + policy.span.last) + 2;
      const roomy = Math.min(most, Math.max(8, 2 * kept.length));
      moveTo(copyOf(shape, batch, buffer, slots, kept, Math.max(size, roomy)), kept);
    },
    write(layer: number, k: Tensor, v: Tensor, gateKeys: Tensor = k) {
      const target = live();
      const at = slots.length;
      target.turned.forget(layer, at);
      const { pack } = shape.format;
      replace(target.keys, layer, pack(k), at * shape.chunkTokens);
      replace(target.values, layer, pack(v), at * shape.chunkTokens);
      if (target.pooled.length > 0) {
        const pooled = tf.tidy(() => poolKeys(gateKeys, shape.chunkTokens));
        replace(target.pooled, layer, pooled, at);
        pooled.dispose();
      }
    },
    commit(chunks: number) {
      const next = (slots.at(-1) ?? -1) + 1;
      slots = [...slots, ...Array.from({ length: chunks }, (_, i) => next + i)];
    },
    share: () => prefix(shape, policy, batch, buffer, slots),
    gather(rows: readonly number[]) {
      if (!buffer) return prefix(shape, policy, rows.length, undefined, slots);
      return collected(
        [{ ...self.source(), runs: [[0, slots.length]] }],
        rows.map((row) => ({ source: 0, row })),
        slots,
      );
    },
    join(others: readonly KvCache[]) {
      const parts = [self, ...others];
      const rows = parts.flatMap(({ batch }, source) =>
        Array.from({ length: batch }, (_, row) => ({ source, row })),
      );
      if (slots.length === 0) return prefix(shape, policy, rows.length, undefined, slots);
      // Some may have dropped chunks already that others still hold: only what can still be seen is common to all.
      const kept = retained(policy, slots);
      const sources = parts.map((part) => ({
        ...part.source(),
        runs: contiguousRuns(kept.map((chunk) => part.slots.indexOf(chunk))),
      }));
      return collected(sources, rows, kept);
    },
    source() {
      const { keys, values, pooled, capacity } = live();
      return { tensors: [...keys, ...values, ...pooled], slots: capacity };
    },
    dispose() {
      if (!disposed) release(buffer, length);
      disposed = true;
    },
  });
  return self;
}

/** Slots that the policy can still see from the next chunk on. */
function retained(policy: HistoryPolicy, slots: readonly number[]): readonly number[] {
  const { first, last } = policy.span;
  if (!Number.isFinite(last)) return slots;
  const next = (slots.at(-1) ?? -1) + 1;
  return slots.filter((chunk) => chunk < first || chunk >= next - last);
}

function replace(tensors: Tensor[], layer: number, rows: Tensor, at: number): void {
  tensors[layer] = replaced(tensors[layer]!, rows, at);
}

/** Chunks that belong to some history. */
function longestOf({ prefixes }: KvBuffer): number {
  let longest = 0;
  for (const length of prefixes) longest = Math.max(longest, length());
  return longest;
}

function release(buffer: KvBuffer | undefined, length: () => number): void {
  buffer?.prefixes.delete(length);
  if (!buffer || buffer.prefixes.size > 0) return;
  tf.dispose(tensorsOf(buffer));
}

function tensorsOf({ keys, values, pooled, turned }: KvBuffer): Tensor[] {
  return [...keys, ...values, ...pooled, ...turned.tensors];
}

/** A buffer of `capacity` chunks that starts with the kept slots of another. */
function copyOf(
  shape: KvShape,
  batch: number,
  source: KvBuffer | undefined,
  slots: readonly number[],
  kept: readonly number[],
  capacity: number,
): KvBuffer {
  const { layers, dim, heads, chunkTokens, averagesKeys, format } = shape;
  const runs = contiguousRuns(kept.map((chunk) => slots.indexOf(chunk)));
  const build = (tensor: Tensor | undefined, unit: number, width: number, dtype: KeyFormat["dtype"]) =>
    tf.keep(
      tf.tidy(() => {
        const parts = tensor
          ? runs.map(([from, count]) => tensor.slice([0, from * unit, 0], [-1, count * unit, -1]))
          : [];
        return tf.concat(
          [...parts, tf.fill([batch * heads, (capacity - kept.length) * unit, width / heads], 0, dtype)],
          1,
        );
      }),
    );
  const perLayer = (build: (layer: number) => Tensor) =>
    Array.from({ length: layers }, (_, layer) => build(layer));
  const stored = (tensors: readonly Tensor[] | undefined) =>
    perLayer((layer) => build(tensors?.[layer], chunkTokens, format.width(dim), format.dtype));
  return {
    keys: stored(source?.keys),
    values: stored(source?.values),
    pooled: averagesKeys ? perLayer((layer) => build(source?.pooled[layer], 1, dim, "float32")) : [],
    turned: turnedKeys(shape),
    capacity,
    prefixes: new Set(),
  };
}

function contiguousRuns(indices: readonly number[]): [from: number, count: number][] {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const run = runs.at(-1);
    if (run && run[0] + run[1] === index) run[1]++;
    else runs.push([index, 1]);
  }
  return runs;
}
