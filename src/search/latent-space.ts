/**
 * The search space over any `Denoiser`, for three kinds of generator:
 *
 *   causal chunk-wise   searchSpace(model, { prompt, chunks: 8, steps: 16 })
 *   full clip           searchSpace(model, { prompt, steps: 16 }): one chunk, the whole clip; history stays empty
 *   image first         searchSpace(model, { prompt, chunks: 8, steps: 16, image: { denoiser, steps: 32 } }):
 *                       chunk 0 is a picture with its own network and schedule, then becomes the first chunk
 *
 * A candidate is plain data, computed here in micro-batches: tensors live from one stop to the next only.
 */
import type { Condition, Denoiser } from "../diffusion/denoiser.ts";
import { type Meter, meter, metered } from "../diffusion/nfe.ts";
import { dataFrom } from "../diffusion/path.ts";
import { type Solver, type SolverMemory, sdeDpmSolver } from "../diffusion/solvers.ts";
import { type Schedule, shiftedSchedule } from "../diffusion/timesteps.ts";
import type { HistoryPolicy } from "../model/history-policy.ts";
import { withHistory } from "../model/with-history.ts";
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Video, video } from "../video/video.ts";
import { type Candidate, comparePositions, finishedChunks, type Position } from "./candidate.ts";
import { candidatePlan, type PlanNumbers, type StageNumbers } from "./candidate-plan.ts";
import { eventLoopTurns } from "./event-loop.ts";
import { concatenate, historyCache } from "./history-cache.ts";
import { genomeNoise, stepNoise } from "./noise.ts";
import type { AdvanceOptions, SearchSpace } from "./space.ts";
import { type Stopwatch, untimed } from "./stopwatch.ts";
import { rowsOf, tensorFromRows } from "./tensor-rows.ts";

/** How one kind of chunk is denoised. */
export interface DenoisePlan {
  readonly steps: number;
  /** Shift of the schedule towards noise; default 1 (none). Ignored where `schedule` is given. */
  readonly shift?: number;
  readonly schedule?: Schedule;
  /** Default: SDE-DPM-Solver++ of order 1, so that every step is a place to branch. */
  readonly solver?: Solver;
}

export interface ImagePlan extends DenoisePlan {
  /** Makes the first picture; its chunk shape may have fewer frames than the video's chunks. */
  readonly denoiser: Denoiser;
}

export interface SearchSpaceOptions extends DenoisePlan {
  readonly prompt: string;
  /** Chunks of a finished video; default 1. */
  readonly chunks?: number;
  /** Latents to pixels; default: the latents are RGB pixels. */
  readonly codec?: { decode(latents: Tensor): Tensor };
  /** What a chunk may look back at, for models that let it be chosen; default: the model's own policy. */
  readonly history?: HistoryPolicy;
  readonly image?: ImagePlan;
  /** Candidates in one network call; speed and memory only, never the result. Default 8. */
  readonly batchSize?: number;
  readonly fps?: number;
  /** Counts into a meter of the caller's. */
  readonly cost?: Meter;
  /**
   * Told where time goes: "network", "solver", "noise", "decode", which plain sampling of the same candidates has too, and
   * "caches" and "states", the copies that branching and regrouping cost.
   */
  readonly watch?: Stopwatch;
}

/** A space that computes here; its numbers are what a wire needs to stand in for it. */
export interface LatentSpace extends SearchSpace {
  readonly numbers: PlanNumbers;
}

interface Stage {
  readonly denoiser: Denoiser;
  readonly schedule: Schedule;
  readonly solver: Solver;
  readonly size: number;
}

