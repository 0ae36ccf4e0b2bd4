/**
 * The toy of EvoSearch (2505.17618, section 5): a diffusion model of a mixture in the plane, a reward that peaks on the
 * circle of radius 2, and six ways of getting there side by side at one budget: the pre-trained sampler, policy-gradient
 * fine-tuning, reward back-propagation, best-of-N, particles, EvoSearch. Everything is trained or run here; the
 * components and their weights are ours, the paper does not give them.
 *
 * Four heavy components lie far outside the circle, six light ones on it, with weights from 4 % down to 0.5 %: the modes
 * of the tilted target p(x) exp(r(x)), which a method covers if it delivers a point within half a unit of their centre.
 *
 * What comes out: fine-tuning collapses on one or two modes; EvoSearch delivers far more reward than best-of-N and
 * covers every mode. Unlike in the paper, particles with a well-chosen potential ("diff" or "rt") reach as much reward
 * as EvoSearch or more, and lose modes only where lambda is sharp: in two dimensions a few hundred particles are nearly
 * exact. With the "max" potential they are no better than best-of-N, since early predictions lie near the origin and
 * their fair reward is never forgotten.
 */
import { type Account, cellAccount, uncharged } from "../../diffusion/account.ts";
import { type Solver, sdeDpmSolver } from "../../diffusion/solvers.ts";
import { shiftedSchedule } from "../../diffusion/timesteps.ts";
import { finishedChunks } from "../candidate.ts";
import { evoSearch, noiseMutation, tournament } from "../evo-search.ts";
import { searchSpace } from "../latent-space.ts";
import { linearSearch } from "../linear-search.ts";
import { particleSampling } from "../particle-sampling.ts";
import { search } from "../search.ts";
import type { Scored, SearchStrategy } from "../strategy.ts";
import { policyGradient, rewardBackpropagation } from "./fine-tuning.ts";
import { type Component, type Mixture, mixture } from "./mixture.ts";
import {
  type PlaneModel,
  planeCodec,
  planeDenoiser,
  planeModel,
  pretrain,
  ringReward,
  ringVerifier,
} from "./plane-model.ts";

export type ToyMethod =
  | "pretrained"
  | "policy gradient"
  | "back-propagation"
  | "best-of-N"
  | "particles"
  | "EvoSearch";

/** What a method delivers, in one flat row. */
export interface ToyRow {
  readonly method: ToyMethod;
  readonly seed: number;
  readonly points: number;
  readonly reward: number;
  /** Share of the target's modes with a delivered point within half a unit. */
  readonly coverage: number;
  /** Mean squared distance between two delivered points. */
  readonly diversity: number;
  /** Mean log-density of the delivered points under the tilted target, up to its constant. */
  readonly targetLogDensity: number;
  /** Denoiser calls x points: of the search, or of sampling and fine-tuning. */
  readonly nfe: number;
  readonly seconds: number;
}

/** Points of a method on the way, for a picture that moves. */
export interface ToyFrame {
  readonly method: ToyMethod;
  /** Training step, denoising step or generation. */
  readonly step: number;
  readonly reward: number;
  /** [n, 2] row-major. */
  readonly points: Float32Array;
}

export interface EvoToyOptions {
  readonly seed?: number;
  /** Points that each method delivers; default 100. */
  readonly points?: number;
  /** Denoising steps; default 20. */
  readonly steps?: number;
  /** Candidates that best-of-N may draw; all searches get the same NFE. Default 1000. */
  readonly budget?: number;
  readonly pretrainSteps?: number;
  readonly fineTuneSteps?: number;
  /** "network" trains a small one (default), "exact" uses the mixture's own velocity; fine-tuning needs the network. */
  readonly field?: "network" | "exact";
  /** Charged with what each method spends; default: a notebook's open run. */
  readonly run?: Account;
  readonly signal?: AbortSignal;
}

export interface EvoToy {
  readonly data: Mixture;
  readonly rows: readonly ToyRow[];
}

/** The mixture of the toy. */
export function toyMixture(): Mixture {
  const around = (
    radius: number,
    angles: readonly number[],
    weights: readonly number[],
    deviation: number,
  ): Component[] =>
    angles.map((degrees, i) => {
      const angle = (degrees * Math.PI) / 180;
      return { x: radius * Math.cos(angle), y: radius * Math.sin(angle), weight: weights[i]!, deviation };
    });
  const far = around(4.8, [45, 135, 225, 315], [0.23, 0.23, 0.22, 0.22], 0.5);
  const near = around(2, [0, 60, 120, 180, 240, 300], [0.04, 0.025, 0.015, 0.01, 0.005, 0.005], 0.25);
  return mixture([...far, ...near]);
}

/** The centres of the light components: the target's modes. */
export function toyModes(data: Mixture): readonly Component[] {
  return data.components.filter(({ x, y }) => Math.abs(ringReward(x, y)) < 0.1);
}

