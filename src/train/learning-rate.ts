/** Factors on the learning rates over a run. */
import { natural, requireNumbers, share } from "../tensor/ranges.ts";

export interface RateSchedule {
  readonly name: string;
  /** @param step from 0; @param steps of the whole run */
  factor(step: number, steps: number): number;
}

/** Rises over `warmup` steps, stays at 1, and falls linearly to `floor` over the last `decay` share of the run. */
export function warmupDecay({
  warmup = 60,
  decay = 0.4,
  floor = 0.03,
}: {
  readonly warmup?: number;
  readonly decay?: number;
  readonly floor?: number;
} = {}): RateSchedule {
  requireNumbers("set the rate", { warmup }, natural);
  requireNumbers("set the rate", { decay, floor }, share);
  return Object.freeze({
    name: `warm-up ${warmup}, decay over the last ${decay} to ${floor}`,
    factor(step: number, steps: number) {
      const rise = warmup === 0 ? 1 : Math.min(1, (step + 1) / warmup);
      const left = 1 - step / steps;
      return rise * (decay === 0 ? 1 : Math.min(1, Math.max(floor, left / decay)));
    },
  });
}

/** Rises over `warmup` steps and follows half a cosine to `floor`. */
export function warmupCosine({
  warmup = 60,
  floor = 0.03,
}: {
  readonly warmup?: number;
  readonly floor?: number;
} = {}): RateSchedule {
  requireNumbers("set the rate", { warmup }, natural);
  requireNumbers("set the rate", { floor }, share);
  return Object.freeze({
    name: `warm-up ${warmup}, cosine to ${floor}`,
    factor(step: number, steps: number) {
      if (step < warmup) return (step + 1) / warmup;
      const share = (step - warmup) / Math.max(1, steps - warmup);
      return floor + ((1 - floor) * (1 + Math.cos(Math.PI * share))) / 2;
    },
  });
}
