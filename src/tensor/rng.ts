/**
 * Counter-based randomness: a value is a pure function of (seed, path, index). There is no stream to share,
 * so results depend neither on call order nor on batch composition nor on worker count.
 *
 * Words are Philox4x32-10 (philox.ts), normals Box-Muller of them (normals.ts), computed here and uploaded, so all
 * backends see the same bits.
 */
import { fillNormals } from "./normals.ts";
import { type PhiloxKey, philox4x32, philoxBlocks } from "./philox.ts";

/** One step of a path: a name ("noise", "timestep") or an index (chunk, step, candidate). */
export type PathStep = string | number;

export interface Rng {
  /** An independent generator for a sub-purpose; the same path always gives the same generator. */
  at(...path: PathStep[]): Rng;
  /** Standard normals, length n. */
  normal(n: number): Float32Array<ArrayBuffer>;
  /** `normal(out.length)`, written to `out`. */
  fillNormal(out: Float32Array): void;
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

const absorbed = new Uint32Array(4);

/** 64-bit FNV-1a over the step, as two words; strings and numbers can never collide by spelling. */
function absorb(key: PhiloxKey, step: PathStep): PhiloxKey {
  if (typeof step === "number" && !Number.isSafeInteger(step)) {
    throw new RangeError(`Cannot address randomness by ${step}: a path step is a string or an integer.`);
  }
  if (typeof step === "number") {
    const low = step >>> 0;
    const high = Math.floor(step / 4294967296) >>> 0;
    philox4x32([low, high, 1, 0], key, absorbed);
  } else {
    let a = 0x811c9dc5;
    let b = 0x01000193;
    for (let i = 0; i < step.length; i++) {
      a = Math.imul(a ^ step.charCodeAt(i), 0x01000193) >>> 0;
      b = Math.imul((b + step.charCodeAt(i)) ^ (a >>> 15), 0x85ebca6b) >>> 0;
    }
    philox4x32([a, b, 2, step.length], key, absorbed);
  }
  return [absorbed[0]!, absorbed[1]!];
}

function generator(key: PhiloxKey): Rng {
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
    at: (...path: PathStep[]) => generator(path.reduce<PhiloxKey>(absorb, key)),
    normal(n: number) {
      const out = new Float32Array(n);
      fillNormals(key, out);
      return out;
    },
    fillNormal: (out: Float32Array) => fillNormals(key, out),
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
