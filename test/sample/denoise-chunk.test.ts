import { beforeAll, expect, test } from "vitest";
import { euler } from "../../src/diffusion/solvers.ts";
import { shiftedSchedule } from "../../src/diffusion/timesteps.ts";
import { denoiseChunk } from "../../src/sample/denoise-chunk.ts";
import { rolloutClip } from "../../src/sample/rollout.ts";
import { tf } from "../../src/tensor/tf.ts";
import { prompts, tinyModel } from "../model/tiny-model.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const solver = euler();
const schedule = shiftedSchedule({ steps: 3, shift: 2 });

test("after what a rollout remembers comes the rollout's next chunk, bit for bit", async () => {
  const model = tinyModel();
  const clip = await rolloutClip(model, { prompts, chunks: 2, steps: 3, shift: 2 });
  const condition = model.encode(prompts);
  const [first, second] = tf.split(clip.latents, 2, 1);
  const history = model.append(first!, model.emptyHistory(2), condition);
  const chunk = await denoiseChunk(model, { chunk: 1, seeds: [0, 1], solver, schedule, history, condition });
  expect(await chunk.data()).toEqual(await second!.data());
  const other = await denoiseChunk(model, { chunk: 0, seeds: [0, 1], solver, schedule, history, condition });
  expect(await other.data()).not.toEqual(await second!.data());
});

test("an aborted chunk ends before its next step and keeps no memory", async () => {
  const model = tinyModel();
  const condition = model.encode(prompts);
  const history = model.emptyHistory(2);
  let calls = 0;
  let stop = new AbortController();
  const network = {
    ...model,
    velocity: (...given: Parameters<typeof model.velocity>) => {
      if (++calls === 2) stop.abort(new Error("enough"));
      return model.velocity(...given);
    },
  };
  const abortedChunk = async () => {
    calls = 0;
    stop = new AbortController();
    const task = { chunk: 0, seeds: [0, 1], solver, schedule, history, condition, signal: stop.signal };
    await expect(denoiseChunk(network, task)).rejects.toThrow("enough");
    expect(calls).toBe(2);
    return tf.memory().numTensors;
  };
  // The first time the model keeps what it works out once.
  const before = await abortedChunk();
  expect(await abortedChunk()).toBe(before);
});
