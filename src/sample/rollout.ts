/**
 * Autoregressive sampling: chunk by chunk, each integrated from noise given the finished ones, then remembered
 * (Resampling Forcing 2512.15702, section 3.4: shifted Euler, guidance, one cache write per chunk).
 *
 *   for chunk: x_1 = noise(seed, chunk);  solver steps 1 -> 0 with v(x_t, t, history);  history <- append(x_0)
 *
 * Noise is a pure function of (row seed, chunk, step): a row comes out the same whatever shares its batch. Length is free:
 * with a windowed history neither time nor memory per chunk grows.
 */
import { type Account, cellAccount } from "../diffusion/account.ts";
import { cellSignal } from "../diffusion/cell-signal.ts";
import type { Denoiser, History } from "../diffusion/denoiser.ts";
import { guided } from "../diffusion/guidance.ts";
import { type Meter, meter, metered, meteredNetwork, spent } from "../diffusion/nfe.ts";
import { euler, type Solver } from "../diffusion/solvers.ts";
import { checkSchedule, type Schedule, shiftedSchedule } from "../diffusion/timesteps.ts";
import type { HistoryOptions } from "../model/causal-wan.ts";
import type { HistoryPolicy } from "../model/history-policy.ts";
import { withHistory } from "../model/with-history.ts";
import { positiveInteger, requireNumbers } from "../tensor/ranges.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Codec } from "../video/codec.ts";
import { unstackVideos } from "../video/dataset.ts";
import type { Video } from "../video/video.ts";
import { denoiseChunk } from "./denoise-chunk.ts";

export interface RolloutOptions extends HistoryOptions {
  /** One row per prompt; "" is the empty prompt. */
  readonly prompts: readonly string[] | string;
  /** Length of the result in chunks, given ones included. */
  readonly chunks: number;
  /** One seed per row, or the seed of row 0, the next rows counting up from it. */
  readonly seeds?: readonly number[] | number;
  readonly steps?: number;
  readonly shift?: number;
  /** Overrides `steps` and `shift`. */
  readonly schedule?: Schedule;
  readonly solver?: Solver;
  /** 1 = off; see `guided`. */
  readonly guidanceScale?: number;
  /** For models with exchangeable history; default: the model's own policy. */
  readonly history?: HistoryPolicy;
  /** [B or 1, n frames, H, W, C] clean latents to continue from; whole chunks. */
  readonly given?: Tensor;
  /** Decodes every chunk as it is finished. */
  readonly codec?: Codec;
  readonly fps?: number;
  /** Counts into a meter of the caller's. */
  readonly meter?: Meter;
  /** Charged with what was spent; default: a notebook's open run, unless a meter says that the caller counts. */
  readonly run?: Account;
  /** Default: the stop button of the notebook cell. */
  readonly signal?: AbortSignal | undefined;
}

/** A finished chunk. */
export interface RolloutChunk {
  readonly chunk: number;
  /** [B, frames, H, W, C]; yours to dispose. */
  readonly latents: Tensor;
  /** Its frames, one video per row; only with `codec`. */
  readonly videos?: readonly Video[];
  /** Whether it was given rather than generated. */
  readonly isGiven: boolean;
  readonly seconds: number;
  /** Memory of the history after this chunk. */
  readonly historyBytes: number;
}

export interface RolloutResult {
  /** [B, chunks frames, H, W, C]; yours to dispose. */
  readonly latents: Tensor;
  /** Whole clips, one per row; only with `codec`. */
  readonly videos: readonly Video[];
  readonly perChunk: readonly Omit<RolloutChunk, "latents" | "videos">[];
}

/**
 * Streams the chunks of a rollout. Stop it by `break` or by the signal: memory is freed, finished chunks stay yours.
 * @throws RangeError for empty prompts, lengths that are not whole chunks, schedules that do not end at 0
 * @example for await (const { videos } of rollout(model, { prompts, chunks: 24, codec })) show(videos);
 */
