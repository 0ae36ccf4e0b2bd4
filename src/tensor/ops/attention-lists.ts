/**
 * Chunk lists of attention, checked once and flat. Every layer of a step asks with the same lists, which grow with the
 * history, so those of the last call are kept: to compare is a fraction of what checks and copies take. They are compared
 * by content, as a caller may change an array.
 */
import type { FlatLists } from "./attention-kernel.ts";
import { require } from "./fused.ts";

export type ChunkLists = readonly (readonly number[])[];

/** Which chunks the queries see and which they may choose from. */
export interface AttentionLists {
  readonly visible: FlatLists;
  readonly candidates: FlatLists | null;
  /** Entries of the longest list of candidates. */
  readonly mostCandidates: number;
}

interface KnownLists extends AttentionLists {
  /** The largest chunk of all lists, -1 if they are empty. */
  readonly lastChunk: number;
}

let known: KnownLists | undefined;

/** Of queries that see one chunk of all keys. */
export const wholeRange: AttentionLists = Object.freeze({
  visible: flatten([[0]]),
  candidates: null,
  mostCandidates: 0,
});

/** @throws RangeError when a list is missing, not ascending or out of range, or when a candidate is visible already */
export function attentionLists(
  visible: ChunkLists,
  candidates: ChunkLists | undefined,
  queryChunks: number,
  keyChunks: number,
): AttentionLists {
  if (
    known !== undefined &&
    known.lastChunk < keyChunks &&
    visible.length === queryChunks &&
    isSame(known.visible, visible) &&
    isSame(known.candidates, candidates)
  ) {
    return known;
  }
  requireLists("visible", visible, queryChunks, keyChunks);
  if (candidates) {
    requireLists("candidates", candidates, queryChunks, keyChunks);
    requireDisjoint(visible, candidates);
  }
  let lastChunk = -1;
  for (const list of [...visible, ...(candidates ?? [])]) lastChunk = Math.max(lastChunk, list.at(-1) ?? -1);
  known = {
    visible: flatten(visible),
    candidates: candidates ? flatten(candidates) : null,
    mostCandidates: (candidates ?? []).reduce((most, list) => Math.max(most, list.length), 0),
    lastChunk,
  };
  return known;
}

function isSame(flat: FlatLists | null, lists: ChunkLists | undefined): boolean {
  if (flat === null || lists === undefined) return flat === null && lists === undefined;
  const { offsets, chunks } = flat;
  if (offsets.length !== lists.length + 1) return false;
  for (let i = 0; i < lists.length; i++) {
    const list = lists[i]!;
    const from = offsets[i]!;
    if (list.length !== offsets[i + 1]! - from) return false;
    for (let j = 0; j < list.length; j++) if (list[j] !== chunks[from + j]) return false;
  }
  return true;
}

function requireLists(name: string, lists: ChunkLists, queryChunks: number, keyChunks: number): void {
  require(lists.length === queryChunks, () =>
    `Cannot attend as ${name} must have one list per query chunk (${queryChunks}): got ${lists.length}. Check chunkTokens and the length of q.`);
  for (const [i, list] of lists.entries()) {
    // Once per chunk of history: no closure per entry.
    let last = -1;
    for (const chunk of list) {
      if (!(Number.isInteger(chunk) && chunk > last && chunk < keyChunks)) {
        throw new RangeError(
          `Cannot attend as ${name}[${i}] must hold increasing chunk indices below ${keyChunks}: got [${list}].`,
        );
      }
      last = chunk;
    }
  }
}

function requireDisjoint(visible: ChunkLists, candidates: ChunkLists): void {
  for (const [i, list] of candidates.entries()) {
    const seen = visible[i]!;
    const both = seen.length > 0 ? list.find((chunk) => seen.includes(chunk)) : undefined;
    require(both === undefined, () =>
      `Cannot route query chunk ${i} as its candidates must not be visible already: got ${both} in both.`);
  }
}

/** Lists as offsets and indices. */
function flatten(lists: ChunkLists): FlatLists {
  const offsets = new Int32Array(lists.length + 1);
  for (const [i, list] of lists.entries()) offsets[i + 1] = offsets[i]! + list.length;
  const chunks = new Int32Array(offsets.at(-1)!);
  for (const [i, list] of lists.entries()) chunks.set(list, offsets[i]);
  return { offsets, chunks };
}
