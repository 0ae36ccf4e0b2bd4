/**
 * Keys for rollouts longer than training. No chunk may seem farther than a largest distance, so positions are counted
 * from the chunk that is so far away (`base`), and all that lies before it stands there too:
 *
 *   chunk      0  1  2  3  4  5  6        largest distance 4, current chunk 6: base 2
 *   position   0  0  0  1  2  3  4
 *
 * Attention depends on differences of positions only. A chunk that has come to stand at 0 stays there, so a new chunk turns
 * the newest few again and a denoising step its own alone: neither grows with the history. The rotated keys lie beside
 * the unrotated ones that they are made of, slot by slot, and are made when first asked for.
 */
import { appendCache, poolKeys, readCache } from "../tensor/ops/cache.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { KeyFormat } from "./key-format.ts";

/** Rotates keys [B, n chunks, D] to these positions, one per chunk. */
export type Turn = (keys: Tensor, positions: readonly number[]) => Tensor;

export interface TurnedKeys {
  readonly tensors: readonly Tensor[];
  /** The keys of this slot and all behind it were written anew. */
  forget(layer: number, slot: number): void;
  /**
   * @param keys [B heads, capacity, D / heads] unrotated, as stored
   * @param chunks the chunk in each slot, ascending, the current one last
   * @returns keys (of the capacity given; valid as far as `chunks`) and their means by chunk, both head-major, owned here
   */
  read(
    layer: number,
    keys: Tensor,
    chunks: readonly number[],
    base: number,
    turn: Turn,
  ): { readonly keys: Tensor; readonly pooled: Tensor };
}

interface Layer {
  keys: Tensor;
  /** [B heads, capacity in chunks, D / heads] */
  pooled: Tensor;
  /** Slots before this one are turned to `base`. */
  valid: number;
  base: number;
}

/** Where a chunk stands. */
export const turnedPosition = (chunk: number, base: number): number => Math.max(0, chunk - base);

export interface TurnedShape {
  readonly dim: number;
  readonly heads: number;
  readonly chunkTokens: number;
  /** How keys are stored, those that are read and the turned ones. */
  readonly format: KeyFormat;
}

export function turnedKeys({ dim, heads, chunkTokens, format }: TurnedShape): TurnedKeys {
  const layers: (Layer | undefined)[] = [];
  return Object.freeze({
    get tensors() {
      return layers.flatMap((layer) => (layer ? [layer.keys, layer.pooled] : []));
    },
    forget(layer: number, slot: number) {
      const known = layers[layer];
      if (known) known.valid = Math.min(known.valid, slot);
    },
    read(layer: number, keys: Tensor, chunks: readonly number[], base: number, turn: Turn) {
      const [rows, capacity] = keys.shape as [number, number, number];
      layers[layer] ??= {
        keys: tf.keep(tf.zerosLike(keys)),
        pooled: tf.keep(tf.fill([rows, capacity / chunkTokens, dim / heads], 0)),
        valid: 0,
        base,
      };
      const known = layers[layer];
      // Chunks up to the lower of both bases stand at 0 either way.
      const moved =
        known.base === base ? chunks.length : chunks.findIndex((chunk) => chunk > Math.min(known.base, base));
      const from = Math.min(known.valid, moved < 0 ? chunks.length : moved);
      if (from < chunks.length) {
        const [turned, pooled] = tf.tidy(() => {
          const some = readCache(keys, from * chunkTokens, (chunks.length - from) * chunkTokens, heads);
          const positions = chunks.slice(from).map((chunk) => turnedPosition(chunk, base));
          const result = turn(format.unpack(some), positions);
          return [format.pack(result), poolKeys(result, chunkTokens)] as const;
        });
        known.keys = replaced(known.keys, turned, from * chunkTokens);
        known.pooled = replaced(known.pooled, pooled, from);
        tf.dispose([turned, pooled]);
      }
      known.valid = chunks.length;
      known.base = base;
      return { keys: known.keys, pooled: known.pooled };
    },
  });
}

/** The buffer with `rows` [B, n, D] at token `at`; where that is another tensor, the one before is given back. */
export function replaced(before: Tensor, rows: Tensor, at: number): Tensor {
  const after = tf.keep(appendCache(before, rows, at));
  if (after !== before) before.dispose();
  return after;
}
