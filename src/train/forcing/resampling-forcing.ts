/**
 * Resampling Forcing (2512.15702, algorithm 1): the past is what the model itself makes of the data. Chunk after chunk, the
 * clean chunk is noised to t_s and brought back by the model given the chunks it already resampled, so that the errors
 * of a rollout, within a chunk and carried along it, are in the history that the true present is learnt from.
 *
 *   x^i_ts = (1 - t_s) x^i + t_s eps_i;   xt^i = x^i_ts - (Euler, t_s -> 0) v(x^i_t, xt^<i, t)       no gradient
 *
 * Online weights, KV cache. The pass that solves chunk i also writes the keys of chunk i-1 (see CausalWan.append): 8 passes
 * instead of 14 for 8 chunks. The last chunk is nobody's past and is not resampled.
 */
import type { History } from "../../diffusion/denoiser.ts";
import { addNoise } from "../../diffusion/path.ts";
import { type Tensor, tf } from "../../tensor/tf.ts";
import { chunkAt, type Forcing, type ForcingInput, rowNoise } from "./forcing.ts";
import { type ResampleOptions, resampleTime } from "./resample-time.ts";

/**
 * @param options.shift s of the resampling time, 0.6 in the paper; 0 is teacher forcing
 * @param options.steps Euler steps from t_s to 0, 1 in the paper
 */
export function resamplingForcing(options: ResampleOptions = {}): Forcing {
  const time = resampleTime(options);
  return Object.freeze({
    name: `resampling-forcing(${time.name})`,
    makePast(input) {
      const start = time.sample(input);
      const noise = rowNoise(input, "resample noise");
      try {
        return { history: resample(input, start, noise, time.steps) };
      } finally {
        tf.dispose([start, noise]);
      }
    },
  } satisfies Forcing);
}

function resample(
  { model, x0, condition }: ForcingInput,
  start: Tensor,
  noise: Tensor,
  steps: number,
): Tensor {
  const [frames] = model.chunkShape;
  const chunks = x0.shape[1]! / frames;
  const past: Tensor[] = [];
  let history: History = model.emptyHistory(x0.shape[0]!);
  for (let i = 0; i < chunks - 1; i++) {
    const solved = tf.tidy(() => {
      let xt = addNoise(chunkAt(x0, frames, i), chunkAt(noise, frames, i), start);
      for (let j = 0; j < steps; j++) {
        const velocity = model.velocity(xt, start.mul(1 - j / steps), history, condition);
        xt = xt.sub(velocity.mul(start.div(steps).reshape([-1, 1, 1, 1, 1])));
      }
      return xt;
    });
    past.push(solved);
    if (i === chunks - 2) break;
    const next = model.append(solved, history, condition);
    history.dispose();
    history = next;
  }
  history.dispose();
  const result = past.length === 0 ? x0.clone() : tf.tidy(() => tf.concat(past, 1));
  tf.dispose(past);
  return result;
}
