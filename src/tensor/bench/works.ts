/** What the engine bench times: the works, and how long and how often each. */

/** Videos in a train step and in the large sampling. */
export const BATCH = 16;

export interface Work {
  readonly name: string;
  /** Runs of one turn, where one alone is too short to time. */
  readonly repeat: number;
  /** Rounds of a full run. */
  readonly rounds: number;
  /** All rounds of this work end after about this many seconds. */
  readonly seconds: number;
}

const work = (name: string, repeat = 1, rounds = 5, seconds = 12): Work => ({
  name,
  repeat,
  rounds,
  seconds,
});

/** m, n, k of x [m, k] times W^T of torch layout [n, k]: the products of DiT-ref's layers. */
export const PRODUCTS: readonly (readonly [number, number, number])[] = [
  [4096, 192, 192],
  [4096, 768, 192],
  [4096, 192, 768],
  [16, 768, 192],
];

export const WORKS: readonly Work[] = [
  work("train", 1, 7, 40),
  work("train products", 1, 5, 12),
  work("forward", 1, 5, 12),
  work("sample 1", 1, 5, 20),
  ...PRODUCTS.map(([m, n, k]) => work(`gemm ${m} ${n} ${k}`, m > 100 ? 10 : 300, 5, 6)),
  work("add 64x64", 3000, 5, 3),
  // Last, because it takes longest.
  work(`sample ${BATCH}`, 1, 2, 30),
];

/**
 * The works whose names begin with one of `only`, separated by commas; all without it.
 * @throws RangeError when a beginning names no work
 */
export function chosenWorks(only?: string): readonly Work[] {
  if (only === undefined) return WORKS;
  const beginnings = only.split(",").map((beginning) => beginning.trim());
  const unknown = beginnings.find((beginning) => !WORKS.some(({ name }) => name.startsWith(beginning)));
  if (unknown !== undefined) {
    throw new RangeError(
      `Cannot measure "${unknown}" alone as the works are ${WORKS.map(({ name }) => name).join(", ")}. Give the beginning of one.`,
    );
  }
  return WORKS.filter(({ name }) => beginnings.some((beginning) => name.startsWith(beginning)));
}

/** The linear layers of a train step of DiT-ref: `count` layers of x [rows, inputs] and W [outputs, inputs]. */
export const STEP_PRODUCTS: readonly {
  readonly count: number;
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}[] = [
  { count: 6 * 4, rows: BATCH * 256, inputs: 192, outputs: 192 },
  { count: 6, rows: BATCH * 256, inputs: 192, outputs: 768 },
  { count: 6, rows: BATCH * 256, inputs: 768, outputs: 192 },
  { count: 6, rows: BATCH * 16, inputs: 192, outputs: 1152 },
];
