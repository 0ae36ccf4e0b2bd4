/** The `History` of CausalWan: a cached prefix of finished chunks, and the newest ones whose keys are not written yet. */
import type { Condition, History } from "../diffusion/denoiser.ts";
import { type CollectedRow, collectRows } from "../tensor/ops/cache.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { HistoryPolicy } from "./history-policy.ts";
import { type KvCache, type KvShape, kvCache } from "./kv-cache.ts";

export interface PendingChunk {
  /** [B, frames, H, W, C], owned by the history. */
  readonly x0: Tensor;
  /** The prompts it was made for; the tokens are owned by the history. */
  readonly condition: Condition;
}

export interface KvHistory extends History {
  readonly cache: KvCache;
  /** Oldest first. */
  readonly pending: readonly PendingChunk[];
  /** This history with one more chunk behind it, not written yet. */
  append(x0: Tensor, condition: Condition): KvHistory;
  /** The keys of the `count` oldest pending chunks have been written. */
  settle(count: number): void;
}

/** Writes the keys of the oldest pending chunks until `left` of them wait. */
export type WritePending = (history: KvHistory, left: number) => void;

export function kvHistory(
  shape: KvShape,
  policy: HistoryPolicy,
  batch: number,
  write: WritePending,
): KvHistory {
  return historyOf(kvCache(shape, policy, batch), [], write);
}

function historyOf(cache: KvCache, initial: readonly PendingChunk[], write: WritePending): KvHistory {
  let pending = initial;
  const numChunks = () => (cache.slots.at(-1) ?? -1) + 1 + pending.length;
  const self: KvHistory = Object.freeze({
    cache,
    batch: cache.batch,
    get numChunks() {
      return numChunks();
    },
    get pending() {
      return pending;
    },
    get bytes() {
      return pending.reduce((sum, { x0 }) => sum + 4 * x0.size, cache.bytes);
    },
    get tensors() {
      return [...cache.tensors, ...pending.map(({ x0 }) => x0)];
    },
    append(x0: Tensor, condition: Condition) {
      if (x0.shape[0] !== cache.batch || condition.tokens.shape[0] !== cache.batch) {
        throw new RangeError(
          `Cannot append as chunk and condition must have the history's ${cache.batch} rows: got ${x0.shape[0]} and ${condition.tokens.shape[0]}. Gather the history or repeat the rows first.`,
        );
      }
      return historyOf(cache.share(), [...pending.map(copyOf), copyOf({ x0, condition })], write);
    },
    settle(count: number) {
      if (count === 0) return;
      for (const chunk of pending.slice(0, count)) tf.dispose([chunk.x0, chunk.condition.tokens]);
      pending = pending.slice(count);
      cache.commit(count);
    },
    gather(rows: readonly number[]) {
      const wrong = rows.find((row) => !(Number.isInteger(row) && row >= 0 && row < cache.batch));
      if (wrong !== undefined || rows.length === 0) {
        throw new RangeError(
          `Cannot gather rows [${rows}] as this history has rows 0 to ${cache.batch - 1}. Ask for at least one of them.`,
        );
      }
      const same = rows.length === cache.batch && rows.every((row, i) => row === i);
      return historyOf(
        same ? cache.share() : cache.gather(rows),
        pending.map((chunk) =>
          collected(
            [chunk],
            rows.map((row) => ({ source: 0, row })),
          ),
        ),
        write,
      );
    },
    join(others: readonly History[]) {
      const parts = [self, ...(others as readonly KvHistory[])];
      const odd = parts.find((part) => part.numChunks !== numChunks());
      if (odd) {
        throw new RangeError(
          `Cannot join histories as they must have the same number of chunks: got ${numChunks()} and ${odd.numChunks}. Join those of one length.`,
        );
      }
      const other = parts.find((part) => part.cache.precision !== cache.precision);
      if (other) {
        throw new RangeError(
          `Cannot join histories as they must keep keys in one precision: got ${cache.precision} and ${other.cache.precision}. Give all the same cachePrecision.`,
        );
      }
      // Where the newest chunk of one is written already, it is written for all.
      const left = Math.min(...parts.map((part) => part.pending.length));
      for (const part of parts) write(part, left);
      return historyOf(
        cache.join(parts.slice(1).map((part) => part.cache)),
        Array.from({ length: left }, (_, i) =>
          collected(
            parts.map((part) => part.pending[i]!),
            parts.flatMap(({ batch }, source) =>
              Array.from({ length: batch }, (_, row) => ({ source, row })),
            ),
          ),
        ),
        write,
      );
    },
    dispose() {
      for (const chunk of pending) tf.dispose([chunk.x0, chunk.condition.tokens]);
      pending = [];
      cache.dispose();
    },
  });
  return self;
}

function copyOf({ x0, condition }: PendingChunk): PendingChunk {
  return {
    x0: tf.keep(x0.clone()),
    condition: { prompts: condition.prompts, tokens: tf.keep(condition.tokens.clone()) },
  };
}

/** These rows of chunks, each from one of the sources. */
function collected(sources: readonly PendingChunk[], rows: readonly CollectedRow[]): PendingChunk {
  const [x0, tokens] = collectRows(
    sources.map(({ x0, condition }) => ({ tensors: [x0, condition.tokens], slots: 1, runs: [[0, 1]] })),
    rows,
    1,
  ) as [Tensor, Tensor];
  return {
    x0: tf.keep(x0),
    condition: {
      prompts: rows.map(({ source, row }) => sources[source]!.condition.prompts[row]!),
      tokens: tf.keep(tokens),
    },
  };
}
