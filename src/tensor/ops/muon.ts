/**
 * Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): momentum whose update is orthogonalised, for
 * matrices inside a network, with a moving average of the weights.
 *
 *   M <- beta M + (1 - beta) G;   U = beta M + (1 - beta) G;   X = NS5(U / |U|)
 *   P <- P (1 - lr wd) - lr sqrt(max(1, rows/cols)) X
 *   NS5: five times X <- a X + (b A + c A^2) X with A = X X^T, (a, b, c) = (3.4445, -4.7750, 2.0315)
 *
 * Matrices of one shape are a group. As in the original, the products may be taken in bf16: the iteration corrects itself.
 */
import type { EngineBackend, TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf, type Variable } from "../tf.ts";
import { own } from "./adamw.ts";
import { hasKernel, require, runFused } from "./fused.ts";
import { forgetPacked } from "./packed-weights.ts";

export interface MuonSettings {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** d of the moving average in [0, 1); none = averages stay. */
  readonly emaDecay?: number;
}

export interface MuonGroup {
  /** Each [rows, cols]. */
  readonly parameters: readonly Variable[];
  /** Moving averages, one per parameter, or none. */
  readonly averages: readonly Variable[];
  /** [n, rows, cols] */
  readonly momentum: Variable;
}

/** Approximates U V^T of each matrix's singular value decomposition. @param x [n, rows, cols] */
export function orthogonalise(x: Tensor): Tensor {
  return tf.tidy(() => {
    const [, rows, cols] = x.shape as [number, number, number];
    const isTall = rows > cols;
    const norm = tf.sqrt(x.square().sum([1, 2], true)).add(1e-7);
    let y = (isTall ? x.transpose([0, 2, 1]) : x).div(norm);
    for (let i = 0; i < 5; i++) {
      const a = tf.matMul(y, y, false, true);
      const b = a.mul(-4.775).add(tf.matMul(a, a).mul(2.0315));
      y = y.mul(3.4445).add(tf.matMul(b, y));
    }
    return isTall ? y.transpose([0, 2, 1]) : y;
  });
}

/** Groups matrices by shape, with zero momentum; with `ema`, averages that start at the parameters. */
export function muonGroups(
  parameters: readonly Variable[],
  { ema = false }: { ema?: boolean } = {},
): readonly MuonGroup[] {
  const byShape = new Map<string, Variable[]>();
  for (const parameter of parameters) {
    const key = parameter.shape.join("x");
    byShape.set(key, [...(byShape.get(key) ?? []), parameter]);
  }
  return [...byShape.values()].map((group) => ({
    parameters: group,
    averages: ema ? group.map((p) => tf.tidy(() => tf.variable(p.clone(), false))) : [],
    momentum: tf.tidy(() => tf.variable(tf.zeros([group.length, ...group[0]!.shape]), false)),
  }));
}

const shapeScale = (rows: number, cols: number): number => Math.sqrt(Math.max(1, rows / cols));

/** The step in plain tf ops. */
export function muonComposition(
  group: MuonGroup,
  grads: readonly Tensor[],
  { learningRate, momentum: beta, weightDecay, emaDecay }: MuonSettings,
): Tensor {
  return tf.tidy(() => {
    const g = tf.stack([...grads]);
    const squared = g.square().sum();
    if (!Number.isFinite(squared.dataSync()[0])) return squared;
    const m = group.momentum.mul(beta).add(g.mul(1 - beta));
    const direction = orthogonalise(m.mul(beta).add(g.mul(1 - beta)));
    group.momentum.assign(m);
    const [rows, cols] = group.parameters[0]!.shape as [number, number];
    const parts = tf.unstack(direction.mul(learningRate * shapeScale(rows, cols)));
    for (const [i, parameter] of group.parameters.entries()) {
      parameter.assign(parameter.mul(1 - learningRate * weightDecay).sub(parts[i]!));
      const average = group.averages[i];
      if (average && emaDecay !== undefined) {
        average.assign(average.mul(emaDecay).add(parameter.mul(1 - emaDecay)));
      }
    }
    return squared;
  });
}

/** The kernel takes three pointers a matrix and at most 8192 arguments. */
const MAX_MATRICES = 2700;

/**
 * One step of one group, in place; a step whose gradient norm is not finite changes nothing.
 * @param grads one per parameter, of its shape
 * @returns scalar: the square of the norm of the group's gradients
 * @throws RangeError when gradients and parameters do not match
 */
export function muonStep(group: MuonGroup, grads: readonly Tensor[], settings: MuonSettings): Tensor {
  const { parameters, averages, momentum } = group;
  require(parameters.length === grads.length, () =>
    `Cannot step ${parameters.length} matrices as each needs a gradient: got ${grads.length}.`);
  for (const [i, { shape, name }] of parameters.entries()) {
    require(grads[i]!.shape.join() === shape.join(), () =>
      `Cannot step parameter ${name} as its gradient must be [${shape}]: got [${grads[i]!.shape}].`);
  }
  if (!hasKernel("Fused.Muon") || parameters.length > MAX_MATRICES) {
    return muonComposition(group, grads, settings);
  }
  const inputs: Record<string, Tensor> = { momentum: own(momentum) };
  for (const [i, parameter] of parameters.entries()) {
    inputs[`p${i}`] = own(parameter);
    inputs[`g${i}`] = grads[i]!;
    const average = averages[i];
    if (average && settings.emaDecay !== undefined) inputs[`e${i}`] = own(average);
  }
  return runFused("Fused.Muon", inputs, { ...settings })[0]!;
}

defineKernel<Record<string, TensorInfo>, MuonSettings>(
  "Fused.Muon",
  (backend: EngineBackend, inputs, settings) => {
    const { learningRate, momentum: beta, weightDecay, emaDecay = 0 } = settings;
    const [n, rows, cols] = inputs["momentum"]!.shape as [number, number, number];
    const short = Math.min(rows, cols);
    // Of every thread: X twice, X X^T and the polynomial of it.
    const slot = 2 * (rows * cols + short * short);
    const room = backend.output([Math.max(1, Math.min(n, backend.engine.threads)) * slot], "float32");
    const squared = backend.output([], "float32");
    backend.call(
      "muon",
      10 * n * short * (2 * rows * cols + short * short),
      n,
      rows,
      cols,
      1 - learningRate * weightDecay,
      learningRate * shapeScale(rows, cols),
      beta,
      emaDecay,
      inputs["momentum"],
      room,
      squared,
      ...Array.from({ length: n }, (_, i) => ["p", "g", "e"].map((name) => inputs[`${name}${i}`])).flat(),
    );
    backend.free(room);
    for (let i = 0; i < n; i++) {
      forgetPacked(inputs[`p${i}`]!);
      if (inputs[`e${i}`]) forgetPacked(inputs[`e${i}`]!);
    }
    return squared;
  },
);
