/**
 * The arithmetic of a search space that needs no network: where steps lie, what they cost, how candidates are started,
 * branched and mutated. All of it follows from a few numbers, so a space on the other side of a wire has it too.
 */
import { sdeDpmSolver } from "../diffusion/solvers.ts";
import type { Candidate, Position } from "./candidate.ts";
import { mutationNoise } from "./noise.ts";
import type { MutateOptions, SearchSpace } from "./space.ts";

/** How one kind of chunk is denoised, in numbers. */
export interface StageNumbers {
  /** From 1 (noise) to 0 (data), one entry more than steps. */
  readonly schedule: readonly number[];
  /** Denoiser calls of a step; the last step takes one. */
  readonly callsPerStep: number;
  /** Latent frames of the chunk. */
  readonly frames: number;
  /** Values of the chunk. */
  readonly size: number;
}

export interface PlanNumbers {
  /** Chunks of a finished candidate. */
  readonly chunks: number;
  /** Chunk 0, which may be a picture of its own kind. */
  readonly first: StageNumbers;
  readonly following: StageNumbers;
}

export type CandidatePlan = Pick<SearchSpace, "numSteps" | "position" | "nfe" | "root" | "fork" | "mutate">;

export function candidatePlan({ chunks, first, following }: PlanNumbers): CandidatePlan {
  const stageOf = (chunk: number): StageNumbers => (chunk === 0 ? first : following);
  const stepsOf = (chunk: number): number => stageOf(chunk).schedule.length - 1;
  const numSteps = stepsOf(0) + (chunks - 1) * stepsOf(1);

  return Object.freeze({
    numSteps,

    position(elapsed: number): Position {
      if (!(Number.isInteger(elapsed) && elapsed >= 0 && elapsed <= numSteps)) {
        throw new RangeError(
          `Cannot place step ${elapsed} as a candidate has ${numSteps} steps (${chunks} chunks). Give an integer from 0 to ${numSteps}.`,
        );
      }
      if (elapsed < stepsOf(0)) return { chunk: 0, step: elapsed };
      const rest = elapsed - stepsOf(0);
      return { chunk: 1 + Math.floor(rest / stepsOf(1)), step: rest % stepsOf(1) };
    },

    nfe(from: Position, to: Position) {
      let total = 0;
      for (let chunk = from.chunk; chunk <= Math.min(to.chunk, chunks - 1); chunk++) {
        const { callsPerStep, frames } = stageOf(chunk);
        const last = stepsOf(chunk) - 1;
        const begin = chunk === from.chunk ? from.step : 0;
        const end = chunk === to.chunk ? to.step : last + 1;
        for (let step = begin; step < end; step++) total += (step === last ? 1 : callsPerStep) * frames;
      }
      return total;
    },

    root(index: number, seed: number): Candidate {
      const lineage = Object.freeze([index]);
      return Object.freeze({ seed, lineage, genome: { lineage, rate: 1 }, chunk: 0, step: 0 });
    },

    fork(candidate: Candidate, index: number): Candidate {
      const lineage = Object.freeze([...candidate.lineage, index]);
      return Object.freeze({ ...candidate, lineage, genome: { lineage, rate: 1 } });
    },

    mutate(candidate: Candidate, index: number, { rate, scale = 1 }: MutateOptions): Candidate {
      if (!(rate >= 0 && rate <= 1 && scale >= 0)) {
        throw new RangeError(
          `Cannot mutate with rate ${rate} and scale ${scale}: the rate must lie in [0, 1] and the scale must not be negative.`,
        );
      }
      const lineage = Object.freeze([...candidate.lineage, index]);
      const child: Candidate = { ...candidate, lineage, genome: { lineage, rate, parent: candidate.genome } };
      if (!candidate.xt || scale === 0) return Object.freeze(child);
      const { schedule, size } = stageOf(candidate.chunk);
      const sigma = scale * sdeDpmSolver().sigma(schedule, candidate.step);
      const xt = mutationNoise(child, size);
      for (let i = 0; i < size; i++) xt[i] = candidate.xt[i]! + sigma * xt[i]!;
      return Object.freeze({ ...child, xt });
    },
  });
}
