/** Small arithmetic of the world score: grades, means, shares. */
import { median } from "./motion-measures.ts";

/** 1 up to `good`, 0 from `bad` on; NaN is 0. */
export const grade = (value: number, good: number, bad: number): number =>
  Number.isNaN(value) ? 0 : Math.min(1, Math.max(0, (bad - value) / (bad - good)));
export const mean = (values: readonly number[]): number =>
  values.length > 0 ? values.reduce((a, b) => a + b, 0) / values.length : 0;
export const shareOf = (flags: ArrayLike<number | boolean>): number => {
  let sum = 0;
  for (let i = 0; i < flags.length; i++) sum += Number(flags[i]);
  return flags.length > 0 ? sum / flags.length : 0;
};

/** Median of the finite values; NaN when there is none. */
export const medianOf = (values: readonly number[]): number =>
  median(values.filter((v) => Number.isFinite(v)));
