/**
 * Parallel resampling (the ablation of Resampling Forcing 2512.15702, table 2): every chunk is noised to t_s and brought back
 * given the *clean* chunks before it, all in one pass. Errors within a chunk, none carried along the clip.
 */
import { addNoise } from "../../diffusion/path.ts";
import { tf } from "../../tensor/tf.ts";
import { type Forcing, rowNoise } from "./forcing.ts";
import { type ResampleOptions, resampleTime } from "./resample-time.ts";

/** Options as for `resamplingForcing`. */
export function parallelResampling(options: ResampleOptions = {}): Forcing {
  const time = resampleTime(options);
  return Object.freeze({
    name: `parallel-resampling(${time.name})`,
    makePast(input) {
      const { model, x0, condition } = input;
      const chunks = x0.shape[1]! / model.chunkShape[0];
      const start = time.sample(input);
      const history = tf.tidy(() => {
        let xt = addNoise(x0, rowNoise(input, "resample noise"), start);
        for (let j = 0; j < time.steps; j++) {
          const now = start
            .mul(1 - j / time.steps)
            .expandDims(1)
            .tile([1, chunks]);
          const velocity = model.dualVelocity(x0, xt, now, condition);
          xt = xt.sub(velocity.mul(start.div(time.steps).reshape([-1, 1, 1, 1, 1])));
        }
        return xt;
      });
      start.dispose();
      return { history };
    },
  } satisfies Forcing);
}
