/**
 * Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"): momentum whose update is orthogonalised, for the
 * matrices inside the blocks; AdamW for everything else. At mini scale it is the largest single gain of all choices.
 *
 *   M <- beta M + (1 - beta) G;   U = beta M + (1 - beta) G;   X = NS5(U / |U|)
 *   P <- P (1 - lr wd) - lr sqrt(max(1, rows/cols)) X
 *   NS5: five times X <- a X + (b A + c A^2) X with A = X X^T, (a, b, c) = (3.4445, -4.7750, 2.0315)
 *
 * Matrices of one shape are orthogonalised as one batch.
 */
import { type Tensor, tf, type Variable } from "../tensor/tf.ts";

export interface MuonSettings {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export interface MuonGroup {
  readonly parameters: readonly Variable[];
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

/** Groups matrices by shape, with zero momentum. */
export function muonGroups(parameters: readonly Variable[]): readonly MuonGroup[] {
  const byShape = new Map<string, Variable[]>();
  for (const parameter of parameters) {
    const key = parameter.shape.join("x");
    byShape.set(key, [...(byShape.get(key) ?? []), parameter]);
  }
  return [...byShape.values()].map((group) => ({
    parameters: group,
    momentum: tf.tidy(() => tf.variable(tf.zeros([group.length, ...group[0]!.shape]), false)),
  }));
}

/**
 * One step of one group, in place; a step whose gradient norm is not finite changes nothing.
 * @returns scalar: the square of the norm of the group's gradients
 */
export function muonStep(group: MuonGroup, grads: readonly Tensor[], settings: MuonSettings): Tensor {
  const { learningRate, momentum: beta, weightDecay } = settings;
  return tf.tidy(() => {
    const g = tf.stack([...grads]);
    const squared = g.square().sum();
    const m = group.momentum.mul(beta).add(g.mul(1 - beta));
    const direction = orthogonalise(m.mul(beta).add(g.mul(1 - beta)));
    const [rows, cols] = group.parameters[0]!.shape as [number, number];
    const scale = learningRate * Math.sqrt(Math.max(1, rows / cols));
    if (!Number.isFinite(squared.dataSync()[0])) return squared;
    group.momentum.assign(m);
    const parts = tf.unstack(direction.mul(scale));
    for (const [i, parameter] of group.parameters.entries()) {
      parameter.assign(parameter.mul(1 - learningRate * weightDecay).sub(parts[i]!));
    }
    return squared;
  });
}
