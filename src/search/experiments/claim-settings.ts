/**
 * The places where the claims of Video-T1 and EvoSearch are put to the test at mini scale.
 *
 *   "clip"     8 chunks of 3 steps, judged as film: what a causal generator is for. Partial clips can be judged, so trees and
 *              particles see far ahead for free; EvoSearch pays a whole clip for each fitness.
 *   "picture"  one chunk of 16 steps, judged as a picture: the nearest thing to the image models of EvoSearch. Nothing is
 *              finished before the end, and the reward has no ceiling within reach.
 *
 * Searches are led by `reward` and reported by `report`, which no search sees. Steps are few so that one sample is far from
 * the best there is: with more of them the model's first sample is nearly as good as any (notebooks/LOG.md).
 */
import { euler, type Solver } from "../../diffusion/solvers.ts";
import { type WorldDimension, worldScore } from "../../metrics/world-score.ts";
import { noisy } from "../../verify/noisy.ts";
import { oracle } from "../../verify/oracle.ts";
import {
  colorProxy,
  motionProxy,
  shapeProxy,
  sharpnessProxy,
  smoothnessProxy,
  vividProxy,
} from "../../verify/proxies.ts";
import type { Stage, Verifier } from "../../verify/verifier.ts";
import type { Video } from "../../video/video.ts";
import { evoSearch, noiseMutation, tournament } from "../evo-search.ts";
import { linearSearch } from "../linear-search.ts";
import { particleSampling } from "../particle-sampling.ts";
import type { SearchStrategy } from "../strategy.ts";
import { treeOfFrames } from "../tree-of-frames.ts";

export interface Contender {
  readonly label: string;
  /** NFE limit, in whole candidates. */
  readonly budget: number;
  readonly strategy: SearchStrategy;
  /** Default: the setting's. */
  readonly solver?: Solver;
}

export interface ClaimSetting {
  readonly name: "clip" | "picture" | "picture 64" | "full clip" | "full clip 32" | "full clip motion";
  readonly chunks: number;
  readonly steps: number;
  readonly shift: number;
  /** Candidates of the pool, and the largest budget. */
  readonly n: number;
  readonly stage: Stage;
  /** What leads the searches. */
  readonly reward: Verifier;
  /** Verifiers whose choice among the pool is looked at, by the name of their field. */
  readonly graders: Readonly<Record<string, Verifier>>;
  /** What is reported; `total` is the true score, `heldOut` a score that has nothing to do with the reward. */
  report(video: Video, prompt: string): Promise<{ readonly [field: string]: number }>;
  readonly contenders: readonly Contender[];
}

const temporal: readonly WorldDimension[] = ["smooth_motion", "steady_light", "scene_stability"];
const content: readonly WorldDimension[] = ["right_shape", "right_count", "right_colour"];

/** A tree whose width is two segments of two chunks: judged, cut to `keep`, and branched again after every second chunk. */
function tree(keep: number, chunks: number): SearchStrategy {
  const judgeAt = Array.from({ length: chunks }, (_, chunk) => chunk).filter(
    (chunk) => chunk % 2 === 1 && chunk < chunks - 1,
  );
  if (keep === 0) return treeOfFrames({ roots: 2, keep: 1, judgeAt, heuristic: "last" });
  const branch = Array.from({ length: chunks }, (_, chunk) => (chunk > 0 && chunk % 2 === 0 ? 2 : 1));
  return treeOfFrames({ roots: 4 * keep, branch, keep, judgeAt, heuristic: "last" });
}

/** EvoSearch whose first population is `start` times the others; `shares` are its schedule as shares of the way, `size` its tournaments. */
export function evolution(
  numSteps: number,
  budget: number,
  shares: readonly number[],
  start: number,
  size = 3,
): SearchStrategy {
  const schedule = shares.map((share) => Math.round(share * numSteps));
  const rest = schedule.reduce((sum, elapsed) => sum + (numSteps - elapsed) / numSteps, 0);
  const first = Math.max(2, Math.round((start * budget) / (start + rest)));
  const other = Math.max(2, Math.floor((budget - first) / rest));
  return evoSearch({
    schedule,
    population: [first, ...schedule.map(() => other)],
    elites: 1,
    selection: tournament({ size }),
    mutation: noiseMutation(),
  });
}

