/**
 * What the chunks of a pass over a cache see: the finished chunks that the policy shows them, by the slots that they lie in,
 * and themselves. The steps of a chunk ask the same again, in every layer, so the last answer is kept; it is frozen, as
 * all of them share it.
 */
import type { ChunkSelection } from "./dual-sequence.ts";
import type { HistoryPolicy } from "./history-policy.ts";

/** The lists for the query chunks `from`.. of the pass. */
export type PassSelection = (from: number) => ChunkSelection;

/**
 * @param slots the chunk in each slot of the cache, ascending; compared by identity
 * @param first number of the pass's first chunk, which lies in the slot behind the last
 * @param count chunks of the pass
 */
export type SlotSelection = (slots: readonly number[], first: number, count: number) => PassSelection;

export function slotSelection(policy: HistoryPolicy): SlotSelection {
  let known: { slots: readonly number[]; first: number; count: number; selection: PassSelection } | undefined;
  return (slots, first, count) => {
    if (known?.slots !== slots || known.first !== first || known.count !== count) {
      known = { slots, first, count, selection: selectionOf(policy, slots, first, count) };
    }
    return known.selection;
  };
}

function selectionOf(
  policy: HistoryPolicy,
  slots: readonly number[],
  first: number,
  count: number,
): PassSelection {
  const nothingDropped = slots.length === first;
  const slotOf = (chunk: number) =>
    nothingDropped ? chunk : chunk >= first ? slots.length + chunk - first : slots.indexOf(chunk);
  const lists = Array.from({ length: count }, (_, i) => {
    const { visible, candidates } = policy.select(first + i);
    return {
      visible: Object.freeze([...visible.map(slotOf), slots.length + i]),
      candidates: Object.freeze(candidates.map(slotOf)),
    };
  });
  const made: ChunkSelection[] = [];
  return (from) => {
    made[from] ??= shown(lists.slice(from), policy.topK);
    return made[from];
  };
}

function shown(
  lists: readonly { readonly visible: readonly number[]; readonly candidates: readonly number[] }[],
  topK: number,
): ChunkSelection {
  const visible = Object.freeze(lists.map((list) => list.visible));
  if (!lists.some(({ candidates }) => candidates.length > 0)) return Object.freeze({ visible });
  const candidates = Object.freeze(lists.map((list) => list.candidates));
  return Object.freeze({ visible, route: Object.freeze({ topK, candidates }) });
}
