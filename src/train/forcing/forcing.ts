/**
 * What a model sees as history while it learns. A forcing turns the clean chunks of a batch into the past that each
 * noisy chunk is denoised against; the target is always the clean chunk. Gradients never flow into the past.
 *
 *   teacher forcing        the clean chunks                    errors of a rollout are never seen
 *   diffusion forcing      the other chunks, noisy             2407.01392
 *   noise augmentation     clean + Gaussian noise
 *   parallel resampling    one-step predictions from clean pasts
 *   resampling forcing     one-step predictions from resampled pasts              2512.15702
 *   replayed errors        clean + errors the model made before                   (LongLive 2)
 */
import type { Condition } from "../../diffusion/denoiser.ts";
import type { CausalWan } from "../../model/causal-wan.ts";
import type { Rng } from "../../tensor/rng.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";

export interface ForcingInput {
  readonly model: CausalWan;
  /** [B, N frames, H, W, C] clean latents. */
  readonly x0: Tensor;
  readonly condition: Condition;
  /** Independent randomness of batch row `row` in this step. */
  rowRng(row: number): Rng;
  /** Number of this optimiser step, from 0. */
  readonly step: number;
}

/** The past of a batch: yours to dispose. */
export interface Past {
  /** [B, (N or N-1) frames, H, W, C]: what the noisy chunks attend to; undefined = each other's noisy versions. */
  readonly history: Tensor | undefined;
  /** [B] or [B, N-1] time the model is told for the history; default 0, clean. */
  readonly historyTime?: Tensor;
}

export interface Forcing {
  /** Says every option, so that it identifies the forcing in a run's config. */
  readonly name: string;
  makePast(input: ForcingInput): Past;
  /** After the step: errors that the model just made, for forcings that learn from them. */
  observe?(input: ForcingInput, predicted: { readonly x0: Tensor; readonly t: Float32Array }): void;
  /** State that a checkpoint must carry, by name; restored before the first resumed step. */
  state?(): ReadonlyMap<string, Tensor>;
  restore?(state: ReadonlyMap<string, Tensor>): void;
}

/** Standard normals like `x0` whose row r comes from `rowRng(r)` alone. */
export function rowNoise(input: Pick<ForcingInput, "x0" | "rowRng">, ...path: (string | number)[]): Tensor {
  const { x0, rowRng } = input;
  const rows = x0.shape[0]!;
  const size = x0.size / rows;
  const values = new Float32Array(x0.size);
  for (let row = 0; row < rows; row++)
    values.set(
      rowRng(row)
        .at(...path)
        .normal(size),
      row * size,
    );
  return tf.tensor(values, x0.shape, "float32");
}

/** Chunk i of [B, N frames, ...]. */
export function chunkAt(x: Tensor, frames: number, i: number): Tensor {
  return x.slice([0, i * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
}
