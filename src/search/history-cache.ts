/**
 * The KV caches of a search, derived from finished chunks and shared by forks: copy on branch, rebuilt on demand.
 *
 * A cache belongs to a node (a finished chunk with all that came before it), not to a candidate. Chunks that were
 * finished in one batch share one `History` with a row each; a batch of candidates gathers its rows out of it. What
 * was dropped is recomputed by `append` from the clean latents, which gives the same bits (a forked cache equals a
 * recomputed one). Appending is lazy, so a pruned candidate never pays for a cache write.
 */
import type { Condition, Denoiser, History } from "../diffusion/denoiser.ts";
import type { Candidate, Finished } from "./candidate.ts";
import { type Stopwatch, untimed } from "./stopwatch.ts";
import { tensorFromRows } from "./tensor-rows.ts";

interface Row {
  readonly history: History;
  readonly row: number;
}

/** A history alive: how often it is on loan, how many nodes live in it, and whose rows it has (siblings share a node). */
interface Held {
  loans: number;
  homes: number;
  readonly nodes: readonly Finished[];
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
  const held = new Map<History, Held>();

  /** The newest node on the way to the root whose cache is there. */
  const cached = (node: Finished | undefined): Finished | undefined => {
    while (node && !rows.has(node)) node = node.previous;
    return node;
  };

  /** Frees a history that no node lives in and nobody has on loan. */
  function release(history: History, entry: Held): void {
    if (entry.loans > 0 || entry.homes > 0) return;
    held.delete(history);
    history.dispose();
  }

  function leave({ history }: Row): void {
    const entry = held.get(history)!;
    entry.homes--;
    release(history, entry);
  }

  /** The rows become the nodes' home: what a network writes into it lazily is not lost with the batch. */
  function settle(history: History, nodes: readonly Finished[]): void {
    const entry: Held = { loans: 0, homes: 0, nodes };
    held.set(history, entry);
    for (let row = 0; row < nodes.length; row++) {
      const node = nodes[row]!;
      const before = rows.get(node);
      rows.set(node, { history, row });
      entry.homes++;
      if (before) leave(before);
    }
  }

  function lend(history: History): Loan {
    const entry = held.get(history)!;
    entry.loans++;
    return {
      history,
      giveBack() {
        entry.loans--;
        release(history, entry);
      },
    };
  }

  function build(nodes: readonly Finished[]): void {
    const fresh = nodes.filter((node) => !rows.has(node));
    if (fresh.length === 0) return;
    const missing = [...new Set(fresh)];
    const before = take(missing.map((node) => node.previous));
    const shape = [missing.length, ...denoiser.chunkShape];
    const x0 = tensorFromRows(shape, (row, values) => values.set(missing[row]!.latents));
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
      const places: (Row | undefined)[] = [];
      /** Histories by when they first appear. */
      const order = new Map<History | undefined, number>();
      for (let i = 0; i < nodes.length; i++) {
        const node = cached(nodes[i]);
        const place = node && rows.get(node);
        places.push(place);
        if (!order.has(place?.history)) order.set(place?.history, order.size);
        const key = place?.history.join ? undefined : place?.history;
        const group = groups.get(key);
        if (group) group.push(i);
        else groups.set(key, [i]);
      }
      // Rows of one history side by side, in its order: the fewest pieces to gather, often none.
      const byPlace = (a: number, b: number): number =>
        order.get(places[a]?.history)! - order.get(places[b]?.history)! ||
        (places[a]?.row ?? 0) - (places[b]?.row ?? 0) ||
        a - b;
      return [...groups.values()].map((group) => group.sort(byPlace));
    },
    keep(live: readonly Candidate[]) {
      const needed = new Set(live.map((candidate) => cached(candidate.finished)));
      for (const [node, row] of rows) {
        if (needed.has(node)) continue;
        rows.delete(node);
        leave(row);
      }
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
