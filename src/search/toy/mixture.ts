/**
 * A Gaussian mixture in the plane, as data and as an exact generator: along x_t = (1-t) x_0 + t eps each component
 * stays Gaussian, with mean (1-t) mu and variance (1-t)^2 s^2 + t^2, so density and velocity are known in closed form.
 */
import type { Rng } from "../../tensor/rng.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";

export interface Component {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
  readonly deviation: number;
}

export interface Mixture {
  readonly components: readonly Component[];
  /** n points, [n, 2] row-major. */
  sample(n: number, rng: Rng): Float32Array;
  /** Natural logarithm of the density of the data at a point. */
  logDensity(x: number, y: number): number;
  /** E[eps - x_0 | x_t]: what a perfectly trained network would say. @param xt [n, 2] */
  velocity(xt: Tensor, t: number): Tensor;
}

/** @throws RangeError without components or with weights or deviations that are not positive */
export function mixture(components: readonly Component[]): Mixture {
  if (components.length === 0 || !components.every(({ weight, deviation }) => weight > 0 && deviation > 0)) {
    throw new RangeError(
      "Cannot make a mixture: it needs at least one component, each with positive weight and deviation.",
    );
  }
  const total = components.reduce((sum, { weight }) => sum + weight, 0);
  const shares = components.map(({ weight }) => weight / total);
  const cumulative = shares.map((_, c) => shares.slice(0, c + 1).reduce((sum, share) => sum + share, 0));
  return Object.freeze({
    components,
    sample(n: number, rng: Rng) {
      const pick = rng.at("component").uniform(n);
      const noise = rng.at("place").normal(2 * n);
      return Float32Array.from({ length: 2 * n }, (_, i) => {
        const chosen = components.find((_, c) => pick[i >> 1]! < cumulative[c]!) ?? components.at(-1)!;
        return (i % 2 === 0 ? chosen.x : chosen.y) + chosen.deviation * noise[i]!;
      });
    },
    logDensity(x: number, y: number) {
      const logs = components.map(({ x: mx, y: my, deviation: s }, c) => {
        const square = ((x - mx) ** 2 + (y - my) ** 2) / s ** 2;
        return Math.log(shares[c]!) - square / 2 - Math.log(2 * Math.PI * s * s);
      });
      const most = Math.max(...logs);
      return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0));
    },
    velocity(xt: Tensor, t: number) {
      return tf.tidy(() => {
        const means = tf.tensor2d(components.map(({ x, y }) => [x, y]));
        const variances = tf.tensor1d(components.map(({ deviation: s }) => (1 - t) ** 2 * s * s + t * t));
        const away = xt.expandDims(1).sub(means.mul(1 - t).expandDims(0)); // [n, components, 2]
        const logits = away
          .square()
          .sum(2)
          .div(variances)
          .mul(-0.5)
          .sub(variances.log())
          .add(tf.tensor1d(shares.map(Math.log)));
        const odds = tf.softmax(logits).expandDims(2);
        const gain = tf
          .tensor1d(components.map(({ deviation: s }) => (1 - t) * s * s))
          .div(variances)
          .expandDims(1);
        const x0 = means.add(away.mul(gain)).mul(odds).sum(1);
        return t > 0 ? xt.sub(x0).div(t) : x0.neg();
      });
    },
  });
}
