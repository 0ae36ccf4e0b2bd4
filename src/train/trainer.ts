/**
 * One training loop for every forcing and every stage:
 *
 *   clips --codec--> x_0 --objective--> loss, gradient --optimizer--> weights, averaged weights --> row of the log
 *
 * Step i is a pure function of (seed, i) and the state before it, so an interrupted run that resumes from a checkpoint
 * gives the loss curve of one that was never interrupted, bit for bit on the same backend.
 */
import { type Account, cellAccount } from "../diffusion/account.ts";
import { cellSignal } from "../diffusion/cell-signal.ts";
import { logitNormal, mixture, type TimestepSampler, uniformTime } from "../diffusion/timesteps.ts";
import type { CausalWan } from "../model/causal-wan.ts";
import { chunkTokens } from "../model/config.ts";
import { type Precision, setPrecision } from "../tensor/device.ts";
import { positiveInteger, requireNumbers, share } from "../tensor/ranges.ts";
import { rng } from "../tensor/rng.ts";
import { tf } from "../tensor/tf.ts";
import type { Codec } from "../video/codec.ts";
import type { Dataset } from "../video/dataset.ts";
import { worldCodec } from "../video/pca-codec.ts";
import { type CheckpointOptions, checkpointKeeper } from "./checkpoint.ts";
import type { Forcing } from "./forcing/forcing.ts";
import { batchGradient, type LatentBatch } from "./gradient.ts";
import { type RateSchedule, warmupDecay } from "./learning-rate.ts";
import { flowMatching, type Objective } from "./objective.ts";
import { muonOptimizer, type Optimizer } from "./optimizer.ts";
import { progressMeter } from "./progress.ts";

