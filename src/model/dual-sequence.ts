/**
 * The mask of the training pass over [history 0..N-2 | noisy 0..N-1] (Resampling Forcing 2512.15702, figure 3c), for any
 * history policy: history chunk i sees what the policy shows it of history 0..i-1, and itself; noisy chunk i
 * the same history, and itself; nothing sees another noisy chunk.
 */
import type { Route } from "../tensor/ops/attention.ts";
import type { HistoryPolicy } from "./history-policy.ts";

export interface ChunkSelection {
  readonly visible: readonly (readonly number[])[];
  readonly route?: Route;
}

/** @returns the lists for the query chunks `from`.. of the pass */
export function dualSelection(policy: HistoryPolicy, chunks: number): (from: number) => ChunkSelection {
  const past = chunks - 1;
  const queries = Array.from({ length: past + chunks }, (_, row) => ({
    own: row,
    selection: policy.select(row < past ? row : row - past),
  }));
  return (from) => {
    const late = queries.slice(from);
    const visible = late.map(({ own, selection }) => [...selection.visible, own]);
    if (policy.topK === 0 || past === 0) return { visible };
    const candidates = late.map(({ selection }) => selection.candidates);
    return { visible, route: { topK: policy.topK, candidates } };
  };
}
