import type { PhiloxKey } from "../../src/tensor/philox.ts";

/** Keys at the ends of the range, one of Random123's vectors, and one with the sign bit set. */
export const philoxKeys: readonly PhiloxKey[] = [
  [0, 0],
  [0xffffffff, 0xffffffff],
  [0xa4093822, 0x299f31d0],
  [7, 0x80000000],
];