/** @throws RangeError for a chunk count, step count or batch size below 1; TypeError for `history` where it is fixed. */
export function searchSpace(model: Denoiser, options: SearchSpaceOptions): LatentSpace {
  const { prompt, chunks = 1, codec, history, image, batchSize = 8, fps = 8, cost = meter() } = options;
  const { watch = untimed } = options;
  requireNumbers("search", { chunks, batchSize }, positiveInteger);
  const following = stage(metered(watched(withHistory(model, history), watch), cost), options);
  const first = image ? stage(metered(watched(image.denoiser, watch), cost), image) : following;
  if (first.denoiser.chunkShape.slice(1).join() !== following.denoiser.chunkShape.slice(1).join()) {
    throw new RangeError(
      `Cannot start from pictures of [${first.denoiser.chunkShape.slice(1)}] as the video's frames are [${following.denoiser.chunkShape.slice(1)}]. Give an image denoiser of the same latent size.`,
    );
  }
  const stageOf = (chunk: number): Stage => (chunk === 0 ? first : following);
  const stepsOf = (chunk: number): number => stageOf(chunk).schedule.length - 1;
  const numbersOf = ({ denoiser, schedule, solver, size }: Stage): StageNumbers => ({
    schedule,
    callsPerStep: solver.callsPerStep,
    frames: denoiser.chunkShape[0],
    size,
  });
  const numbers: PlanNumbers = { chunks, first: numbersOf(first), following: numbersOf(following) };

  const conditions = new Map<string, Condition>();
  const conditionOf = (denoiser: Denoiser) => (batch: number) => {
    const key = `${denoiser === first.denoiser ? "first" : "following"} ${batch}`;
    const found = conditions.get(key);
    if (found) return found;
    const made = denoiser.encode(new Array<string>(batch).fill(prompt));
    tf.keep(made.tokens);
    conditions.set(key, made);
    return made;
  };
  const histories = historyCache(following.denoiser, conditionOf(following.denoiser), watch);
  const turn = eventLoopTurns();

  /** A picture becomes a chunk by repeating its last frame. */
  const lift = (latents: Float32Array): Float32Array => {
    if (latents.length === following.size) return latents;
    const frame = following.size / following.denoiser.chunkShape[0];
    const last = latents.subarray(latents.length - frame);
    return concatenate([
      latents,
      ...new Array<Float32Array>((following.size - latents.length) / frame).fill(last),
    ]);
  };

  /** Runs one micro-batch, all at the same position of the same chunk, up to `until` steps of it. */
  async function denoise(
    batch: readonly Candidate[],
    until: number,
    signal?: AbortSignal,
  ): Promise<Candidate[]> {
    const { chunk, step: from } = batch[0]!;
    const { denoiser, schedule, solver } = stageOf(chunk);
    const shape = [batch.length, ...denoiser.chunkShape];
    const loan = chunk === 0 ? undefined : histories.take(batch.map((candidate) => candidate.finished));
    const history = loan?.history ?? denoiser.emptyHistory(batch.length);
    const condition = conditionOf(denoiser)(batch.length);
    const isDone = until === schedule.length - 1;
    const upload = (rowOf: (c: Candidate) => Float32Array): Tensor =>
      watch.time("states", () => tensorFromRows(shape, (row, values) => values.set(rowOf(batch[row]!))));
    const drawn = (draw: (c: Candidate, out: Float32Array) => void): Tensor =>
      watch.time("noise", () => tensorFromRows(shape, (row, values) => draw(batch[row]!, values)));
    let xt = from > 0 ? upload((c) => c.xt!) : drawn((c, out) => genomeNoise(c.seed, c.genome, chunk, out));
    let x0: Tensor | undefined;
    /** What the solver may remember of the step before; a candidate's own is brought up only where a solver asks. */
    const memoryOf = (index: number): SolverMemory | undefined => {
      if (x0) return { x0, t: schedule[index - 1]! };
      if (index === 0 || index > from) return undefined;
      return {
        get x0() {
          return upload((c) => c.x0!);
        },
        t: schedule[index - 1]!,
      };
    };
    try {
      for (let index = from; index < until; index++) {
        signal?.throwIfAborted();
        const next = watch.time("solver", () => {
          const result = tf.tidy(() => {
            let first: Tensor | undefined;
            const step = solver.step(xt, {
              schedule,
              index,
              velocity(x, t) {
                const v = denoiser.velocity(x, t, history, condition);
                first ??= v;
                return v;
              },
              noise: () => drawn((c, out) => stepNoise(c, chunk, index, out)),
              memory: memoryOf(index),
            });
            const isSeen = index === until - 1 && !isDone;
            const predicted =
              step.memory?.x0 ?? (isSeen ? dataFrom(xt, first!, schedule[index]!) : undefined);
            return { xt: step.xt, ...(predicted && { x0: predicted }) };
          });
          xt.dispose();
          x0?.dispose();
          return result;
        });
        ({ xt, x0 } = next);
        const others = turn();
        if (others) await others;
      }
      const states = await watch.time("states", () => rowsOf(xt));
      if (!isDone) {
        const predictions = await watch.time("states", () => rowsOf(x0!));
        return batch.map((c, row) => withState(c, until, states[row]!, predictions[row]!));
      }
      return batch.map((c, row) => withChunk(c, lift(states[row]!)));
    } finally {
      xt.dispose();
      x0?.dispose();
      if (loan) loan.giveBack();
      else history.dispose();
    }
  }

  async function pictures(sequences: readonly Float32Array[][]): Promise<Video[]> {
    const [frames, height, width, channels] = following.denoiser.chunkShape;
    const videos: Video[] = [];
    for (let start = 0; start < sequences.length; ) {
      const count = sequences[start]!.length;
      let end = start;
      while (end < sequences.length && end - start < batchSize && sequences[end]!.length === count) end++;
      const slice = sequences.slice(start, end);
      start = end;
      const shape = [slice.length, count * frames, height, width, channels];
      const pixels = watch.time("decode", () =>
        tf.tidy(() => {
          const latents = tensorFromRows(shape, (row, values) => {
            slice[row]!.forEach((chunk, i) => {
              values.set(chunk, i * following.size);
            });
          });
          return codec ? codec.decode(latents) : latents;
        }),
      );
      const [, numFrames, h, w] = pixels.shape as [number, number, number, number];
      // A backend computes at the latest now. What it takes, and to take a batch apart, belongs to decoding.
      const clips = await watch.time("decode", () => rowsOf(pixels));
      pixels.dispose();
      for (const clip of clips) {
        videos.push(video({ numFrames, height: h, width: w, fps, data: clip, prompt }));
      }
    }
    return videos;
  }

  return Object.freeze({
    name: `${model.name} x ${chunks} chunks x ${following.schedule.length - 1} steps (${following.solver.name})`,
    prompt,
    numChunks: chunks,
    batchSize,
    ...candidatePlan(numbers),
    numbers,

    async advance(candidates: readonly Candidate[], to: Position, { signal }: AdvanceOptions = {}) {
      const out = [...candidates];
      for (;;) {
        // The earliest first, all that stand there together.
        let lowest: Candidate | undefined;
        for (const one of out) {
          if (comparePositions(one, to) < 0 && (!lowest || comparePositions(one, lowest) < 0)) lowest = one;
        }
        if (!lowest) return out;
        const { chunk, step } = lowest;
        const together: number[] = [];
        for (let i = 0; i < out.length; i++) {
          if (out[i]!.chunk === chunk && out[i]!.step === step) together.push(i);
        }
        const until = chunk === to.chunk ? to.step : stepsOf(chunk);
        for (const group of histories.group(together.map((i) => out[i]!.finished))) {
          for (let start = 0; start < group.length; start += batchSize) {
            const indices = group.slice(start, start + batchSize).map((i) => together[i]!);
            const batch = indices.map((i) => out[i]!);
            const done = await denoise(batch, until, signal);
            for (let row = 0; row < done.length; row++) out[indices[row]!] = done[row]!;
          }
        }
      }
    },

    async decode(candidates: readonly Candidate[]) {
      return pictures(candidates.map((candidate) => visible(candidate, finishedChunks(candidate))));
    },

    async preview(candidates: readonly Candidate[]) {
      return pictures(
        candidates.map((candidate) =>
          visible(candidate, [...finishedChunks(candidate), ...(candidate.x0 ? [lift(candidate.x0)] : [])]),
        ),
      );
    },

    cost: () => cost.read(),
    keep: (live: readonly Candidate[]) => histories.keep(live),
    get cacheBytes() {
      return histories.bytes;
    },
  });
}