/** @param n candidates of the pool; @param graderError standard deviation of the grader's error, in world score */
export function clipSetting({
  n = 16,
  chunks = 8,
  steps = 3,
  graderError = 0.03,
}: {
  readonly n?: number;
  readonly chunks?: number;
  readonly steps?: number;
  readonly graderError?: number;
} = {}): ClaimSetting {
  const reward = noisy(oracle(), graderError);
  const held = [smoothnessProxy(), motionProxy()];
  const size = chunks * steps;
  return {
    name: "clip",
    chunks,
    steps,
    shift: 2,
    n,
    stage: "end",
    reward,
    graders: {
      color: colorProxy(),
      shape: shapeProxy(),
      motion: motionProxy(),
      smoothness: smoothnessProxy(),
      sharpness: sharpnessProxy(),
      vivid: vividProxy(),
    },
    report: filmReport(held),
    contenders: [
      ...[0, 1, 2, 4].map((keep) => ({ label: `tree ${keep}`, budget: n, strategy: tree(keep, chunks) })),
      ...[n / 2, n].flatMap((budget) => [
        { label: "evo-search", budget, strategy: evolution(size, budget, [0.25, 0.5, 0.75], 1) },
        {
          label: "particles",
          budget,
          strategy: particleSampling({ n: budget, potential: "diff", lambda: 20 }),
        },
      ]),
    ],
  };
}

/**
 * All chunks denoised together by a bidirectional model (src/train/recipes/full-clip.ts), judged as film: the generator of the
 * paper. Nothing is finished before the end, and what a particle sees ahead is the network's blurred prediction.
 */
export function fullClipSetting({
  n = 16,
  steps = 4,
  graderError = 0.03,
}: {
  readonly n?: number;
  readonly steps?: number;
  readonly graderError?: number;
} = {}): ClaimSetting {
  return {
    name: "full clip",
    chunks: 1,
    steps,
    shift: 2,
    n,
    stage: "end",
    reward: noisy(oracle(), graderError),
    graders: {},
    report: filmReport([smoothnessProxy(), motionProxy()]),
    contenders: [
      ...[n / 2, n].flatMap((budget) => [
        { label: "evo-search", budget, strategy: evolution(steps, budget, [0.25, 0.5, 0.75], 1) },
        {
          label: "particles",
          budget,
          strategy: particleSampling({ n: budget, potential: "diff", lambda: 20 }),
        },
      ]),
      // Without fresh noise on the way a child has its parent's initial noise, and what it is made of is inherited.
      { label: "linear euler", budget: n, strategy: linearSearch({ n }), solver: euler() },
      {
        label: "evo euler",
        budget: n,
        strategy: evoSearch({
          schedule: [0],
          population: [n / 2, n / 2],
          mutation: noiseMutation({ rate: 0.5 }),
        }),
        solver: euler(),
      },
    ],
  };
}

export function pictureSetting({
  n = 16,
  steps = 16,
}: {
  readonly n?: number;
  readonly steps?: number;
} = {}): ClaimSetting {
  const parts = [shapeProxy(), vividProxy()];
  const reward: Verifier = {
    name: "shape + vivid",
    async score(inputs, options) {
      const [shape, vivid] = await Promise.all(parts.map((part) => part.score(inputs, options)));
      return shape!.map((score, i) => (score + vivid![i]!) / 2);
    },
  };
  const held = oracle();
  const evo = (label: string, budget: number, shares: readonly number[], start: number): Contender => ({
    label,
    budget,
    strategy: evolution(steps, budget, shares, start),
  });
  return {
    name: "picture",
    chunks: 1,
    steps,
    shift: 2,
    n,
    stage: "scene",
    reward,
    graders: {},
    async report(video, prompt) {
      const truth = await average([held], video, prompt, "scene");
      return { total: truth, heldOut: truth };
    },
    contenders: [
      ...[n / 2, n].flatMap((budget) => [
        evo("evo-search", budget, [0.25, 0.5, 0.75], 1),
        {
          label: "particles",
          budget,
          strategy: particleSampling({ n: budget, potential: "diff", lambda: 20 }),
        },
      ]),
      // k_start against T_evo, at the largest budget.
      evo("evo k_start 0.5", n, [0.25, 0.5, 0.75], 0.5),
      evo("evo k_start 2", n, [0.25, 0.5, 0.75], 2),
      evo("evo schedule early", n, [0.125, 0.25, 0.5], 1),
      evo("evo schedule late", n, [0.5, 0.75, 0.875], 1),
    ],
  };
}

