/**
 * A small network that learns the velocity of points in the plane (three layers, as EvoSearch's toy has), its
 * pre-training by flow matching, and its clothes as a `Denoiser`, so that the strategies of src/search run on it
 * unchanged: a "video" is one pixel whose red and green are x and y.
 */
import type { ChunkShape, Denoiser, History } from "../../diffusion/denoiser.ts";
import { addNoise, velocityTarget } from "../../diffusion/path.ts";
import { timeEmbedding } from "../../tensor/ops/embedding.ts";
import { type Rng, rng } from "../../tensor/rng.ts";
import { type Tensor, tf, type Variable } from "../../tensor/tf.ts";
import type { Verifier } from "../../verify/verifier.ts";
import type { Mixture } from "./mixture.ts";

export interface PlaneModel {
  readonly variables: readonly Variable[];
  /** @param xt [n, 2]; @param t one time, or [n] */
  velocity(xt: Tensor, t: Tensor | number): Tensor;
  /** The same weights as variables of their own: what fine-tuning starts from. */
  copy(): PlaneModel;
  dispose(): void;
}

const timeWidth = 32;

/** Two hidden layers of `width` units (default 128), freshly initialised. */
export function planeModel({
  seed = 0,
  width = 128,
}: {
  readonly seed?: number;
  readonly width?: number;
} = {}): PlaneModel {
  const shapes = [
    [2 + timeWidth, width],
    [width, width],
    [width, 2],
  ] as const;
  const source = rng(seed).at("plane model");
  return modelOf(
    shapes.flatMap(([inputs, outputs], layer) => {
      const scale = layer === 2 ? 0.1 : Math.sqrt(2);
      const weight = source
        .at(layer)
        .normal(inputs * outputs)
        .map((value) => (scale * value) / Math.sqrt(inputs));
      return [tf.tensor2d(weight, [inputs, outputs]), tf.zeros([outputs])];
    }),
  );
}

function modelOf(initial: readonly Tensor[]): PlaneModel {
  const variables = initial.map((value) => tf.variable(value));
  tf.dispose([...initial]);
  const [w1, b1, w2, b2, w3, b3] = variables as [Variable, Variable, Variable, Variable, Variable, Variable];
  const dense = (x: Tensor, w: Tensor, b: Tensor): Tensor =>
    tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).add(b);
  return Object.freeze({
    variables,
    velocity(xt: Tensor, t: Tensor | number) {
      return tf.tidy(() => {
        const time = typeof t === "number" ? tf.fill([xt.shape[0]!], t) : t;
        const input = tf.concat([xt.div(4), timeEmbedding(time, timeWidth)], 1);
        return dense(dense(dense(input, w1, b1).relu(), w2, b2).relu(), w3, b3);
      });
    },
    copy: () => modelOf(variables.map((variable) => variable.clone())),
    dispose: () => tf.dispose([...variables]),
  });
}

export interface PretrainOptions {
  /** Default 2000. */
  readonly steps?: number;
  readonly batch?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Flow matching on samples of the mixture; yields the loss of every hundredth step. */
export async function* pretrain(
  model: PlaneModel,
  data: Mixture,
  { steps = 2000, batch = 256, learningRate = 3e-3, seed = 0, signal }: PretrainOptions = {},
): AsyncGenerator<{ readonly step: number; readonly loss: number }, void> {
  const source = rng(seed).at("pretrain");
  for await (const { step, loss } of descend(model, { steps, learningRate, signal }, (step) => {
    const draw: Rng = source.at(step);
    const x0 = tf.tensor2d(data.sample(batch, draw.at("data")), [batch, 2]);
    const noise = tf.tensor2d(draw.at("noise").normal(2 * batch), [batch, 2]);
    const t = tf.tensor1d(draw.at("time").uniform(batch, 0.001, 1));
    return model
      .velocity(addNoise(x0, noise, t), t)
      .sub(velocityTarget(x0, noise))
      .square()
      .mean();
  })) {
    if (step % 100 === 0 || step === steps - 1) yield { step, loss };
  }
}

/** Adam on the model's weights, the rate falling linearly to a tenth; one loss per step. */
export async function* descend(
  model: PlaneModel,
  {
    steps,
    learningRate,
    signal,
  }: { readonly steps: number; readonly learningRate: number; readonly signal?: AbortSignal | undefined },
  lossOf: (step: number) => Tensor,
): AsyncGenerator<{ readonly step: number; readonly loss: number }, void> {
  const optimizer = tf.train.adam(learningRate);
  const variables = [...model.variables];
  try {
    for (let step = 0; step < steps; step++) {
      signal?.throwIfAborted();
      (optimizer as unknown as { learningRate: number }).learningRate =
        learningRate * (1 - (0.9 * step) / steps);
      const cost = optimizer.minimize(() => tf.tidy(() => lossOf(step).asScalar()), true, variables)!;
      const loss = cost.dataSync()[0]!;
      cost.dispose();
      yield { step, loss };
      if (step % 50 === 0) await new Promise(setImmediate);
    }
  } finally {
    optimizer.dispose();
  }
}

/** One point is one chunk of one pixel; there is no history. */
export function planeDenoiser(velocity: (xt: Tensor, t: number) => Tensor): Denoiser {
  const chunkShape: ChunkShape = [1, 1, 1, 2];
  const history = (batch: number): History => ({
    batch,
    numChunks: 0,
    bytes: 0,
    gather: (rows) => history(rows.length),
    dispose() {},
  });
  return Object.freeze({
    name: "plane",
    chunkShape,
    encode: (prompts: readonly string[]) => ({ prompts, tokens: tf.zeros([prompts.length, 1, 1]) }),
    emptyHistory: history,
    velocity: (xt: Tensor, t: Tensor | number) =>
      tf.tidy(() => velocity(xt.reshape([-1, 2]), t as number).reshape(xt.shape)),
    append: (_: Tensor, past: History) => past,
  });
}

/** Latents [B, F, 1, 1, 2] to pixels with a third channel of zeros. */
export const planeCodec = Object.freeze({
  decode: (latents: Tensor): Tensor =>
    tf.concat([latents, tf.zerosLike(latents.slice([0, 0, 0, 0, 0], [-1, -1, -1, -1, 1]))], 4),
});

/** -|x^2 + y^2 - 4|: best on the circle of radius 2 (EvoSearch's reward). */
export function ringReward(x: number, y: number): number {
  return -Math.abs(x * x + y * y - 4);
}

/** The ring reward as a verifier of planar "videos". */
export function ringVerifier(): Verifier {
  return Object.freeze({
    name: "ring",
    score: async (inputs: Parameters<Verifier["score"]>[0]) =>
      inputs.map(({ video }) => ringReward(video.data[0]!, video.data[1]!)),
  });
}
