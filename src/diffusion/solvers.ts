/**
 * Integrators of the path from noise (t = 1) to data (t = 0), one step at a time, so that search can branch and mutate
 * between steps. A step is a pure function of its arguments: what a multistep method remembers travels in `memory`.
 *
 *   euler            x' = x + (t' - t) v                                                        order 1
 *   heun             x' = x + (t' - t) (v + v')/2, Euler on the last step                       order 2
 *   sdeDpmSolver     SDE-DPM-Solver++ 1 and 2M (Lu et al. 2211.01095, the solver EvoSearch uses for flow models), with
 *                    sigma = t, alpha = 1 - t, lambda = log alpha - log sigma, h = lambda' - lambda, x0 = x - t v:
 *                      x' = (sigma'/sigma) e^-h x + alpha' (1 - e^-2h) (x0 + D1/2) + sigma' sqrt(1 - e^-2h) z
 *                      D1 = (x0 - x0_before) h / h_before                                       (second order only)
 *                    At t = 1, lambda is -infinity: the limit drops x. At t' = 0, x' = x0.
 */
import type { Tensor } from "../tensor/tf.ts";
import { dataFrom } from "./path.ts";
import type { Schedule } from "./timesteps.ts";

/** What a multistep solver carries from one step to the next: the data it predicted, and when. */
export interface SolverMemory {
  readonly x0: Tensor;
  readonly t: number;
}

export interface SolverStep {
  readonly schedule: Schedule;
  /** Goes from schedule[index] to schedule[index + 1]. */
  readonly index: number;
  /** v(x, t); called `callsPerStep` times at most. */
  readonly velocity: (xt: Tensor, t: number) => Tensor;
  /** Standard normals of the shape of xt; asked for only where sigma(schedule, index) > 0. */
  readonly noise: () => Tensor;
  readonly memory?: SolverMemory | undefined;
}

export interface SolverResult {
  readonly xt: Tensor;
  readonly memory?: SolverMemory;
}

export interface Solver {
  readonly name: string;
  /** Global order of accuracy on the ODE (or, stochastic, of its mean). */
  readonly order: number;
  readonly callsPerStep: number;
  /** Standard deviation of the fresh noise that step `index` adds; 0 for an ODE solver. */
  sigma(schedule: Schedule, index: number): number;
  step(xt: Tensor, step: SolverStep): SolverResult;
}

/** Denoiser calls over a whole schedule. */
export function solverCalls(solver: Solver, schedule: Schedule): number {
  const steps = schedule.length - 1;
  return solver.callsPerStep === 1 ? steps : solver.callsPerStep * (steps - 1) + 1;
}

/** Euler's method: the sampler of the papers. */
export function euler(): Solver {
  return Object.freeze({
    name: "euler",
    order: 1,
    callsPerStep: 1,
    sigma: () => 0,
    step(xt: Tensor, { schedule, index, velocity }: SolverStep) {
      const [t, next] = times(schedule, index);
      return { xt: xt.add(velocity(xt, t).mul(next - t)) };
    },
  });
}

/** Heun's method; the last step is Euler's, so that v is never asked for at t = 0. */
export function heun(): Solver {
  return Object.freeze({
    name: "heun",
    order: 2,
    callsPerStep: 2,
    sigma: () => 0,
    step(xt: Tensor, { schedule, index, velocity }: SolverStep) {
      const [t, next] = times(schedule, index);
      const v = velocity(xt, t);
      const ahead = xt.add(v.mul(next - t));
      if (next === 0) return { xt: ahead };
      return { xt: xt.add(v.add(velocity(ahead, next)).mul((next - t) / 2)) };
    },
  });
}

/**
 * SDE-DPM-Solver++: same marginals as the ODE, with noise injected at every step but the last.
 * @param order 1 or 2 (multistep: one call a step either way)
 */
export function sdeDpmSolver({ order = 1 }: { readonly order?: 1 | 2 } = {}): Solver {
  if (order !== 1 && order !== 2) {
    throw new RangeError(`Cannot make an SDE solver of order ${String(order)}: choose 1 or 2.`);
  }
  return Object.freeze({
    name: `sde-dpm-solver++${order}`,
    order,
    callsPerStep: 1,
    sigma: (schedule: Schedule, index: number) => sdeCoefficients(...times(schedule, index)).noise,
    step(xt: Tensor, { schedule, index, velocity, noise, memory }: SolverStep) {
      const [t, next] = times(schedule, index);
      const x0 = dataFrom(xt, velocity(xt, t), t);
      if (next === 0) return { xt: x0 };
      const c = sdeCoefficients(t, next);
      let data = x0;
      // Half-log-SNR is infinite at t = 1: the first step (and the one after it) has no finite slope to use.
      if (order === 2 && memory && memory.t < 1) {
        const ratio = (logSnr(next) - logSnr(t)) / (logSnr(t) - logSnr(memory.t));
        data = x0.add(x0.sub(memory.x0).mul(ratio / 2));
      }
      const mean = xt.mul(c.state).add(data.mul(c.data));
      return { xt: mean.add(noise().mul(c.noise)), memory: { x0, t } };
    },
  });
}

function logSnr(t: number): number {
  return Math.log(1 - t) - Math.log(t);
}

/** Factors of x, of x0 and of the fresh noise, from t to next < t. */
function sdeCoefficients(t: number, next: number): { state: number; data: number; noise: number } {
  if (next === 0) return { state: 0, data: 1, noise: 0 };
  // e^-h = (sigma'/alpha') / (sigma/alpha); written so that t = 1 (alpha = 0) gives its limit 0.
  const decay = (next * (1 - t)) / ((1 - next) * t);
  const renewed = 1 - decay * decay;
  return { state: (next / t) * decay, data: (1 - next) * renewed, noise: next * Math.sqrt(renewed) };
}

function times(schedule: Schedule, index: number): [t: number, next: number] {
  const t = schedule[index];
  const next = schedule[index + 1];
  if (t === undefined || next === undefined) {
    throw new RangeError(
      `Cannot take step ${index} as the schedule has ${schedule.length - 1} steps. Give 0 <= index < ${schedule.length - 1}.`,
    );
  }
  return [t, next];
}
