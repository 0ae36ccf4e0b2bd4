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
  /** Splits indices into groups whose histories can form one batch without recomputing anything. */
  group(nodes: readonly (Finished | undefined)[]): number[][];
  keep(live: readonly Candidate[]): void;
  readonly bytes: number;
}

export function historyCache(denoiser: Denoiser, conditionOf: (batch: number) => Condition): HistoryCache {
  const rows = new Map<Finished, Row>();
  /** Every history alive, with the number of its loans. */
  const held = new Map<History, number>();

  /** The newest node on the way to the root whose cache is there. */
  const cached = (node: Finished | undefined): Finished | undefined => {
    while (node && !rows.has(node)) node = node.previous;
    return node;
  };

  /** Frees what no node lives in and nobody has on loan. */
  function sweep(): void {
    const used = new Set([...rows.values()].map((row) => row.history));
    for (const [history, loans] of held) {
      if (loans > 0 || used.has(history)) continue;
      held.delete(history);
      history.dispose();
    }
  }

  function lend(history: History): Loan {
    held.set(history, (held.get(history) ?? 0) + 1);
    return {
      history,
      giveBack() {
        held.set(history, held.get(history)! - 1);
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
    held.set(history, 0);
    missing.forEach((node, row) => {
      rows.set(node, { history, row });
    });
    before.giveBack();
  }

  function take(nodes: readonly (Finished | undefined)[]): Loan {
    if (nodes.every((node) => node === undefined)) return lend(denoiser.emptyHistory(nodes.length));
    const wanted = nodes as readonly Finished[];
    build(wanted);
    const parts = wanted.map((node) => rows.get(node)!);
    const first = parts[0]!.history;
    const isWhole =
      parts.length === first.batch && parts.every((part, i) => part.history === first && part.row === i);
    if (isWhole) return lend(first);
    const history = joinRows(parts);
    // The regrouped rows are the nodes' new home: what a network writes into it lazily is not lost with the batch.
    wanted.forEach((node, row) => {
      rows.set(node, { history, row });
    });
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
        groups.set(key, [...(groups.get(key) ?? []), i]);
      });
      return [...groups.values()];
    },
    keep(live: readonly Candidate[]) {
      const needed = new Set(live.map((candidate) => cached(candidate.finished)));
      for (const node of rows.keys()) if (!needed.has(node)) rows.delete(node);
      sweep();
    },
    get bytes() {
      return [...held.keys()].reduce((sum, history) => sum + history.bytes, 0);
    },
  });
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
