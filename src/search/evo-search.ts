/**
 * EvoSearch (2505.17618): the denoising trajectory as an evolutionary path.
 *
 *   individuals <- k_start noises
 *   for generation g at elapsed steps t_g of the schedule:
 *     roll every new individual to the end, caching its state BEFORE each scheduled step; reward the finished video
 *     population <- the states cached at t_g by all individuals so far, each with its own final reward
 *     elites <- the best m states, unchanged;  parents <- tournaments;  children <- mutated parents
 *     individuals <- elites + children, k_{g+1} of them, at t_g
 *   roll the last individuals to the end;  return the best over all rollouts
 *
 *   NFE = k_0 T + sum_g k_{g+1} (T - t_g)
 *
 * Initial noise mutates by sqrt(1 - rate^2) x + rate z, which keeps N(0, I); an intermediate state by x + sigma z with
 * the solver's sigma at that step. Elites are states, not videos: with a stochastic solver they roll out anew (and are
 * counted anew), as in the paper. In the released code the cache holds the state after the step, the population lives
 * in four parallel lists, and the tournament takes 90 % of the population, so the best takes over at once; here the
 * cache is before the step, one record is one individual, and tournaments are small by default.
 *
 * Where to breed: a generation pays if children are like their parents and cheap. With the stochastic solver the first step
 * drops x, so children of the initial noise (schedule [0], the papers' start) are as good as new draws, and the last step of
 * the last chunk adds no noise, so children bred before it are copies. Between, the likeness grows (notebooks/LOG.md).
 *
 * Over a causal generator the path runs through all chunks: `schedule` counts steps of the whole candidate, and the
 * noise that is mutated is that of the chunk in work and of all chunks to come.
 */
import { natural, notNegative, positiveInteger, requireNumbers, share } from "../tensor/ranges.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Candidate } from "./candidate.ts";
import { clampWeight, multinomial, tournamentWinner } from "./selection.ts";
import type { SearchSpace } from "./space.ts";
import {
  checkChoice,
  checkSchedule,
  endOf,
  fullCost,
  ranking,
  type Scored,
  type SearchContext,
  type SearchEvent,
  type SearchStrategy,
  summary,
} from "./strategy.ts";

/** Chooses `n` parents by reward; indices into `rewards`. */
export interface ParentSelection {
  readonly name: string;
  choose(rewards: readonly number[], n: number, rng: Rng): readonly number[];
}

/** Makes child number `index` of a parent's state. */
export interface Mutation {
  readonly name: string;
  apply(space: SearchSpace, parent: Candidate, index: number): Candidate;
}

export interface EvoSearchOptions {
  /** T_evo: elapsed steps at which a generation is bred, increasing, from 0. Default [0]. */
  readonly schedule?: readonly number[];
  /** K: k_start, then the individuals that leave each generation; one longer than `schedule`. */
  readonly population: readonly number[];
  /** m: states that pass unchanged; default 1, below every later population. */
  readonly elites?: number;
  /** Default: the best of 3 drawn. */
  readonly selection?: ParentSelection;
  /** Default: rate 0.3 for initial noise, 1 x the solver's noise for states (the paper's values). */
  readonly mutation?: Mutation;
  /** Who may be a parent: all individuals so far (the paper) or only the newest; default "all". */
  readonly parents?: "all" | "newest";
}

interface Individual {
  /** The state before each scheduled step it passed, by place in the schedule. */
  readonly states: ReadonlyMap<number, Candidate>;
  readonly verdict: Scored;
}

/** The best of `size` distinct candidates drawn at random, independently for each child. */
export function tournament({ size = 3 }: { readonly size?: number } = {}): ParentSelection {
  requireNumbers("hold a tournament", { size }, positiveInteger);
  return Object.freeze({
    name: `tournament ${size}`,
    choose: (rewards: readonly number[], n: number, rng: Rng) =>
      Array.from({ length: n }, (_, child) => tournamentWinner(rewards, size, rng.at(child))),
  });
}

/** Parents in proportion to exp(lambda x reward), as a particle filter resamples. */
export function resampling({ lambda = 10 }: { readonly lambda?: number } = {}): ParentSelection {
  requireNumbers("run EvoSearch", { lambda }, notNegative);
  return Object.freeze({
    name: `resampling ${lambda}`,
    choose: (rewards: readonly number[], n: number, rng: Rng) =>
      multinomial(
        rewards.map((reward) => clampWeight(Math.exp(lambda * reward))),
        n,
        rng,
      ),
  });
}

