/**
 * Noise augmentation: the past is (1-a) x + a eps with a ~ U(0, max), one a per clip (the baseline of Resampling Forcing
 * 2512.15702, table 2). "Informed" tells the model a as the history's time; otherwise it is told 0, clean.
 */
import { addNoise } from "../../diffusion/path.ts";
import { tf } from "../../tensor/tf.ts";
import { type Forcing, rowNoise } from "./forcing.ts";

/** @param max largest share of noise, in (0, 1]; @param informed whether the model is told */
export function noiseAugmentation({
  max = 0.5,
  informed = false,
}: {
  readonly max?: number;
  readonly informed?: boolean;
} = {}): Forcing {
  if (!(max > 0 && max <= 1)) {
    throw new RangeError(
      `Cannot augment histories with noise up to ${max}: "max" must lie in (0, 1]. Use teacherForcing() for none.`,
    );
  }
  return Object.freeze({
    name: `noise-augmentation(max ${max}${informed ? ", informed" : ""})`,
    makePast(input) {
      const rows = input.x0.shape[0]!;
      const shares = Float32Array.from(
        { length: rows },
        (_, row) => max * input.rowRng(row).at("noise share").float(),
      );
      const share = tf.tensor1d(shares);
      const history = tf.tidy(() => addNoise(input.x0, rowNoise(input, "history noise"), share));
      if (informed) return { history, historyTime: share };
      share.dispose();
      return { history };
    },
  } satisfies Forcing);
}
