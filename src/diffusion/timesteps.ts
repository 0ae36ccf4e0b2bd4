/**
 * Where on the path a sampler steps and a trainer looks.
 *
 * Schedules (inference): decreasing times from 1 to 0, `steps + 1` of them; the shifted grid is equation (6) of
 * path.ts applied to the even one (Resampling Forcing, 2512.15702, section 3.4: 32 steps, shift 5).
 * Samplers (training): logit-normal times of Esser et al. 2403.03206, mixed and shifted as a recipe asks.
 */
import { finite, positive, positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import type { Rng } from "../tensor/rng.ts";
import { shiftTime } from "./path.ts";

/** Decreasing times in [0, 1], first 1 (or the entry time), last 0. */
export type Schedule = readonly number[];

/** Draws training times. A factory's options are its whole state, so it serialises into a run's config. */
export interface TimestepSampler {
  readonly name: string;
  /** `n` independent times in (0, 1). */
  sample(rng: Rng, n: number): Float32Array<ArrayBuffer>;
}

/**
 * `steps + 1` times from `from` (1 = pure noise) to 0, evenly spaced and then shifted.
 * @throws RangeError unless steps is a positive integer, shift > 0 and 0 < from <= 1
 */
export function shiftedSchedule({
  steps,
  shift = 1,
  from = 1,
}: {
  readonly steps: number;
  readonly shift?: number;
  readonly from?: number;
}): Schedule {
  requireNumbers("make a schedule", { steps }, positiveInteger, "Use e.g. shiftedSchedule({ steps: 8 }).");
  requireNumbers("make a schedule", { from }, { above: 0, most: 1 }, "Use 1 to start at noise.");
  const even = Array.from({ length: steps + 1 }, (_, i) => 1 - i / steps);
  return Object.freeze(even.map((u) => from * shiftTime(u, shift)));
}

/** @throws RangeError when the times do not decrease from at most 1 to exactly 0. */
export function checkSchedule(schedule: Schedule, action: string): void {
  const decreasing = schedule.every((t, i) => i === 0 || t < schedule[i - 1]!);
  if (schedule.length < 2 || !decreasing || schedule[0]! > 1 || schedule.at(-1) !== 0) {
    throw new RangeError(
      `Cannot ${action} as "schedule" must decrease from at most 1 to 0: got ${schedule.length} values from ${schedule[0]} to ${schedule.at(-1)}. Use shiftedSchedule({ steps: 8 }).`,
    );
  }
}

/** Every time equally likely. */
export function uniformTime({ shift = 1 }: { readonly shift?: number } = {}): TimestepSampler {
  shiftTime(0, shift);
  return Object.freeze({
    name: `uniform(shift ${shift})`,
    sample: (rng: Rng, n: number) => rng.uniform(n).map((u) => shiftTime(u, shift)),
  });
}

/** sigmoid(mean + std z), shifted. `shift` < 1 looks closer to the data. */
export function logitNormal({
  mean = 0,
  std = 1,
  shift = 1,
}: {
  readonly mean?: number;
  readonly std?: number;
  readonly shift?: number;
} = {}): TimestepSampler {
  shiftTime(0, shift);
  requireNumbers("draw timesteps", { mean }, finite);
  requireNumbers("draw timesteps", { std }, positive);
  return Object.freeze({
    name: `logitNormal(mean ${mean}, std ${std}, shift ${shift})`,
    sample: (rng: Rng, n: number) =>
      rng.normal(n).map((z) => shiftTime(1 / (1 + Math.exp(-(mean + std * z))), shift)),
  });
}

/**
 * Each draw comes from one of the parts, with these odds.
 * @example mixture([0.7, logitNormal({ shift: 2 })], [0.3, uniformTime({ shift: 2 })])
 */
export function mixture(
  ...parts: readonly (readonly [odds: number, sampler: TimestepSampler])[]
): TimestepSampler {
  const total = parts.reduce((sum, [odds]) => sum + odds, 0);
  if (parts.length === 0 || !(total > 0) || parts.some(([odds]) => !(odds >= 0))) {
    throw new RangeError(
      `Cannot mix timestep samplers as their odds must be non-negative with a positive sum: got [${parts.map(([odds]) => odds).join(", ")}]. Give e.g. [0.7, logitNormal()], [0.3, uniformTime()].`,
    );
  }
  return Object.freeze({
    name: `mixture(${parts.map(([odds, part]) => `${odds} ${part.name}`).join(", ")})`,
    sample(rng: Rng, n: number) {
      const pick = rng.at("part").uniform(n, 0, total);
      const draws = parts.map(([, part], i) => part.sample(rng.at("draw", i), n));
      return pick.map((u, row) => {
        let i = 0;
        for (let rest = u - parts[0]![0]; rest >= 0 && i < parts.length - 1; rest -= parts[i]![0]) i++;
        return draws[i]![row]!;
      });
    },
  });
}
