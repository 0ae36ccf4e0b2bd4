/**
 * Three-dimensional rotary tables of Wan 2.1: a head of width h spends h - 4 floor(h/6) features on time and
 * 2 floor(h/6) each on height and width; pair j of an axis with n features turns by position * theta^(-2j/n).
 * Angles are computed in float64 and rounded once.
 */
import { type Tensor, tf } from "../tensor/tf.ts";
import type { CausalWanConfig } from "./config.ts";

export interface RopeTable {
  /** [tokens, headDim/2] */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Features of a head for time, height and width. */
export function ropeSplit(headDim: number): readonly [time: number, height: number, width: number] {
  const side = 2 * Math.floor(headDim / 6);
  return [headDim - 2 * side, side, side];
}

/** Angle of every pair of every token of the chunks at these positions (in chunks; fractions allowed). */
export function ropeAngles(config: CausalWanConfig, positions: readonly number[]): Float64Array {
  const { dim, heads, patch, ropeTheta } = config;
  const [frames, latentHeight, latentWidth] = config.chunkShape;
  const [rows, columns] = [latentHeight / patch, latentWidth / patch];
  const pairs = dim / heads / 2;
  const split = ropeSplit(dim / heads);
  const angles = new Float64Array(positions.length * frames * rows * columns * pairs);
  let at = 0;
  for (const position of positions) {
    for (let token = 0; token < frames * rows * columns; token++) {
      const frame = position * frames + Math.floor(token / (rows * columns));
      const place = [frame, Math.floor(token / columns) % rows, token % columns];
      for (let axis = 0; axis < 3; axis++) {
        for (let j = 0; j < split[axis]! / 2; j++) {
          angles[at++] = place[axis]! * ropeTheta ** ((-2 * j) / split[axis]!);
        }
      }
    }
  }
  return angles;
}

/** Long rollouts meet every position once: only the newest tables are kept. */
const KEPT_TABLES = 64;

/** Tables by position list, made when asked for; the newest are kept. `dispose` frees them. */
export function ropeTables(config: CausalWanConfig): {
  at(positions: readonly number[]): RopeTable;
  dispose(): void;
} {
  const made = new Map<string, RopeTable>();
  const pairs = config.dim / config.heads / 2;
  const dispose = () => {
    for (const table of made.values()) tf.dispose([table.cos, table.sin]);
    made.clear();
  };
  return {
    at(positions) {
      const key = positions.join();
      let table = made.get(key);
      if (!table) {
        const [oldest] = made.keys();
        if (made.size >= KEPT_TABLES && oldest !== undefined) {
          const { cos, sin } = made.get(oldest)!;
          tf.dispose([cos, sin]);
          made.delete(oldest);
        }
        const angles = ropeAngles(config, positions);
        const shape: [number, number] = [angles.length / pairs, pairs];
        table = Object.freeze({
          cos: tf.keep(tf.tensor2d(Float32Array.from(angles, Math.cos), shape)),
          sin: tf.keep(tf.tensor2d(Float32Array.from(angles, Math.sin), shape)),
        });
        made.set(key, table);
      }
      return table;
    },
    dispose,
  };
}
