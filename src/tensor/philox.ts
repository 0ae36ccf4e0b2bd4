/**
 * Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Words as a pure
 * function of a counter and a key.
 */

/** Two unsigned 32-bit words. */
export type PhiloxKey = readonly [number, number];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = aLow * bLow;
  const mid = aHigh * bLow + (low >>> 16);
  const mid2 = aLow * bHigh + (mid & 0xffff);
  return (aHigh * bHigh + Math.floor(mid / 65536) + (mid2 >= 0 ? Math.floor(mid2 / 65536) : 0)) >>> 0;
}

/** Ten rounds of Philox4x32; writes four words to `out` at `offset`. Words are unsigned 32-bit. */
export function philox4x32(
  counter: readonly [number, number, number, number],
  key: PhiloxKey,
  out: Uint32Array,
  offset = 0,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[offset] = c0;
  out[offset + 1] = c1;
  out[offset + 2] = c2;
  out[offset + 3] = c3;
}

/** The words of `philox4x32([first + i, 0, 0, 0], key, out, 4 i)` for all blocks i of `out`, several times faster. */
export function philoxBlocks(key: PhiloxKey, out: Uint32Array, first = 0): void {
  const keys = new Uint32Array(20);
  for (let round = 0; round < 10; round++) {
    keys[2 * round] = key[0] + Math.imul(round, W0);
    keys[2 * round + 1] = key[1] + Math.imul(round, W1);
  }
  for (let at = 0; at < out.length; at += 4) {
    let c0 = (first + (at >>> 2)) >>> 0;
    let c1 = 0;
    let c2 = 0;
    let c3 = 0;
    for (let round = 0; round < 20; round += 2) {
      // High words of M0 c0 and M1 c2 from 16-bit halves; every sum stays below 2^32.
      const a = c0 & 0xffff;
      const b = c0 >>> 16;
      const c = c2 & 0xffff;
      const d = c2 >>> 16;
      const ab = 0xd251 * a + ((0x1f53 * a) >>> 16);
      const cd = 0xcd9e * c + ((0x8d57 * c) >>> 16);
      const high0 = 0xd251 * b + (ab >>> 16) + ((0x1f53 * b + (ab & 0xffff)) >>> 16);
      const high1 = 0xcd9e * d + (cd >>> 16) + ((0x8d57 * d + (cd & 0xffff)) >>> 16);
      const low0 = Math.imul(M0, c0);
      c0 = (high1 ^ c1 ^ keys[round]!) >>> 0;
      c1 = Math.imul(M1, c2);
      c2 = (high0 ^ c3 ^ keys[round + 1]!) >>> 0;
      c3 = low0;
    }
    out[at] = c0;
    out[at + 1] = c1;
    out[at + 2] = c2;
    out[at + 3] = c3;
  }
}
