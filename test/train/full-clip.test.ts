import { beforeAll, expect, test } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { tf } from "../../src/tensor/tf.ts";
import { fullClip } from "../../src/train/recipes/full-clip.ts";
import { prompts, tinyClip, tinyModel } from "../model/tiny-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});

test("a model of one chunk is its own full clip", async () => {
  const model = tinyModel({ config: { trainedChunks: 1 } });
  const whole = fullClip(model);
  const x = tinyClip(model, 1, 0);
  const [a, b] = [model, whole].map((one) =>
    one.velocity(x, 0.5, one.emptyHistory(prompts.length), one.encode(prompts)),
  );
  expect(await b!.data()).toEqual(await a!.data());
});

test("all frames of a clip see each other, and the causal model's weights are left as they are", async () => {
  const model = tinyModel({ config: { trainedChunks: 3 } });
  const whole = fullClip(model);
  expect(whole.chunkShape).toEqual([6, 2, 2, 4]);
  expect(whole.numParameters - model.numParameters).toBe(2 * 8 * 24);
  const x = tinyClip(model, 3, 0).slice([0, 0, 0, 0, 0], [1, -1, -1, -1, -1]);
  const changed = x.add(tf.concat([tf.zeros([1, 5, 2, 2, 4]), tf.ones([1, 1, 2, 2, 4])], 1));
  const first = async (clip: typeof x) => {
    const v = whole.velocity(clip, 0.5, whole.emptyHistory(1), whole.encode([prompts[0]]));
    return [...(await v.slice([0, 0, 0, 0, 0], [1, 1, 2, 2, 4]).data())];
  };
  const [before, after] = [await first(x), await first(changed)];
  expect(Math.max(...before.map((value, i) => Math.abs(value - after[i]!)))).toBeGreaterThan(1e-3);
  whole.dispose();
  expect([...model.weights.values()].every((weight) => !weight.isDisposed)).toBe(true);
});
