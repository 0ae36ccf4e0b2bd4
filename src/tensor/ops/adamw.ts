/**
 * AdamW (Loshchilov & Hutter 1711.05101) over many parameters at once, with clipping by the global gradient norm and
 * an exponential moving average of the weights. In place: one kernel call a step on `native`.
 *
 *   g <- g min(1, maxGradNorm / (norm + 1e-6))          m <- b1 m + (1 - b1) g       v <- b2 v + (1 - b2) g^2
 *   p <- p (1 - lr wd) - lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps)    ema <- d ema + (1 - d) p
 *
 * Difference: a step whose gradient norm is not finite changes nothing.
 */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf, type Variable } from "../tf.ts";
import { hasKernel, require, runFused } from "./fused.ts";
import { forgetPacked } from "./packed-weights.ts";

/** A parameter with its optimiser state; all of one shape. */
export interface AdamWSlot {
  readonly parameter: Variable;
  /** First and second moment. */
  readonly m: Variable;
  readonly v: Variable;
  /** Moving average of the parameter, if one is kept. */
  readonly ema?: Variable;
  /** Share of the weight decay that applies: 0 for biases and norms; default 1. */
  readonly decay?: number;
}

export interface AdamWSettings {
  readonly learningRate: number;
  /** Number of this step, from 1: corrects the moments' start at zero. */
  readonly step: number;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  readonly weightDecay?: number;
  /** Gradients are scaled so that their global norm is at most this; none = no clipping. */
  readonly maxGradNorm?: number;
  /** d of the moving average in [0, 1). */
  readonly emaDecay?: number;
}

/** Slots with zero moments for parameters; with `ema`, averages that start at the parameters. */
export function adamwSlots(
  parameters: readonly Variable[],
  { ema = false, decay = () => 1 }: { ema?: boolean; decay?: (parameter: Variable) => number } = {},
): AdamWSlot[] {
  return parameters.map((parameter) => {
    const zeros = (): Variable => tf.tidy(() => tf.variable(tf.zeros(parameter.shape), false));
    return Object.freeze({
      parameter,
      m: zeros(),
      v: zeros(),
      ...(ema && { ema: tf.tidy(() => tf.variable(parameter.clone(), false)) }),
      decay: decay(parameter),
    });
  });
}

/** The kernel takes five pointers a slot and at most 8192 arguments. */
const MAX_SLOTS = 1600;

function globalNorm(grads: readonly Tensor[]): Tensor {
  return tf.sqrt(tf.addN([tf.scalar(0), ...grads.map((g) => tf.sum(g.square()))]));
}

/** The step in plain tf ops. */
export function adamwComposition(
  slots: readonly AdamWSlot[],
  grads: readonly Tensor[],
  settings: AdamWSettings,
): Tensor {
  const { learningRate, step, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0 } = settings;
  return tf.tidy(() => {
    const norm = globalNorm(grads);
    // A norm that is not finite fails this comparison, be it too large or not a number.
    const sound = norm.lessEqual(3.4e38);
    const limit = settings.maxGradNorm;
    const factor = limit === undefined ? tf.scalar(1) : tf.minimum(tf.scalar(limit).div(norm.add(1e-6)), 1);
    const commit = (variable: Variable, value: Tensor): void =>
      variable.assign(tf.where(sound.reshape(variable.shape.map(() => 1)), value, variable));
    for (const [i, { parameter, m, v, ema, decay = 1 }] of slots.entries()) {
      const g = grads[i]!.mul(factor);
      const m1 = m.mul(beta1).add(g.mul(1 - beta1));
      const v1 = v.mul(beta2).add(g.square().mul(1 - beta2));
      const update = m1
        .mul(learningRate / (1 - beta1 ** step))
        .div(tf.sqrt(v1.div(1 - beta2 ** step)).add(eps));
      const next = parameter.mul(1 - learningRate * weightDecay * decay).sub(update);
      if (ema && settings.emaDecay !== undefined) {
        commit(ema, ema.mul(settings.emaDecay).add(next.mul(1 - settings.emaDecay)));
      }
      commit(m, m1);
      commit(v, v1);
      commit(parameter, next);
    }
    return norm;
  });
}

