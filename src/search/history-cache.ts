/**
 * The KV caches of a search, derived from finished chunks and shared by forks: copy on branch, rebuilt on demand.
 *
 * A cache belongs to a node (a finished chunk with all that came before it), not to a candidate. Chunks that were
 * finished in one batch share one `History` with a row each; a batch of candidates gathers its rows out of it. What
 * was dropped is recomputed by `append` from the clean latents, which gives the same bits (a forked cache equals a
 * recomputed one). Appending is lazy, so a pruned candidate never pays for a cache write.
 */
import type { Condition, Denoiser, History } from "../diffusion/denoiser.ts";
import { tf } from "../tensor/tf.ts";
import type { Candidate, Finished } from "./candidate.ts";
import { type Stopwatch, untimed } from "./stopwatch.ts";

interface Row {
  readonly history: History;
  readonly row: number;
}

/** A history on loan: it is not freed before it is given back. */
export interface Loan {
  readonly history: History;
  giveBack(): void;
}

export interface HistoryCache {
  /** Rows in the order of `nodes`: all finished to the same length, undefined = nothing finished yet. */
  take(nodes: readonly (Finished | undefined)[]): Loan;
  /** Splits indices into groups whose histories can form one batch without recomputing anything, each in the order that copies least. */
  group(nodes: readonly (Finished | undefined)[]): number[][];
  keep(live: readonly Candidate[]): void;
  readonly bytes: number;
}

/** @param watch told the copies as "caches" */
export function historyCache(
  denoiser: Denoiser,
  conditionOf: (batch: number) => Condition,
  watch: Stopwatch = untimed,
): HistoryCache {
  const rows = new Map<Finished, Row>();
  /** Every history alive: how often it is on loan, and whose rows it has (siblings share a node). */
  const held = new Map<History, { loans: number; readonly nodes: readonly Finished[] }>();

  /** The newest node on the way to the root whose cache is there. */
  const cached = (node: Finished | undefined): Finished | undefined => {
    while (node && !rows.has(node)) node = node.previous;
    return node;
  };

  /** Frees what no node lives in and nobody has on loan. */
  function sweep(): void {
    const used = new Set([...rows.values()].map((row) => row.history));
    for (const [history, { loans }] of held) {
      if (loans > 0 || used.has(history)) continue;
      held.delete(history);
      history.dispose();
    }
  }

  /** The rows become the nodes' home: what a network writes into it lazily is not lost with the batch. */
  function settle(history: History, nodes: readonly Finished[]): void {
    held.set(history, { loans: 0, nodes });
    nodes.forEach((node, row) => {
      rows.set(node, { history, row });
    });
  }

  function lend(history: History): Loan {
    const entry = held.get(history)!;
    entry.loans++;
    return {
      history,
      giveBack() {
        entry.loans--;
        sweep();
      },
    };
  }

  function build(nodes: readonly Finished[]): void {
    const missing = [...new Set(nodes.filter((node) => !rows.has(node)))];
    if (missing.length === 0) return;
    const before = take(missing.map((node) => node.previous));
    const shape = [missing.length, ...denoiser.chunkShape];
    const x0 = tf.tensor(concatenate(missing.map((node) => node.latents)), shape);
    const history = denoiser.append(x0, before.history, conditionOf(missing.length));
    x0.dispose();
    settle(history, missing);
    before.giveBack();
  }

  function take(nodes: readonly (Finished | undefined)[]): Loan {
    if (nodes.every((node) => node === undefined)) {
      const empty = denoiser.emptyHistory(nodes.length);
      settle(empty, []);
      return lend(empty);
    }
    const wanted = nodes as readonly Finished[];
    build(wanted);
    const parts = wanted.map((node) => rows.get(node)!);
    const first = parts[0]!.history;
    const { nodes: there } = held.get(first)!;
    if (there.length === wanted.length && wanted.every((node, i) => node === there[i])) return lend(first);
    const history = watch.time("caches", () => joinRows(parts));
    settle(history, wanted);
    return lend(history);
  }

  return Object.freeze({
    take,
    group(nodes: readonly (Finished | undefined)[]) {
      const groups = new Map<History | undefined, number[]>();
      nodes.forEach((node, i) => {
        const found = cached(node);
        const history = found && rows.get(found)!.history;
        const key = history?.join ? undefined : history;
        const group = groups.get(key);
        if (group) group.push(i);
        else groups.set(key, [i]);
      });
      // Rows of one history side by side, in its order: the fewest pieces to gather, often none.
      const places = nodes.map((node) => rows.get(cached(node)!));
      const order = new Map([...new Set(places.map((place) => place?.history))].map((one, i) => [one, i]));
      const rank = places.map((place) => order.get(place?.history)!);
      const row = places.map((place) => place?.row ?? 0);
      return [...groups.values()].map((group) =>
        group.sort((a, b) => rank[a]! - rank[b]! || row[a]! - row[b]! || a - b),
      );
    },
    keep(live: readonly Candidate[]) {
      const needed = new Set(live.map((candidate) => cached(candidate.finished)));
      for (const node of rows.keys()) if (!needed.has(node)) rows.delete(node);
      sweep();
    },
    get bytes() {
      return heldBytes(held.keys());
    },
  });
}

/** Bytes behind these histories; memory that several of them share, as a chunk and the chunks before it do, counts once. */
function heldBytes(histories: Iterable<History>): number {
  const counted = new Set<object>();
  let bytes = 0;
  for (const history of histories) {
    if (!history.tensors) bytes += history.bytes;
    for (const { dataId, size } of history.tensors ?? []) {
      if (counted.has(dataId)) continue;
      counted.add(dataId);
      bytes += 4 * size;
    }
  }
  return bytes;
}

/** One history of rows from several: gathers each run of rows of one history, then joins. */
function joinRows(parts: readonly Row[]): History {
  const gathered: History[] = [];
  for (let start = 0; start < parts.length; ) {
    const { history } = parts[start]!;
    let end = start;
    while (end < parts.length && parts[end]!.history === history) end++;
    gathered.push(history.gather(parts.slice(start, end).map((part) => part.row)));
    start = end;
  }
  const [first, ...others] = gathered as [History, ...History[]];
  if (others.length === 0) return first;
  if (!first.join) throw new Error("internal: candidates of several histories were put into one batch");
  const joined = first.join(others);
  for (const history of gathered) history.dispose();
  return joined;
}

export function concatenate(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