export interface TrainOptions {
  /** What the model sees as history; or give a whole `objective`. */
  readonly forcing?: Forcing;
  readonly objective?: Objective;
  /** Pixels to latents; default the world's codec. */
  readonly codec?: Codec;
  readonly steps: number;
  readonly batchSize?: number;
  /** The batch is split in this many parts, one behind the other, to save memory. */
  readonly microBatches?: number;
  /** Times of the noisy chunks; default 70 % logit-normal, 30 % uniform, both at shift 2. */
  readonly timestep?: TimestepSampler;
  readonly firstChunkWeight?: number;
  readonly optimizer?: Optimizer;
  readonly rate?: RateSchedule;
  readonly emaDecay?: number;
  /**
   * Of the matrix products of a step; default: the device's. "bf16" rounds their inputs where the CPU can (`hasBf16`);
   * weights, optimiser state, sums and everything else stay float32.
   */
  readonly precision?: Precision;
  /** Odds that a clip's prompt is dropped, for guidance. */
  readonly promptDropout?: number;
  readonly seed?: number;
  /** A row every so many steps. */
  readonly logEvery?: number;
  readonly checkpoint?: CheckpointOptions;
  /**
   * Gets every row under "train" and is charged with the time, also where training was stopped: a run of the store.
   * Without it a notebook cell charges the notebook's open run.
   */
  readonly run?: Account & { append?(kind: string, row: TrainRow): void };
  /** Default: the stop button of the notebook cell. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A row of the log: means over the steps since the last row. A type rather than an interface, so that it passes as a flat
 * row wherever rows are taken.
 */
export type TrainRow = {
  /** Steps done. */
  readonly step: number;
  readonly steps: number;
  readonly loss: number;
  readonly gradNorm: number;
  /** Factor on the learning rates. */
  readonly rate: number;
  readonly secondsPerStep: number;
  /** Noisy tokens trained on per second. */
  readonly tokensPerSecond: number;
  /** Share of the time that making the past took. */
  readonly pastShare: number;
  readonly etaSeconds: number;
  readonly objective: string;
};

export interface Training extends AsyncGenerator<TrainRow, void, undefined> {
  /** The model under averaged weights: what is evaluated and shipped. */
  readonly averaged: CausalWan;
}

/** Training cannot go on; the last good checkpoint is untouched. */
export class TrainingError extends Error {
  override readonly name = "TrainingError";
}

/**
 * Trains `model` in place.
 * @throws RangeError for empty datasets and clips that are not whole chunks; TrainingError when the loss is not finite;
 *   the signal's reason, after saving, within a step of an abort
 * @example for await (const row of train(model, clips, { forcing: teacherForcing(), steps: 500 })) rows.push(row);
 */
export function train(model: CausalWan, clips: Dataset, options: TrainOptions): Training {
  const plan = checkedPlan(model, clips, options);
  const bound = plan.optimizer.bind(model.weights);
  const generator = run(model, clips, options, plan, bound);
  return Object.assign(generator, { averaged: model.withWeights(bound.averaged) });
}

interface Plan {
  readonly codec: Codec;
  readonly objective: Objective;
  readonly optimizer: Optimizer;
  readonly rate: RateSchedule;
  readonly batchSize: number;
  readonly microBatches: number;
  readonly emaDecay: number;
  readonly promptDropout: number;
  readonly seed: number;
  readonly logEvery: number;
  readonly tokensPerStep: number;
}

function checkedPlan(model: CausalWan, clips: Dataset, options: TrainOptions): Plan {
  const {
    forcing,
    codec = worldCodec(),
    steps,
    batchSize = 8,
    microBatches = 1,
    timestep = mixture([0.7, logitNormal({ shift: 2 })], [0.3, uniformTime({ shift: 2 })]),
    firstChunkWeight = 1,
    emaDecay = 0.995,
    promptDropout = 0.1,
    logEvery = 10,
  } = options;
  if (clips.length === 0) {
    throw new RangeError(
      `Cannot train as the dataset ${clips.name} is empty: got 0 clips. Add clips or another folder.`,
    );
  }
  requireNumbers("train", { steps, batchSize, microBatches, logEvery }, positiveInteger);
  requireNumbers("train", { promptDropout }, share);
  requireNumbers("train", { emaDecay }, { least: 0, below: 1 });
  const latent = codec.latentShape(clips.numFrames, clips.height, clips.width);
  const [frames, ...cell] = model.chunkShape;
  if (latent[0] % frames !== 0 || cell.some((n, i) => n !== latent[i + 1])) {
    throw new RangeError(
      `Cannot train as clips must be whole chunks of [${model.chunkShape}] latents: ${clips.name} gives [${latent}] per clip. Cut clips to a multiple of ${frames * codec.frameStride} frames and build the model with this codec.`,
    );
  }
  if (!options.objective && !forcing) {
    throw new TypeError(
      'Cannot train without an aim: got neither. Pass "forcing", e.g. teacherForcing(), or "objective".',
    );
  }
  return {
    codec,
    objective: options.objective ?? flowMatching({ forcing: forcing!, timestep, firstChunkWeight }),
    optimizer: options.optimizer ?? muonOptimizer(),
    rate: options.rate ?? warmupDecay(),
    batchSize,
    microBatches,
    emaDecay,
    promptDropout,
    seed: options.seed ?? 0,
    logEvery,
    tokensPerStep: (batchSize * latent[0] * chunkTokens(model.config)) / frames,
  };
}

/** What a checkpoint must agree on to be resumed. */
function fingerprint(
  model: CausalWan,
  clips: Dataset,
  options: TrainOptions,
  plan: Plan,
): Record<string, unknown> {
  const { name, length, numFrames, height, width } = clips;
  return {
    model: model.config,
    text: model.textEncoder.config,
    history: model.historyPolicy.name,
    dataset: { name, length, numFrames, height, width },
    codec: plan.codec.name,
    objective: plan.objective.name,
    optimizer: plan.optimizer.name,
    rate: plan.rate.name,
    steps: options.steps,
    batchSize: plan.batchSize,
    microBatches: plan.microBatches,
    emaDecay: plan.emaDecay,
    promptDropout: plan.promptDropout,
    seed: plan.seed,
    ...(options.precision === "bf16" && { precision: options.precision }),
  };
}

function latentBatch(clips: Dataset, plan: Plan, step: number): LatentBatch & { indices: Int32Array } {
  const source = rng(plan.seed).at("batch", step);
  const indices = source.at("clips").ints(plan.batchSize, clips.length);
  const { videos, prompts } = clips.batch([...indices]);
  const latents = plan.codec.encode(videos);
  videos.dispose();
  const kept = source.at("prompt dropout").uniform(plan.batchSize);
  return {
    latents,
    indices,
    prompts: prompts.map((prompt, i) => (kept[i]! < plan.promptDropout ? "" : prompt)),
  };
}

async function* run(
  model: CausalWan,
  clips: Dataset,
  options: TrainOptions,
  plan: Plan,
  bound: ReturnType<Optimizer["bind"]>,
): AsyncGenerator<TrainRow, void, undefined> {
  const { steps, signal = cellSignal() } = options;
  const { objective, logEvery } = plan;
  const account = options.run ?? cellAccount();
  let since = performance.now();
  let stepsOwed = 0;
  const charge = () => {
    if (stepsOwed > 0) account?.spend?.({ seconds: (performance.now() - since) / 1000 }, "train");
    stepsOwed = 0;
  };
  const keeper =
    options.checkpoint &&
    checkpointKeeper(options.checkpoint, fingerprint(model, clips, options, plan), {
      model,
      averaged: bound.averaged,
      optimizer: bound.state,
      objective,
    });
  try {
    let step = (await keeper?.resume()) ?? 0;
    const progress = progressMeter({
      steps,
      tokensPerStep: plan.tokensPerStep,
      objective: objective.name,
      from: step,
    });
    while (step < steps) {
      // Gives timers, output and the stop button a turn.
      await new Promise(setImmediate);
      if (signal?.aborted) {
        await keeper?.save(step);
        signal.throwIfAborted();
      }
      const batch = latentBatch(clips, plan, step);
      const { loss, grads, pastSeconds } = await inPrecision(options.precision, () =>
        batchGradient(model, objective, batch, {
          step,
          rng: rng(plan.seed).at("step", step),
          microBatches: plan.microBatches,
        }),
      );
      batch.latents.dispose();
      if (!Number.isFinite(loss)) {
        tf.dispose([...grads.values()]);
        throw new TrainingError(notFinite(loss, step, batch, keeper?.lastGood()));
      }
      const rate = plan.rate.factor(step, steps);
      const emaDecay = Math.min(plan.emaDecay, (step + 1) / (step + 10));
      const gradNorm = await inPrecision(options.precision, () =>
        bound.step(grads, { step: step + 1, rate, emaDecay }),
      );
      tf.dispose([...grads.values()]);
      step++;
      stepsOwed++;
      progress.add({ loss, gradNorm, rate, pastSeconds });
      await keeper?.afterStep(step, loss);
      if (step % logEvery === 0 || step === steps) {
        const row = progress.row(step);
        options.run?.append?.("train", row);
        charge();
        yield row;
        // What is done with a row is not the training's time.
        since = performance.now();
      }
    }
    await keeper?.save(step);
  } finally {
    charge();
    bound.dispose();
  }
}

async function inPrecision<T>(precision: Precision | undefined, work: () => Promise<T>): Promise<T> {
  if (precision === undefined) return work();
  const before = setPrecision(precision);
  try {
    return await work();
  } finally {
    setPrecision(before);
  }
}

function notFinite(
  loss: number,
  step: number,
  { indices, prompts }: { indices: Int32Array; prompts: readonly string[] },
  lastGood: string | undefined,
): string {
  const kept = lastGood ? `The last good checkpoint is ${lastGood}.` : "There is no checkpoint yet.";
  return `Cannot go on training as the loss of step ${step} must be finite: got ${loss} on clips [${[...indices].join(", ")}] (${prompts.map((p) => JSON.stringify(p)).join(", ")}). ${kept} Look at these clips, or lower the learning rate.`;
}