/** Runs all six (four with the exact field); yields frames, returns one row per method. */
export async function* evoToy(options: EvoToyOptions = {}): AsyncGenerator<ToyFrame, EvoToy> {
  const {
    seed = 0,
    points = 100,
    steps = 20,
    budget = 1000,
    pretrainSteps,
    fineTuneSteps = 150,
    field = "network",
    run = cellAccount(),
    signal,
  } = options;
  const data = toyMixture();
  const schedule = shiftedSchedule({ steps });
  const rows: ToyRow[] = [];
  const fineTuneBatch = 128;
  const spaceOf = (velocity: PlaneModel["velocity"], solver: Solver = sdeDpmSolver()) =>
    searchSpace(planeDenoiser(velocity), {
      prompt: "on the circle",
      steps,
      schedule,
      solver,
      codec: planeCodec,
      batchSize: 512,
    });
  const deliver = (method: ToyMethod, chosen: Float32Array, nfe: number, seconds: number): ToyFrame => {
    rows.push({ method, seed, points: chosen.length / 2, ...measures(chosen, data), nfe, seconds });
    run?.spend?.({ nfe, seconds }, method);
    return { method, step: -1, reward: rows.at(-1)!.reward, points: chosen };
  };
  const sample = async (velocity: PlaneModel["velocity"]): Promise<Float32Array> => {
    const { finished } = await search(spaceOf(velocity), linearSearch({ n: points }), {
      verifier: ringVerifier(),
      seed,
      run: uncharged,
    });
    return pointsOf(finished);
  };

  const model = planeModel({ seed });
  const tuned: PlaneModel[] = [];
  try {
    let started = performance.now();
    if (field === "network")
      for await (const _ of pretrain(model, data, {
        seed,
        signal,
        ...(pretrainSteps && { steps: pretrainSteps }),
      }));
    const velocity = field === "network" ? model.velocity : (data.velocity as PlaneModel["velocity"]);
    yield deliver("pretrained", await sample(velocity), points * steps, seconds(started));

    if (field === "network") {
      const common = { schedule, steps: fineTuneSteps, batch: fineTuneBatch, seed, signal };
      const trainings = [
        { method: "policy gradient", train: policyGradient, learningRate: 1e-3 },
        { method: "back-propagation", train: rewardBackpropagation, learningRate: 1e-3 },
      ] as const;
      for (const { method, train, learningRate } of trainings) {
        started = performance.now();
        const own = model.copy();
        tuned.push(own);
        for await (const { step, reward } of train(own, { ...common, learningRate })) {
          if (step % Math.ceil(fineTuneSteps / 10) === 0)
            yield { method, step, reward, points: await sample(own.velocity) };
        }
        yield deliver(
          method,
          await sample(own.velocity),
          (fineTuneSteps * fineTuneBatch + points) * steps,
          seconds(started),
        );
      }
    }

    const strategies: readonly [ToyMethod, SearchStrategy][] = [
      ["best-of-N", linearSearch({ n: budget })],
      ["particles", particleSampling({ n: budget, potential: "diff", lambda: 1 })],
      ["EvoSearch", toyEvoSearch(budget, steps, points)],
    ];
    for (const [method, strategy] of strategies) {
      started = performance.now();
      const outcome = await search(spaceOf(velocity), strategy, {
        verifier: ringVerifier(),
        seed,
        maxNfe: budget * steps,
        run: uncharged,
        ...(signal && { signal }),
      });
      const generations = outcome.events.filter((event) => event.type === "generation");
      let from = 0;
      for (const { index, population, mean } of generations.slice(0, -1)) {
        if (method !== "EvoSearch") break;
        yield {
          method,
          step: index,
          reward: mean,
          points: pointsOf(outcome.finished.slice(from, from + population)),
        };
        from += population;
      }
      yield deliver(method, pointsOf(best(outcome.finished, points)), outcome.cost.nfe, seconds(started));
    }
    return { data, rows };
  } finally {
    for (const one of [model, ...tuned]) one.dispose();
  }
}

/** k_start twice the other sizes, generations at 0, 40, 60 and 80 % of the path, spending budget x steps. */
export function toyEvoSearch(budget: number, steps: number, elites: number): SearchStrategy {
  const schedule = [0, 0.4, 0.6, 0.8].map((share) => Math.round(share * steps));
  const unit = Math.floor(
    (budget * steps) / (2 * steps + schedule.reduce((sum, elapsed) => sum + steps - elapsed, 0)),
  );
  return evoSearch({
    schedule,
    population: [2 * unit, unit, unit, unit, unit],
    elites: Math.min(Math.floor(elites / 5), Math.floor(unit / 10)),
    selection: tournament({ size: 3 }),
    mutation: noiseMutation({ rate: 0.3 }),
  });
}

function measures(
  points: Float32Array,
  data: Mixture,
): Pick<ToyRow, "reward" | "coverage" | "diversity" | "targetLogDensity"> {
  const n = points.length / 2;
  const each = Array.from({ length: n }, (_, i) => [points[2 * i]!, points[2 * i + 1]!] as const);
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const modes = toyModes(data);
  const covered = modes.filter((mode) => each.some(([x, y]) => Math.hypot(x - mode.x, y - mode.y) <= 0.5));
  const centre = [mean(each.map(([x]) => x)), mean(each.map(([, y]) => y))] as const;
  // The mean over pairs of |a - b|^2 is 2 n / (n - 1) times the mean of |a - centre|^2.
  const spread = mean(each.map(([x, y]) => (x - centre[0]) ** 2 + (y - centre[1]) ** 2));
  return {
    reward: mean(each.map(([x, y]) => ringReward(x, y))),
    coverage: covered.length / modes.length,
    diversity: (2 * n * spread) / (n - 1),
    targetLogDensity: mean(each.map(([x, y]) => data.logDensity(x, y) + ringReward(x, y))),
  };
}

function best(finished: readonly Scored[], n: number): Scored[] {
  return [...finished].sort((a, b) => b.score - a.score).slice(0, n);
}

function pointsOf(candidates: readonly Scored[]): Float32Array {
  return Float32Array.from(candidates.flatMap(({ candidate }) => [...finishedChunks(candidate)[0]!]));
}

function seconds(started: number): number {
  return (performance.now() - started) / 1000;
}