export async function* rollout(
  denoiser: Denoiser,
  options: RolloutOptions,
): AsyncGenerator<RolloutChunk, void, undefined> {
  const { steps = 10, shift = 2, solver = euler(), given, codec, signal = cellSignal() } = options;
  const prompts = typeof options.prompts === "string" ? [options.prompts] : options.prompts;
  const schedule = options.schedule ?? shiftedSchedule({ steps, shift });
  checkSchedule(schedule, "roll out");
  const seeds = rowSeeds(options.seeds ?? 0, prompts.length);
  const account = options.run ?? (options.meter ? undefined : cellAccount());
  const cost = options.meter ?? (account && meter());
  const before = cost?.read();
  let seconds = 0;
  const network = prepared(denoiser, options, cost);
  const [frames] = network.chunkShape;
  const givenChunks = checkLengths(network, prompts.length, options);

  const condition = network.encode(prompts);
  let history: History = network.emptyHistory(prompts.length);
  try {
    for (let chunk = 0; chunk < options.chunks; chunk++) {
      signal?.throwIfAborted();
      const start = performance.now();
      const isGiven = chunk < givenChunks;
      const latents = isGiven
        ? tf.tidy(() => {
            const part = given!.slice([0, chunk * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
            return part.shape[0] === prompts.length ? part : part.tile([prompts.length, 1, 1, 1, 1]);
          })
        : await denoiseChunk(network, { chunk, seeds, solver, schedule, history, condition, signal });
      if (chunk + 1 < options.chunks) {
        const next = network.append(latents, history, condition);
        history.dispose();
        history = next;
      }
      const videos = codec && (await decoded(codec, latents, prompts, options.fps));
      const took = (performance.now() - start) / 1000;
      seconds += took;
      const { bytes: historyBytes } = history;
      yield { chunk, latents, ...(videos && { videos }), isGiven, seconds: took, historyBytes };
    }
  } finally {
    if (account && cost && before) account.spend?.({ ...spent(before, cost.read()), seconds }, "rollout");
    history.dispose();
    condition.tokens.dispose();
  }
}

/** A whole rollout at once. */
export async function rolloutClip(denoiser: Denoiser, options: RolloutOptions): Promise<RolloutResult> {
  const { codec, ...rest } = options;
  const parts: Tensor[] = [];
  const perChunk: Omit<RolloutChunk, "latents" | "videos">[] = [];
  try {
    for await (const { latents, ...report } of rollout(denoiser, rest)) {
      parts.push(latents);
      perChunk.push(report);
    }
    const latents = tf.tidy(() => tf.concat(parts, 1));
    const prompts = typeof options.prompts === "string" ? [options.prompts] : options.prompts;
    const videos = codec ? await decoded(codec, latents, prompts, options.fps) : [];
    return Object.freeze({ latents, videos, perChunk });
  } finally {
    tf.dispose(parts);
  }
}

/** One clip from a model whose chunk is the whole clip (bidirectional generation). */
export function generateClip(
  denoiser: Denoiser,
  options: Omit<RolloutOptions, "chunks" | "given">,
): Promise<RolloutResult> {
  return rolloutClip(denoiser, { ...options, chunks: 1 });
}

/** The denoiser under the asked history policy, guidance and meter. */
function prepared(denoiser: Denoiser, options: RolloutOptions, cost: Meter | undefined): Denoiser {
  const { history, recorder, maxDistance, mergeWrites, cachePrecision, guidanceScale = 1 } = options;
  let network = withHistory(denoiser, history, {
    ...(recorder && { recorder }),
    ...(maxDistance !== undefined && { maxDistance }),
    ...(mergeWrites !== undefined && { mergeWrites }),
    ...(cachePrecision !== undefined && { cachePrecision }),
  });
  if (cost) network = meteredNetwork(network, cost);
  network = guided(network, { scale: guidanceScale });
  return cost ? metered(network, cost) : network;
}

function rowSeeds(seeds: readonly number[] | number, rows: number): readonly number[] {
  if (typeof seeds === "number") return Array.from({ length: rows }, (_, row) => seeds + row);
  if (seeds.length !== rows) {
    throw new RangeError(
      `Cannot roll out as there must be one seed per prompt: got ${seeds.length} seeds and ${rows} prompts. Give one number to count up from.`,
    );
  }
  return seeds;
}

/** @returns the number of given chunks */
function checkLengths(network: Denoiser, rows: number, { chunks, given }: RolloutOptions): number {
  const [frames] = network.chunkShape;
  if (rows === 0)
    throw new RangeError('Cannot roll out without prompts: got none. Use [""] for an unprompted row.');
  requireNumbers("roll out", { chunks }, positiveInteger, `A chunk is ${frames} latent frames.`);
  if (!given) return 0;
  const givenFrames = given.shape[1]!;
  if (givenFrames % frames !== 0 || (given.shape[0] !== rows && given.shape[0] !== 1)) {
    throw new RangeError(
      `Cannot continue as "given" must be [${rows} or 1, a multiple of ${frames} frames, ...]: got [${given.shape}]. Cut it to whole chunks.`,
    );
  }
  return givenFrames / frames;
}

async function decoded(
  codec: Codec,
  latents: Tensor,
  prompts: readonly string[],
  fps: number | undefined,
): Promise<readonly Video[]> {
  const pixels = codec.decode(latents);
  try {
    return await unstackVideos(pixels, { prompts, ...(fps !== undefined && { fps }) });
  } finally {
    pixels.dispose();
  }
}
