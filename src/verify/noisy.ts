/** A verifier that errs: another one plus Gaussian noise, the same for the same clip whenever it is asked. */

import { notNegative, requireNumbers } from "../tensor/ranges.ts";
import { rng } from "../tensor/rng.ts";
import type { Video } from "../video/video.ts";
import type { Verifier, VerifierInput, VerifyOptions } from "./verifier.ts";

/** @param sigma standard deviation of the error, in units of the verifier's score */
export function noisy(
  verifier: Verifier,
  sigma: number,
  { seed = 0 }: { readonly seed?: number } = {},
): Verifier {
  requireNumbers("add noise to a verifier", { sigma }, notNegative);
  return Object.freeze({
    name: `${verifier.name} + noise ${sigma}`,
    async score(inputs: readonly VerifierInput[], options?: VerifyOptions) {
      const scores = await verifier.score(inputs, options);
      return scores.map(
        (score, i) =>
          score +
          sigma *
            rng(seed)
              .at("noisy", verifier.name, ...fingerprint(inputs[i]!.video))
              .normal(1)[0]!,
      );
    },
  });
}

/** Two 32-bit words that depend on every bit of the clip (FNV-1a over its words). */
function fingerprint(video: Video): [number, number] {
  const words = new Uint32Array(video.data.buffer, video.data.byteOffset, video.data.length);
  let [a, b] = [0x811c9dc5, 0x01000193];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    a = Math.imul(a ^ word, 0x01000193) >>> 0;
    b = Math.imul((b + word) ^ (a >>> 15), 0x85ebca6b) >>> 0;
  }
  return [a, b];
}
