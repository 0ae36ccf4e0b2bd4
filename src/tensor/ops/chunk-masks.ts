/** Attention masks as lists of visible key chunks per query chunk, for `attention`. */

export type ChunkLists = readonly (readonly number[])[];

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Chunk i sees chunks 0..i, its own whole. */
export function blockCausal(chunks: number): ChunkLists {
  return upTo(chunks).map((i) => upTo(i + 1));
}

/** Chunk i sees itself, the `window` chunks before it, and the first `sink` chunks. */
export function windowMask(
  chunks: number,
  { window, sink = 0 }: { window: number; sink?: number },
): ChunkLists {
  return upTo(chunks).map((i) => upTo(i + 1).filter((j) => j < sink || j >= i - window));
}

/**
 * The mask of one teacher-forcing pass over [clean half || noisy half] (Resampling Forcing 2512.15702 figure 3c):
 * clean chunk i sees clean chunks 0..i, noisy chunk i sees clean chunks 0..i-1 and itself.
 */
export function dualSequence(chunks: number): ChunkLists {
  return [...blockCausal(chunks), ...upTo(chunks).map((i) => [...upTo(i), chunks + i])];
}
