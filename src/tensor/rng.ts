/**
 * Counter-based randomness: a value is a pure function of (seed, path, index). There is no stream to share,
 * so results depend neither on call order nor on batch composition nor on worker count.
 *
 * Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 * Normals: Box-Muller on (0, 1] uniforms, computed here and uploaded, so all backends see the same bits.
 */

/** One step of a path: a name ("noise", "timestep") or an index (chunk, step, candidate). */
export type PathStep = string | number;

export interface Rng {
  /** An independent generator for a sub-purpose; the same path always gives the same generator. */
  at(...path: PathStep[]): Rng;
  /** Standard normals, length n. */
  normal(n: number): Float32Array<ArrayBuffer>;
  /** Uniforms in [low, high), length n. */
  uniform(n: number, low?: number, high?: number): Float32Array<ArrayBuffer>;
  /** One uniform in [0, 1) with 32 bits. */
  float(): number;
  /** One integer in [0, max). */
  int(max: number): number;
  /** Integers in [0, max), length n. */
  ints(n: number, max: number): Int32Array<ArrayBuffer>;
  /** A uniformly random order of 0..n-1. */
  permutation(n: number): Int32Array<ArrayBuffer>;
}

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
  key: readonly [number, number],
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

/** The words of `philox4x32([i, 0, 0, 0], key, out, 4 i)` for all blocks i of `out`, several times faster. */
export function philoxBlocks(key: readonly [number, number], out: Uint32Array): void {
  const keys = new Uint32Array(20);
  for (let round = 0; round < 10; round++) {
    keys[2 * round] = key[0] + Math.imul(round, W0);
    keys[2 * round + 1] = key[1] + Math.imul(round, W1);
  }
  for (let at = 0; at < out.length; at += 4) {
    let c0 = at >>> 2;
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

/** 64-bit FNV-1a over the step, as two words; strings and numbers can never collide by spelling. */
function absorb(key: readonly [number, number], step: PathStep): [number, number] {
  if (typeof step === "number" && !Number.isSafeInteger(step)) {
    throw new RangeError(`Cannot address randomness by ${step}: a path step is a string or an integer.`);
  }
  const words = new Uint32Array(4);
  if (typeof step === "number") {
    const low = step >>> 0;
    const high = Math.floor(step / 4294967296) >>> 0;
    philox4x32([low, high, 1, 0], key, words);
  } else {
    let a = 0x811c9dc5;
    let b = 0x01000193;
    for (let i = 0; i < step.length; i++) {
      a = Math.imul(a ^ step.charCodeAt(i), 0x01000193) >>> 0;
      b = Math.imul((b + step.charCodeAt(i)) ^ (a >>> 15), 0x85ebca6b) >>> 0;
    }
    philox4x32([a, b, 2, step.length], key, words);
  }
  return [words[0]!, words[1]!];
}

function generator(key: readonly [number, number]): Rng {
  const words = (n: number): Uint32Array => {
    const out = new Uint32Array(Math.ceil(n / 4) * 4);
    philoxBlocks(key, out);
    return out;
  };
  const uniform = (n: number, low = 0, high = 1): Float32Array<ArrayBuffer> => {
    const bits = words(n);
    const out = new Float32Array(n);
    // 24 bits: every value is exact in float32, and 1 is never reached.
    for (let i = 0; i < n; i++) out[i] = low + (high - low) * ((bits[i]! >>> 8) / 16777216);
    return out;
  };
  const ints = (n: number, max: number): Int32Array<ArrayBuffer> => {
    if (!(Number.isInteger(max) && max >= 1)) {
      throw new RangeError(`Cannot draw an integer below ${max}: the bound must be a positive integer.`);
    }
    const bits = words(n);
    const out = new Int32Array(n);
    for (let i = 0; i < n; i++) out[i] = Math.floor((bits[i]! / 4294967296) * max);
    return out;
  };
  return Object.freeze({
    at: (...path: PathStep[]) => generator(path.reduce(absorb, key as [number, number])),
    normal(n: number) {
      const bits = words(n + 1);
      const out = new Float32Array(n);
      for (let i = 0; i < n; i += 2) {
        const radius = Math.sqrt(-2 * Math.log((bits[i]! + 1) / 4294967296));
        const angle = (2 * Math.PI * bits[i + 1]!) / 4294967296;
        out[i] = radius * Math.cos(angle);
        if (i + 1 < n) out[i + 1] = radius * Math.sin(angle);
      }
      return out;
    },
    uniform,
    float: () => words(1)[0]! / 4294967296,
    int: (max: number) => ints(1, max)[0]!,
    ints,
    permutation(n: number) {
      const order = Int32Array.from({ length: n }, (_, i) => i);
      const draws = words(Math.max(n, 1));
      for (let i = n - 1; i > 0; i--) {
        const j = Math.floor((draws[i]! / 4294967296) * (i + 1));
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return order;
    },
  });
}

/**
 * A generator for a seed (a safe integer, negative allowed).
 * @example rng(7).at("noise", chunk, step).normal(1024)
 */
export function rng(seed: number): Rng {
  return generator(absorb([0x5a6f6574, 0x726f7065], seed));
}
