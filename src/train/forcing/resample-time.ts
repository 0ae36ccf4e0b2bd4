/**
 * Where resampling re-enters the path (Resampling Forcing 2512.15702, algorithm 1, line 1): one t_s per clip,
 * logit-normal(0, 1), shifted. Small t_s keeps the data, large t_s makes another clip. Difference: t_s is clamped,
 * because one step from t = 1 is a blank mean and one from 0 changes nothing.
 */
import { logitNormal } from "../../diffusion/timesteps.ts";
import { notNegative, positiveInteger, requireNumbers } from "../../tensor/ranges.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";
import type { ForcingInput } from "./forcing.ts";

export interface ResampleOptions {
  /** s: below 1 stays near the data; 0 = never leaves it. */
  readonly shift?: number;
  /** Euler steps from t_s to 0. */
  readonly steps?: number;
  /** Smallest and largest t_s. */
  readonly clamp?: readonly [low: number, high: number];
}

export interface ResampleTime {
  readonly name: string;
  readonly steps: number;
  /** [B] */
  sample(input: ForcingInput): Tensor;
}

export function resampleTime({
  shift = 0.6,
  steps = 1,
  clamp = [0.02, 0.98],
}: ResampleOptions): ResampleTime {
  requireNumbers("resample histories", { shift }, notNegative, "The paper uses 0.6.");
  requireNumbers("resample histories", { steps }, positiveInteger, "The paper uses 1.");
  const [low, high] = clamp;
  if (!(low >= 0 && low <= high && high <= 1)) {
    throw new RangeError(
      `Cannot clamp the resampling time to [${low}, ${high}]: give 0 <= low <= high <= 1.`,
    );
  }
  const sampler = shift === 0 ? undefined : logitNormal({ shift });
  return Object.freeze({
    name: `shift ${shift}, ${steps} step${steps === 1 ? "" : "s"}, clamp ${low}-${high}`,
    steps,
    sample({ x0, rowRng }: ForcingInput) {
      const times = Float32Array.from({ length: x0.shape[0]! }, (_, row) => {
        const t = sampler?.sample(rowRng(row).at("resample time"), 1)[0] ?? 0;
        return sampler ? Math.min(high, Math.max(low, t)) : 0;
      });
      return tf.tensor1d(times);
    },
  });
}