function stage(denoiser: Denoiser, plan: DenoisePlan): Stage {
  const { steps, shift = 1, solver = sdeDpmSolver() } = plan;
  const schedule = plan.schedule ?? shiftedSchedule({ steps, shift });
  return { denoiser, schedule, solver, size: denoiser.chunkShape.reduce((product, n) => product * n, 1) };
}

/** The denoiser with its calls told to `watch`. */
function watched(denoiser: Denoiser, watch: Stopwatch): Denoiser {
  if (watch === untimed) return denoiser;
  return Object.freeze({
    ...denoiser,
    encode: (...args: Parameters<Denoiser["encode"]>) =>
      watch.time("network", () => denoiser.encode(...args)),
    velocity: (...args: Parameters<Denoiser["velocity"]>) =>
      watch.time("network", () => denoiser.velocity(...args)),
    append: (...args: Parameters<Denoiser["append"]>) =>
      watch.time("network", () => denoiser.append(...args)),
  });
}

/** The candidate in the midst of its chunk. Written out, as it is made for every candidate at every stop. */
function withState(before: Candidate, step: number, xt: Float32Array, x0: Float32Array): Candidate {
  const { seed, lineage, genome, chunk, finished } = before;
  return Object.freeze(
    finished
      ? { seed, lineage, genome, finished, chunk, step, xt, x0 }
      : { seed, lineage, genome, chunk, step, xt, x0 },
  );
}

/** The candidate with its chunk finished. */
function withChunk({ seed, lineage, genome, chunk, finished }: Candidate, latents: Float32Array): Candidate {
  const node = Object.freeze(finished ? { latents, previous: finished } : { latents });
  return Object.freeze({ seed, lineage, genome, chunk: chunk + 1, step: 0, finished: node });
}

function visible(candidate: Candidate, chunks: Float32Array[]): Float32Array[] {
  if (chunks.length > 0) return chunks;
  throw new RangeError(
    `Cannot show candidate [${candidate.lineage.join(", ")}] as nothing of it is denoised yet. Advance it first.`,
  );
}
