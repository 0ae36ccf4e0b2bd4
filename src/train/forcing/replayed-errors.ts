/**
 * Replayed errors (the "error recycling" of LongLive 2): prediction errors x0_predicted - x0 of earlier steps are kept in a
 * ring and added to later clean pasts. Cheaper than resampling (no extra passes), but the errors belong to other clips.
 * Differences: one ring per time bucket of whole-chunk errors, drawn uniformly; noise and noisy input stay clean.
 */
import { positiveInteger, requireNumbers, share } from "../../tensor/ranges.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";
import { chunkAt, type Forcing, type ForcingInput } from "./forcing.ts";

export interface ReplayedErrorsOptions {
  /** Odds that a clip's past gets errors. */
  readonly odds?: number;
  /** Errors are remembered by the time at which they were made, in this many equal buckets. */
  readonly buckets?: number;
  /** Chunks remembered per bucket. */
  readonly capacity?: number;
}

export function replayedErrors({
  odds = 0.8,
  buckets = 10,
  capacity = 64,
}: ReplayedErrorsOptions = {}): Forcing {
  requireNumbers("replay errors", { odds }, share);
  requireNumbers("replay errors", { buckets, capacity }, positiveInteger);
  let rings: Float32Array[][] = Array.from({ length: buckets }, () => []);
  let seen = new Int32Array(buckets);

  return Object.freeze({
    name: `replayed-errors(odds ${odds}, ${buckets} buckets of ${capacity})`,
    makePast({ x0, rowRng, model }: ForcingInput) {
      const [frames] = model.chunkShape;
      const [rows, total] = x0.shape as [number, number];
      const size = x0.size / rows / (total / frames);
      const errors = new Float32Array(x0.size);
      const filled = rings.filter((ring) => ring.length > 0);
      for (let row = 0; row < rows && filled.length > 0; row++) {
        const rng = rowRng(row).at("replay");
        if (rng.at("clip").float() >= odds) continue;
        for (let i = 0; i < total / frames; i++) {
          const ring = filled[rng.at("bucket", i).int(filled.length)]!;
          errors.set(ring[rng.at("error", i).int(ring.length)]!, (row * (total / frames) + i) * size);
        }
      }
      return { history: tf.tidy(() => x0.add(tf.tensor(errors, x0.shape))) };
    },
    observe({ x0, model }: ForcingInput, predicted: { readonly x0: Tensor; readonly t: Float32Array }) {
      const [frames] = model.chunkShape;
      const chunks = x0.shape[1]! / frames;
      const error = tf.tidy(() => predicted.x0.sub(x0));
      for (const [at, t] of predicted.t.entries()) {
        const [row, i] = [Math.floor(at / chunks), at % chunks];
        const bucket = Math.min(buckets - 1, Math.floor(t * buckets));
        const one = tf.tidy(() => chunkAt(error.slice([row], [1]), frames, i).dataSync() as Float32Array);
        rings[bucket]![seen[bucket]! % capacity] = Float32Array.from(one);
        seen[bucket] = seen[bucket]! + 1;
      }
      error.dispose();
    },
    state() {
      const state = new Map<string, Tensor>([["seen", tf.tensor1d(seen, "int32")]]);
      for (const [i, ring] of rings.entries()) {
        if (ring.length === 0) continue;
        const flat = new Float32Array(ring.length * ring[0]!.length);
        for (const [j, one] of ring.entries()) flat.set(one, j * one.length);
        state.set(`ring.${i}`, tf.tensor2d(flat, [ring.length, ring[0]!.length]));
      }
      return state;
    },
    restore(state: ReadonlyMap<string, Tensor>) {
      seen = Int32Array.from(state.get("seen")!.dataSync());
      rings = rings.map((_, i) => {
        const kept = state.get(`ring.${i}`);
        if (!kept) return [];
        const [count, size] = kept.shape as [number, number];
        const values = kept.dataSync() as Float32Array;
        return Array.from({ length: count }, (__, j) => values.slice(j * size, (j + 1) * size));
      });
    },
  } satisfies Forcing);
}
