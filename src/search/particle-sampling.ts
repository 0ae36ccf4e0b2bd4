/**
 * Particle sampling: reward-tilted sequential Monte Carlo over the denoising trajectory, as in FK steering (Singhal
 * et al. 2501.06848) and SVDD (Li et al. 2408.08252). N particles are denoised side by side; at each resampling step
 * the prediction x_0 of every particle is rewarded (free: the network has just made it) and turned into a weight:
 *
 *   potential  "diff"  exp(lambda (r_s - r_before))     progress since the last resampling
 *              "max"   exp(lambda max(r_s, r_before))   best so far along the path
 *              "add"   exp(lambda (r_s + r_before))     sum along the path
 *              "rt"    exp(lambda r_s)                  the reward now
 *
 * At the last step the particles are finished and the weights of "max", "add" and "rt" are divided by the product of
 * the earlier potentials, so that the whole path is tilted by exp(lambda r(x_0)) only. With `adaptive`, and always at
 * the last step, resampling happens only when the effective sample size is below half. What FK steering does with
 * weights that overflow or are NaN (clamp to [0, 1e10], 0) is kept.
 *
 * SVDD is the limit that copies the best only: `potential: "rt"` with a large lambda.
 * With `lookahead: "rollout"` the fitness is the reward of a finished roll-out instead of the prediction's, which is
 * EvoSearch without mutation; the roll-outs are then paid for.
 */
import { notNegative, positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import { clampWeight, effectiveSize, multinomial } from "./selection.ts";
import type { SearchSpace } from "./space.ts";
import {
  checkChoice,
  checkSchedule,
  endOf,
  fullCost,
  type SearchContext,
  type SearchEvent,
  type SearchStrategy,
  stageOf,
  summary,
} from "./strategy.ts";

export type Potential = "max" | "add" | "diff" | "rt";

export interface ParticleSamplingOptions {
  /** Particles. */
  readonly n: number;
  /** Elapsed steps at which particles are resampled, increasing; default: every fifth of the trajectory. */
  readonly schedule?: readonly number[];
  /** Default "diff". */
  readonly potential?: Potential;
  /** How sharply reward decides; default 10. */
  readonly lambda?: number;
  /** Resample only when the effective sample size is below n / 2; default false. */
  readonly adaptive?: boolean;
  /** What is rewarded at a resampling step; default "prediction". */
  readonly lookahead?: "prediction" | "rollout";
}

/** @throws RangeError for counts below 1, a lambda below 0, unknown choices or a schedule outside the space's steps */
export function particleSampling(options: ParticleSamplingOptions): SearchStrategy {
  const { n, potential = "diff", lambda = 10, adaptive = false, lookahead = "prediction" } = options;
  requireNumbers("run particle sampling", { n }, positiveInteger);
  requireNumbers("run particle sampling", { lambda }, notNegative);
  checkChoice("particle sampling", "potential", potential, ["max", "add", "diff", "rt"]);
  checkChoice("particle sampling", "lookahead", lookahead, ["prediction", "rollout"]);
  const scheduleOf = (space: SearchSpace): readonly number[] => {
    if (!options.schedule) {
      const fifths = [1, 2, 3, 4].map((i) => Math.round((i * space.numSteps) / 5));
      return [...new Set(fifths)].filter((elapsed) => elapsed > 0 && elapsed < space.numSteps);
    }
    checkSchedule("particle sampling", options.schedule, space, lookahead === "prediction" ? 1 : 0);
    return options.schedule;
  };

  return Object.freeze({
    name: "particles",
    options: { ...options, potential, lambda, adaptive, lookahead },

    firstCost(space: SearchSpace) {
      const schedule = scheduleOf(space);
      const rollouts =
        lookahead === "prediction"
          ? 0
          : schedule.reduce((sum, elapsed) => sum + space.nfe(space.position(elapsed), endOf(space)), 0);
      return {
        nfe: n * (fullCost(space) + rollouts),
        sum: `${n} particles x ${space.numSteps} steps (${fullCost(space) + rollouts} NFE each)`,
        options: '"n"',
      };
    },

    async *run(context: SearchContext): AsyncGenerator<SearchEvent, void> {
      const { space, seed, rng, born, advance, score } = context;
      const roots = Array.from({ length: n }, (_, i) => space.root(i, seed));
      let particles = yield* born(roots, "root");
      let births = n;
      let before = new Array<number>(n).fill(potential === "max" ? -Infinity : 0);
      let product = new Array<number>(n).fill(1);

      /** Whom the rewards of this step choose; undefined where the particles go on as they are. */
      const choose = (
        rewards: readonly number[],
        step: number,
        isLast: boolean,
      ): readonly number[] | undefined => {
        const weights = rewards.map((reward, i) => {
          const weight = Math.exp(lambda * tilted(potential, reward, before[i]!));
          return clampWeight(isLast && potential !== "diff" ? weight / product[i]! : weight);
        });
        const isSparse = effectiveSize(weights) < n / 2;
        const chosen =
          (adaptive || isLast) && !isSparse ? undefined : multinomial(weights, n, rng.at("generation", step));
        const path = rewards.map((reward, i) => remembered(potential, reward, before[i]!));
        const from = chosen ?? rewards.map((_, i) => i);
        before = from.map((i) => path[i]!);
        product = from.map((i) => product[i]! * weights[i]!);
        return chosen;
      };

      const schedule = scheduleOf(space);
      for (const [g, elapsed] of schedule.entries()) {
        particles = yield* advance(particles, space.position(elapsed));
        const { chunk, step } = space.position(elapsed);
        const judged =
          lookahead === "prediction"
            ? yield* score(particles, stageOf(space, step === 0 ? chunk - 1 : chunk), { preview: true })
            : yield* score(yield* advance(particles, endOf(space)), "end");
        const rewards = judged.map((one) => one.score);
        yield { type: "generation", index: g, ...summary(rewards) };
        const chosen = choose(rewards, g, false);
        if (!chosen) continue;
        particles = yield* born(
          chosen.map((i) => space.fork(particles[i]!, births++)),
          "resample",
        );
        space.keep(particles);
      }
      const finished = yield* score(yield* advance(particles, endOf(space)), "end");
      const rewards = finished.map((one) => one.score);
      yield { type: "generation", index: schedule.length, ...summary(rewards) };
      const chosen = choose(rewards, schedule.length, true) ?? rewards.map((_, i) => i);
      yield { type: "population", lineages: chosen.map((i) => finished[i]!.candidate.lineage) };
    },
  });
}

/** The exponent of the potential, before lambda. */
function tilted(potential: Potential, reward: number, before: number): number {
  if (potential === "max") return Math.max(reward, before);
  if (potential === "add") return reward + before;
  return potential === "diff" ? reward - before : reward;
}

/** What the path remembers of its rewards, for the next step's potential. */
function remembered(potential: Potential, reward: number, before: number): number {
  if (reward === -Infinity) return before;
  if (potential === "max") return Math.max(reward, before);
  return potential === "add" ? reward + before : reward;
}