/** EvoSearch's own: variance-preserving for initial noise, SDE-scaled for intermediate states. */
export function noiseMutation({
  rate = 0.3,
  scale = 1,
}: {
  readonly rate?: number;
  readonly scale?: number;
} = {}): Mutation {
  requireNumbers("run EvoSearch", { rate }, share);
  requireNumbers("run EvoSearch", { scale }, notNegative);
  return Object.freeze({
    name: `mutation ${rate} ${scale}`,
    apply: (space: SearchSpace, parent: Candidate, index: number) =>
      space.mutate(parent, index, { rate, scale }),
  });
}

/** Children are their parents with fresh solver noise: what a particle filter does when it resamples. */
export function copyOnly(): Mutation {
  return Object.freeze({
    name: "copy",
    apply: (space: SearchSpace, parent: Candidate, index: number) => space.fork(parent, index),
  });
}

/** @throws RangeError for populations, elites or a schedule that do not fit together or the space */
export function evoSearch(options: EvoSearchOptions): SearchStrategy {
  const {
    schedule = [0],
    population,
    elites = 1,
    selection = tournament(),
    mutation = noiseMutation(),
    parents = "all",
  } = options;
  requireNumbers(
    "run EvoSearch",
    Object.fromEntries(population.map((k, i) => [`population[${i}]`, k])),
    positiveInteger,
  );
  requireNumbers("run EvoSearch", { elites }, natural);
  checkChoice("EvoSearch", "parents", parents, ["all", "newest"]);
  if (population.length !== schedule.length + 1) {
    throw new RangeError(
      `Cannot run EvoSearch as "population" must have one entry more than "schedule": got ${population.length} and ${schedule.length}. Give k_start and then one size per generation.`,
    );
  }
  const smallest = Math.min(...population.slice(1));
  const early = population.slice(0, -1).reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  if (schedule.length > 0 && (elites > smallest || elites > early)) {
    throw new RangeError(
      `Cannot run EvoSearch with ${elites} elites as the smallest population is ${Math.min(smallest, early)}. Lower "elites" or raise "population".`,
    );
  }

  return Object.freeze({
    name: "evo-search",
    options: { schedule, population, elites, selection: selection.name, mutation: mutation.name, parents },

    firstCost(space: SearchSpace) {
      checkSchedule("EvoSearch", schedule, space);
      return {
        nfe: population[0]! * fullCost(space),
        sum: `${population[0]} candidates x ${space.numSteps} steps (${fullCost(space)} NFE each)`,
        options: '"population"',
      };
    },

    async *run(context: SearchContext): AsyncGenerator<SearchEvent, void> {
      const { space, seed, rng, remaining, born } = context;
      const roots = Array.from({ length: population[0]! }, (_, i) => space.root(i, seed));
      let individuals = yield* born(roots, "root");
      let births = roots.length;
      let all: Individual[] = [];
      for (let g = 0; ; g++) {
        const newest = yield* rollOut(context, individuals, schedule, g);
        all = parents === "all" ? [...all, ...newest] : newest;
        yield { type: "generation", index: g, ...summary(newest.map((one) => one.verdict.score)) };
        if (g === schedule.length) return;

        const states = all.map((one) => one.states.get(g)!);
        const cost = space.nfe(states[0]!, endOf(space));
        const size = Math.min(population[g + 1]!, Math.floor(remaining() / cost));
        if (size === 0) return;
        const fitness = context.compare(all.map((one) => one.verdict));
        const kept = ranking(fitness).slice(0, Math.min(elites, size));
        const elite = kept.map((i) => space.mutate(states[i]!, births++, { rate: 0, scale: 0 }));
        const chosen = selection.choose(fitness, size - elite.length, rng.at("generation", g));
        const children = chosen.map((i) => mutation.apply(space, states[i]!, births++));
        individuals = [...(yield* born(elite, "elite")), ...(yield* born(children, "mutate"))];
        // Whoever is cached at a generation to come may be a parent then.
        const toCome = all.flatMap((one) =>
          [...one.states].flatMap(([slot, state]) => (slot > g ? [state] : [])),
        );
        space.keep([...individuals, ...toCome]);
      }
    },
  });
}

/** Finishes individuals born in generation `g`, with their states before each scheduled step from `g` on. */
async function* rollOut(
  { space, advance, score }: SearchContext,
  individuals: readonly Candidate[],
  schedule: readonly number[],
  g: number,
): AsyncGenerator<SearchEvent, Individual[]> {
  const states = individuals.map(() => new Map<number, Candidate>());
  let rolling = individuals;
  for (let slot = g; slot < schedule.length; slot++) {
    rolling = yield* advance(rolling, space.position(schedule[slot]!));
    rolling.forEach((candidate, i) => {
      states[i]!.set(slot, candidate);
    });
  }
  const finished = yield* score(yield* advance(rolling, endOf(space)), "end");
  return finished.map((one, i) => ({ states: states[i]!, verdict: one }));
}