/** Gives a variable memory of its own, so that writing in place cannot change a tensor that shares it. */
export function own(variable: Variable): Variable {
  const backend = tf.engine().backend;
  if (backend.refCount(variable.dataId) > 1) tf.tidy(() => variable.assign(variable.add(0)));
  return variable;
}

/**
 * One optimiser step, in place.
 * @param slots parameters with their state (`adamwSlots`)
 * @param grads one per slot, of the parameter's shape
 * @returns scalar: the global norm of the gradients before clipping
 * @throws RangeError when gradients and slots do not match
 */
export function adamw(
  slots: readonly AdamWSlot[],
  grads: readonly Tensor[],
  settings: AdamWSettings,
): Tensor {
  require(slots.length === grads.length, () =>
    `Cannot step ${slots.length} parameters as each needs a gradient: got ${grads.length}.`);
  for (const [i, { parameter }] of slots.entries()) {
    require(grads[i]!.size === parameter.size &&
      grads[i]!.shape.every((n, d) => n === parameter.shape[d]), () =>
      `Cannot step parameter ${parameter.name} as its gradient must be [${parameter.shape}]: got [${grads[i]!.shape}].`);
  }
  require(Number.isInteger(settings.step) && settings.step >= 1, () =>
    `Cannot correct the moments as step must be an integer from 1: got ${settings.step}.`);
  if (!hasKernel("Fused.AdamW") || slots.length > MAX_SLOTS) return adamwComposition(slots, grads, settings);
  const inputs: Record<string, Tensor> = {};
  for (const [i, { parameter, m, v, ema }] of slots.entries()) {
    inputs[`p${i}`] = own(parameter);
    inputs[`m${i}`] = own(m);
    inputs[`v${i}`] = own(v);
    if (ema && settings.emaDecay !== undefined) inputs[`e${i}`] = own(ema);
    inputs[`g${i}`] = grads[i]!;
  }
  const { learningRate, step, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0 } = settings;
  return runFused("Fused.AdamW", inputs, {
    decays: Float32Array.from(slots, (slot) => slot.decay ?? 1),
    learningRate,
    step,
    beta1,
    beta2,
    eps,
    weightDecay,
    maxGradNorm: settings.maxGradNorm ?? 0,
    emaDecay: settings.emaDecay ?? 0,
  })[0]!;
}

interface AdamWAttributes {
  readonly decays: Float32Array;
  readonly learningRate: number;
  readonly step: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  readonly emaDecay: number;
}

defineKernel<Record<string, TensorInfo>, AdamWAttributes>("Fused.AdamW", (backend, inputs, attributes) => {
  const { decays, learningRate, step, beta1, beta2, eps, weightDecay, maxGradNorm, emaDecay } = attributes;
  const sizes = Int32Array.from(decays, (_, i) => sizeOf(inputs[`g${i}`]!.shape));
  const norm = backend.output([], "float32");
  const pointers = [...sizes.keys()].flatMap((i) =>
    ["p", "m", "v", "e", "g"].map((name) => inputs[`${name}${i}`]),
  );
  backend.call(
    "adamw",
    20 * sizes.reduce((a, b) => a + b, 0),
    sizes.length,
    learningRate,
    beta1,
    beta2,
    1 / (1 - beta1 ** step),
    1 / (1 - beta2 ** step),
    eps,
    weightDecay,
    maxGradNorm,
    emaDecay,
    sizes,
    decays,
    norm,
    ...pointers,
  );
  for (const i of sizes.keys()) {
    forgetPacked(inputs[`p${i}`]!);
    if (inputs[`e${i}`]) forgetPacked(inputs[`e${i}`]!);
  }
  return norm;
});
