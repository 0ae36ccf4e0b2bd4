/**
 * The two ways of buying reward with weights instead of with search, on the plane:
 *
 *   policy gradient   DDPO (Black et al. 2305.13301): the SDE sampler is a policy whose step t -> t' is Gaussian around
 *                     the solver's mean; REINFORCE with normalised rewards as advantages, on-policy, clipped ratios
 *   back-propagation  DRaFT (Clark et al. 2309.17400): the gradient of the reward goes through all steps of the sampler
 *
 * Neither has a term that holds the model near its data, as in EvoSearch's toy: over-optimisation is the point.
 */
import { sdeDpmSolver } from "../../diffusion/solvers.ts";
import type { Schedule } from "../../diffusion/timesteps.ts";
import { rng } from "../../tensor/rng.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";
import { descend, type PlaneModel, ringReward } from "./plane-model.ts";

export interface FineTuningOptions {
  readonly schedule: Schedule;
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Mean reward of the model's own samples, after each step. */
export type FineTuning = AsyncGenerator<{ readonly step: number; readonly reward: number }, void>;

/** Coefficients of one step x' = state x + data x_0 + sigma z. */
function coefficients(
  schedule: Schedule,
  index: number,
): { t: number; state: number; data: number; sigma: number } {
  const [t, next] = [schedule[index]!, schedule[index + 1]!];
  const decay = (next * (1 - t)) / ((1 - next) * t);
  return {
    t,
    state: (next / t) * decay,
    data: (1 - next) * (1 - decay * decay),
    sigma: sdeDpmSolver().sigma(schedule, index),
  };
}

interface Trajectories {
  /** [steps - 1][n, 2]: states before each stochastic step, and behind the last of them. */
  readonly states: readonly Float32Array[];
  readonly rewards: Float32Array;
}

/** Rolls out the policy without gradients. */
function rollOut(
  model: PlaneModel,
  schedule: Schedule,
  batch: number,
  seed: number,
  step: number,
): Trajectories {
  const source = rng(seed).at("policy", step);
  let xt = source.at("start").normal(2 * batch);
  const states = [xt];
  for (let index = 0; index < schedule.length - 1; index++) {
    const { t, state, data, sigma } = coefficients(schedule, index);
    const noise = source.at("step", index).normal(2 * batch);
    const current = xt;
    const velocity = tf.tidy(() => model.velocity(tf.tensor2d(current, [batch, 2]), t).dataSync());
    xt = current.map((x, i) => state * x + data * (x - t * velocity[i]!) + sigma * noise[i]!);
    if (index < schedule.length - 2) states.push(xt);
  }
  const rewards = Float32Array.from({ length: batch }, (_, i) => ringReward(xt[2 * i]!, xt[2 * i + 1]!));
  return { states, rewards };
}

/** -sum over steps of log pi(x' | x) x advantage: its gradient is REINFORCE's. */
export async function* policyGradient(
  model: PlaneModel,
  { schedule, steps, batch, learningRate, seed, signal }: FineTuningOptions,
): FineTuning {
  const stochastic = schedule.length - 2;
  const repeat = (values: readonly number[]) =>
    tf.tensor1d(values.flatMap((value) => new Array<number>(batch).fill(value)));
  const at = Array.from({ length: stochastic }, (_, index) => coefficients(schedule, index));
  let reward = 0;
  const lossOf = (step: number): Tensor => {
    const { states, rewards } = rollOut(model, schedule, batch, seed, step);
    reward = mean(rewards);
    const deviation = Math.sqrt(mean(rewards.map((r) => (r - reward) ** 2))) + 1e-6;
    // The ring reward has heavy tails; clipping keeps one far point from deciding the step.
    const advantages = Array.from(rewards, (r) => Math.max(-3, Math.min(3, (r - reward) / deviation)));
    const stack = (parts: readonly Float32Array[]) =>
      tf.concat(parts.map((part) => tf.tensor2d(part, [batch, 2])));
    const before = stack(states.slice(0, -1));
    const after = stack(states.slice(1));
    const t = repeat(at.map((c) => c.t));
    const x0 = before.sub(model.velocity(before, t).mul(t.expandDims(1)));
    const expected = before
      .mul(repeat(at.map((c) => c.state)).expandDims(1))
      .add(x0.mul(repeat(at.map((c) => c.data)).expandDims(1)));
    const surprise = after
      .sub(expected)
      .square()
      .sum(1)
      .div(repeat(at.map((c) => 2 * c.sigma ** 2)));
    const weight = tf.tensor1d(Array.from({ length: stochastic }, () => advantages).flat());
    return surprise.mul(weight).sum().div(batch);
  };
  for await (const { step } of descend(model, { steps, learningRate, signal }, lossOf))
    yield { step, reward };
}

/** The loss is minus the reward of samples that are themselves functions of the weights. */
export async function* rewardBackpropagation(
  model: PlaneModel,
  { schedule, steps, batch, learningRate, seed, signal }: FineTuningOptions,
): FineTuning {
  const lossOf = (step: number): Tensor => {
    let xt: Tensor = tf.tensor2d(
      rng(seed)
        .at("start", step)
        .normal(2 * batch),
      [batch, 2],
    );
    for (let index = 0; index < schedule.length - 1; index++) {
      const [t, next] = [schedule[index]!, schedule[index + 1]!];
      xt = xt.add(model.velocity(xt, t).mul(next - t));
    }
    return xt.square().sum(1).sub(4).abs().mean();
  };
  for await (const { step, loss } of descend(model, { steps, learningRate, signal }, lossOf))
    yield { step, reward: -loss };
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
