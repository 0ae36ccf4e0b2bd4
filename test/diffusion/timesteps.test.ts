import { describe, expect, test } from "vitest";
import { logitNormal, mixture, shiftedSchedule, uniformTime } from "../../src/diffusion/timesteps.ts";
import { rng } from "../../src/tensor/rng.ts";

test("the 32-step grid of shift 5", () => {
  const grid = shiftedSchedule({ steps: 32, shift: 5 });
  const published = [
    1, 0.994, 0.987, 0.98, 0.972, 0.964, 0.956, 0.947, 0.938, 0.927, 0.917, 0.905, 0.893, 0.88, 0.865, 0.85,
    0.833, 0.815, 0.795, 0.774, 0.75, 0.724, 0.694, 0.662, 0.625, 0.583, 0.536, 0.481, 0.417, 0.341, 0.25,
    0.139, 0,
  ];
  expect(grid).toHaveLength(33);
  for (const [i, t] of published.entries()) expect(Math.abs(grid[i]! - t)).toBeLessThan(6e-4);
});

test("bad schedules are named", () => {
  expect(() => shiftedSchedule({ steps: 0 })).toThrow('"steps" must be a positive integer: got 0.');
  expect(() => shiftedSchedule({ steps: 4, shift: -1 })).toThrow("the shift must be positive");
  expect(() => shiftedSchedule({ steps: 4, from: 2 })).toThrow('"from" must lie in (0, 1]: got 2.');
});

const quantile = (values: Float32Array, p: number) =>
  [...values].sort((a, b) => a - b)[Math.floor(p * values.length)]!;

describe("samplers", () => {
  const n = 40_000;
  test("logit-normal quantiles by shift", () => {
    // Monte-Carlo quantiles 5/50/95 % by shift; standard error of a quantile here is below .004.
    for (const [shift, low, middle, high] of [
      [0.1, 0.02, 0.09, 0.34],
      [0.6, 0.1, 0.375, 0.76],
      [1, 0.16, 0.5, 0.84],
      [3, 0.37, 0.75, 0.94],
    ] as const) {
      const draws = logitNormal({ shift }).sample(rng(1), n);
      expect(Math.abs(quantile(draws, 0.05) - low)).toBeLessThan(0.012);
      expect(Math.abs(quantile(draws, 0.5) - middle)).toBeLessThan(0.012);
      expect(Math.abs(quantile(draws, 0.95) - high)).toBeLessThan(0.012);
    }
  });

  test("a mixture keeps its odds", () => {
    const draws = mixture([0.25, constant(0.1)], [0.75, constant(0.9)]).sample(rng(2), n);
    const high = draws.filter((t) => t > 0.5).length / n;
    expect(Math.abs(high - 0.75)).toBeLessThan(0.01);
    expect(() => mixture()).toThrow("odds must be non-negative with a positive sum: got []");
    expect(uniformTime({ shift: 2 }).sample(rng(0), 3)).toEqual(uniformTime({ shift: 2 }).sample(rng(0), 3));
  });
});

const constant = (t: number) => ({
  name: `${t}`,
  sample: (_: unknown, count: number) => new Float32Array(count).fill(t),
});
