/**
 * The probability path, with the conventions of the whole project (Liu et al. 2209.03003; Lipman et al. 2210.02747):
 *
 *   (1) t in [0, 1]: 0 = data, 1 = noise; schedules decrease
 *   (2) x_t = (1 - t) x_0 + t eps
 *   (3) v   = dx_t/dt = eps - x_0
 *   (4) x_0 = x_t - t v
 *   (5) eps = x_t + (1 - t) v
 *   (6) shift s: t' = s t / (1 + (s - 1) t); s > 1 moves mass to noise, s < 1 to data
 *
 * Foreign conventions (noise at t = 0, integer timesteps, eps- or x0-prediction) are converted at the edge.
 */
import type { Tensor } from "../tensor/tf.ts";

/** Gives a per-sample time [B] (or a number) the rank of `like`, so that it broadcasts over the trailing axes. */
export function timeLike(t: Tensor | number, like: Tensor): Tensor | number {
  if (typeof t === "number") return t;
  return t.reshape([...t.shape, ...new Array<number>(like.rank - t.rank).fill(1)]);
}

/** (2) `x0`, `noise`: [B, ...]; `t`: a number or a tensor whose axes lead those of x0. */
export function addNoise(x0: Tensor, noise: Tensor, t: Tensor | number): Tensor {
  const time = timeLike(t, x0);
  return typeof time === "number"
    ? x0.mul(1 - time).add(noise.mul(time))
    : x0.mul(time.neg().add(1)).add(noise.mul(time));
}

/** (3) */
export function velocityTarget(x0: Tensor, noise: Tensor): Tensor {
  return noise.sub(x0);
}

/** (4) */
export function dataFrom(xt: Tensor, velocity: Tensor, t: Tensor | number): Tensor {
  return xt.sub(velocity.mul(timeLike(t, xt)));
}

/** (5) */
export function noiseFrom(xt: Tensor, velocity: Tensor, t: Tensor | number): Tensor {
  const time = timeLike(t, xt);
  return xt.add(typeof time === "number" ? velocity.mul(1 - time) : velocity.mul(time.neg().add(1)));
}

/** (6) for one time in [0, 1]; `s` > 0. */
export function shiftTime(t: number, s: number): number {
  if (!(s > 0 && s < Number.POSITIVE_INFINITY))
    throw new RangeError(`Cannot shift timesteps by ${s}: the shift must be positive and finite (1 = none).`);
  return (s * t) / (1 + (s - 1) * t);
}