/**
 * EvoSearch and particles on larger populations, with generations where a child is like its parent and cheap: chosen on other
 * prompts and seeds, like the particles' steps and potential. Measured there: the correlation of a parent's reward with its
 * child's is 0 at the initial noise (the first step of the SDE drops it), .24, .59 and .74 after 1/4, 1/2 and 3/4 of a
 * picture's 16 steps, .6 and .9 after 1/4 and 1/2 of a full clip's four; the last step adds no noise, so that children
 * bred before it are copies.
 */
function largePopulations(
  base: ClaimSetting,
  { name, n, budgets = [n / 2, n], shares, start, size, resampleAt }: LargePopulations,
): ClaimSetting {
  const resample = resampleAt.map((share) => Math.round(share * base.steps));
  return {
    ...base,
    name,
    n,
    contenders: budgets.flatMap((budget) => [
      { label: "evo-search", budget, strategy: evolution(base.steps, budget, shares, start, size) },
      {
        label: "particles",
        budget,
        strategy: particleSampling({ n: budget, potential: "diff", lambda: 20, schedule: resample }),
      },
    ]),
  };
}

interface LargePopulations {
  readonly name: ClaimSetting["name"];
  readonly n: number;
  /** Default: half of n, and n. */
  readonly budgets?: readonly number[];
  /** Generations, as shares of the way; `start` and `size` as in `evolution`. */
  readonly shares: readonly number[];
  readonly start: number;
  readonly size: number;
  /** Where particles are resampled, as shares of the way. */
  readonly resampleAt: readonly number[];
}

export function largePictureSetting({
  n = 64,
  steps = 16,
}: {
  readonly n?: number;
  readonly steps?: number;
} = {}): ClaimSetting {
  const shares = [0.25, 0.375, 0.5, 0.625, 0.75, 0.875];
  const own = {
    name: "picture 64",
    n,
    shares,
    start: 0.875,
    size: 8,
    resampleAt: [0.25, 0.5, 0.75],
  } as const;
  return largePopulations(pictureSetting({ steps }), own);
}

export function largeFullClipSetting({ n = 32 }: { readonly n?: number } = {}): ClaimSetting {
  const own = {
    name: "full clip 32",
    n,
    shares: [0.25, 0.5],
    start: 0.85,
    size: 6,
    resampleAt: [0.5],
  } as const;
  return largePopulations(fullClipSetting(), own);
}

/**
 * A reward that predictions do not show: motion. Half-way through four steps the motion proxy of a full clip's prediction
 * correlates by .24 with that of the clip, a child's by .76 (chosen on other prompts and seeds).
 */
export function motionFullClipSetting({ n = 32 }: { readonly n?: number } = {}): ClaimSetting {
  const own = {
    name: "full clip motion",
    n,
    budgets: [n],
    shares: [0.5],
    start: 0.5,
    size: 6,
    resampleAt: [0.5],
  } as const;
  const base = {
    ...fullClipSetting(),
    reward: motionProxy(),
    report: filmReport([shapeProxy(), smoothnessProxy()]),
  };
  return largePopulations(base, own);
}

/** The world score, and `held`, which no search sees. */
function filmReport(held: readonly Verifier[]): ClaimSetting["report"] {
  return async (video, prompt) => {
    const truth = worldScore(video, prompt);
    const mean = (dimensions: readonly WorldDimension[]) =>
      dimensions.reduce((sum, dimension) => sum + truth.dimensions[dimension], 0) / dimensions.length;
    return {
      total: truth.total,
      content: mean(content),
      temporal: mean(temporal),
      right: truth.correct.all ? 1 : 0,
      heldOut: await average(held, video, prompt, "end"),
    };
  };
}

async function average(
  verifiers: readonly Verifier[],
  video: Video,
  prompt: string,
  stage: Stage,
): Promise<number> {
  const scores = await Promise.all(
    verifiers.map(async (verifier) => (await verifier.score([{ video, prompt, stage }]))[0]!),
  );
  return scores.reduce((sum, score) => sum + score, 0) / scores.length;
}
