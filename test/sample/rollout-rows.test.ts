/** On the fast backends too, a row of a rollout does not depend on what shares its batch, to the bit. */
import { beforeAll, describe, expect, test } from "vitest";
import { sdeDpmSolver } from "../../src/diffusion/solvers.ts";
import { CausalWan } from "../../src/model/causal-wan.ts";
import { dense, routing } from "../../src/model/history-policy.ts";
import { rolloutClip } from "../../src/sample/rollout.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { tf } from "../../src/tensor/tf.ts";

beforeAll(async () => {
  await useDevice("auto");
});

const prompts = [
  "a red ball stays still",
  "a blue square glides sideways",
  "a cyan ball bounces on the floor",
];

/** Fresh weights have a zero head: moved away from it, so that rollouts differ. */
function moved(): CausalWan {
  const model = CausalWan.mini({ seed: 2 });
  tf.tidy(() => {
    for (const [name, variable] of model.weights) {
      variable.assign(variable.add(randn(variable.shape, rng(5).at(name)).mul(0.05)));
    }
  });
  return model;
}

describe("a row does not depend on what shares its batch", () => {
  for (const [name, options] of Object.entries({
    "the model's window, guided": { guidanceScale: 2 },
    "dense, SDE": { history: dense(), solver: sdeDpmSolver({ order: 2 }) },
    routed: { history: routing({ topK: 1 }) },
  })) {
    test(name, async () => {
      const model = moved();
      const together = await rolloutClip(model, {
        prompts,
        chunks: 4,
        seeds: [5, 9, 2],
        steps: 3,
        ...options,
      });
      for (const [row, prompt] of prompts.entries()) {
        const alone = await rolloutClip(model, {
          prompts: [prompt],
          chunks: 4,
          seeds: [[5, 9, 2][row]!],
          steps: 3,
          ...options,
        });
        expect([...alone.latents.dataSync()]).toEqual([...together.latents.slice([row], [1]).dataSync()]);
        alone.latents.dispose();
      }
      together.latents.dispose();
      model.dispose();
    });
  }
});
