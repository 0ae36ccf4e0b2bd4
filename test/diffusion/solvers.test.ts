import { beforeAll, describe, expect, test } from "vitest";
import {
  euler,
  heun,
  type Solver,
  type SolverMemory,
  sdeDpmSolver,
  solverCalls,
} from "../../src/diffusion/solvers.ts";
import { shiftedSchedule } from "../../src/diffusion/timesteps.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

/**
 * Data N(mu, s^2): x_t is normal with mean (1-t) mu and variance V = (1-t)^2 s^2 + t^2, and the exact field is
 * v(x, t) = -mu + (V'/2V) (x - (1-t) mu). Its flow keeps the z-score: x_1 = z goes to mu + s z.
 */
const mu = 0.7;
const s = 0.4;
const field = (x: Tensor, t: number): Tensor => {
  const variance = (1 - t) ** 2 * s ** 2 + t ** 2;
  const slope = (t - (1 - t) * s ** 2) / variance;
  return x
    .sub((1 - t) * mu)
    .mul(slope)
    .sub(mu);
};

function integrate(solver: Solver, start: Tensor, steps: number, seed = 0): Tensor {
  const schedule = shiftedSchedule({ steps });
  let xt = start;
  let memory: SolverMemory | undefined;
  for (let index = 0; index < steps; index++) {
    const result = solver.step(xt, {
      schedule,
      index,
      velocity: field,
      noise: () => randn(start.shape, rng(seed).at(index)),
      memory,
    });
    xt = result.xt;
    memory = result.memory;
  }
  return xt;
}

describe("global error falls with the order on the closed-form Gaussian field", () => {
  const z = tf.tensor1d([-2, -1, 0, 1, 2]);
  const error = (solver: Solver, steps: number) =>
    tf.tidy(() => integrate(solver, z, steps).sub(z.mul(s).add(mu)).abs().max().dataSync()[0]!);

  test("euler halves, heun quarters", () => {
    const eulerOrder = Math.log2(error(euler(), 32) / error(euler(), 64));
    expect(eulerOrder).toBeGreaterThan(0.85);
    expect(eulerOrder).toBeLessThan(1.15);
    const heunOrder = Math.log2(error(heun(), 16) / error(heun(), 32));
    expect(heunOrder).toBeGreaterThan(1.7);
    expect(heunOrder).toBeLessThan(2.4);
  });

  test("calls are counted", () => {
    const schedule = shiftedSchedule({ steps: 8 });
    expect(solverCalls(euler(), schedule)).toBe(8);
    expect(solverCalls(heun(), schedule)).toBe(15);
  });
});

describe("the SDE solver keeps the marginals", () => {
  const n = 20_000;
  const start = randn([n], rng(3));
  const moments = (x: Tensor) =>
    tf.tidy(() => {
      const { mean, variance } = tf.moments(x);
      return { mean: mean.dataSync()[0]!, std: Math.sqrt(variance.dataSync()[0]!) };
    });

  for (const order of [1, 2] as const) {
    test(`order ${order}`, () => {
      const { mean, std } = moments(integrate(sdeDpmSolver({ order }), start, 60));
      // Standard errors s/sqrt(n) = .003 and s/sqrt(2n) = .002, plus the discretisation of 60 steps.
      expect(Math.abs(mean - mu)).toBeLessThan(0.012);
      expect(Math.abs(std - s)).toBeLessThan(order === 1 ? 0.03 : 0.02);
    });
  }

  test("second order is closer at few steps", () => {
    const gap = (order: 1 | 2) => Math.abs(moments(integrate(sdeDpmSolver({ order }), start, 12)).std - s);
    expect(gap(2)).toBeLessThan(gap(1));
  });

  test("sigma is the noise that a step adds: none at the last, all of next at the first", () => {
    const schedule = shiftedSchedule({ steps: 8, shift: 5 });
    const solver = sdeDpmSolver();
    expect(solver.sigma(schedule, 7)).toBe(0);
    expect(solver.sigma(schedule, 0)).toBeCloseTo(schedule[1]!, 12);
    const twice = [1, 2].map(
      (seed) =>
        solver.step(tf.zeros([4000]), {
          schedule,
          index: 3,
          velocity: field,
          noise: () => randn([4000], rng(seed)),
        }).xt,
    );
    const spread = moments(twice[0]!.sub(twice[1]!)).std / Math.SQRT2;
    expect(spread / solver.sigma(schedule, 3)).toBeCloseTo(1, 1);
  });

  test("from pure noise the state is dropped, so nothing is infinite", () => {
    const schedule = [1, 0.5, 0];
    const step = sdeDpmSolver({ order: 2 }).step(tf.tensor1d([3]), {
      schedule,
      index: 0,
      velocity: () => tf.tensor1d([1]),
      noise: () => tf.tensor1d([0]),
    });
    // x0 = 3 - 1 = 2 at alpha' = 0.5
    expect(step.xt.dataSync()[0]).toBeCloseTo(1, 6);
  });
});

test("a step outside the schedule is named", () => {
  expect(() =>
    euler().step(tf.scalar(0), { schedule: [1, 0], index: 1, velocity: field, noise: () => tf.scalar(0) }),
  ).toThrow("Cannot take step 1 as the schedule has 1 steps. Give 0 <= index < 1.");
});
