/**
 * Which finished chunks a new chunk attends to. The own chunk is always attended to and never counted.
 *
 *   dense        all of them
 *   sliding      the last `chunks`
 *   sink+window  the first `sink` and the last `window`                          (LongLive 2509.22622, StreamingLLM)
 *   routing      each query token and head picks `topK` by q . mean(K_chunk)     (Resampling Forcing 2512.15702, 3.5)
 *
 * A policy answers in positions of a list of chunks, oldest first, so it serves the training pass and the cache alike.
 */
import { requireNumbers } from "../tensor/ranges.ts";

export interface HistorySelection {
  /** Ascending positions attended to by every query. */
  readonly visible: readonly number[];
  /** Ascending positions that a query may pick `topK` of, besides. */
  readonly candidates: readonly number[];
}

export interface HistoryPolicy {
  readonly name: string;
  /** 0 where nothing is routed. */
  readonly topK: number;
  /** Whether routing compares queries and keys after or before their rotation by position. */
  readonly gate: "post-rope" | "pre-rope";
  /** What chunk `numChunks` sees of the chunks 0 .. numChunks-1. */
  select(numChunks: number): HistorySelection;
  /** The most chunks a query can ever see, Infinity if it grows: what a cache may forget. */
  readonly span: { readonly first: number; readonly last: number };
}

function range(from: number, to: number): number[] {
  // Called every step: `Array.from` takes more than twice as long.
  const chunks: number[] = [];
  for (let chunk = from; chunk < to; chunk++) chunks.push(chunk);
  return chunks;
}

function requireCount(policy: string, counts: Readonly<Record<string, number>>, least = 1): void {
  const remedy = least === 1 ? "Without history there is no continuation; use 1 or more." : "";
  requireNumbers(`use ${policy} history`, counts, { whole: true, least }, remedy);
}

/** Every finished chunk. */
export function dense(): HistoryPolicy {
  return Object.freeze({
    name: "dense",
    topK: 0,
    gate: "post-rope",
    span: { first: 0, last: Number.POSITIVE_INFINITY },
    select: (numChunks: number) => ({ visible: range(0, numChunks), candidates: [] }),
  });
}

/** The last `chunks` finished chunks. */
export function slidingWindow({ chunks }: { readonly chunks: number }): HistoryPolicy {
  requireCount("a sliding-window", { chunks });
  return Object.freeze({
    name: `window ${chunks}`,
    topK: 0,
    gate: "post-rope",
    span: { first: 0, last: chunks },
    select: (numChunks: number) => ({
      visible: range(Math.max(0, numChunks - chunks), numChunks),
      candidates: [],
    }),
  });
}

/** The first `sink` and the last `window` finished chunks. */
export function sinkWindow({
  sink,
  window,
}: {
  readonly sink: number;
  readonly window: number;
}): HistoryPolicy {
  requireCount("a sink-and-window", { sink }, 0);
  requireCount("a sink-and-window", { window });
  return Object.freeze({
    name: `sink ${sink} + window ${window}`,
    topK: 0,
    gate: "post-rope",
    span: { first: sink, last: window },
    select(numChunks: number) {
      const from = Math.max(0, numChunks - window);
      return { visible: [...range(0, Math.min(sink, from)), ...range(from, numChunks)], candidates: [] };
    },
  });
}

/**
 * The `topK` chunks that suit each query token and head best; all of them while there are no more.
 * @param keys what the gate compares: rotated ("post-rope", MoBA's way and the default) or unrotated queries and keys
 */
export function routing({
  topK,
  keys = "post-rope",
}: {
  readonly topK: number;
  readonly keys?: "post-rope" | "pre-rope";
}): HistoryPolicy {
  requireCount("routed", { topK });
  return Object.freeze({
    name: `routing ${topK}${keys === "pre-rope" ? " pre-rope" : ""}`,
    topK,
    gate: keys,
    span: { first: 0, last: Number.POSITIVE_INFINITY },
    select: (numChunks: number) => ({ visible: [], candidates: range(0, numChunks) }),
  });
}
