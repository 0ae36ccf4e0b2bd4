import { beforeAll, describe, expect, test } from "vitest";
import { uniformTime } from "../../src/diffusion/timesteps.ts";
import type { CausalWan } from "../../src/model/causal-wan.ts";
import { routing } from "../../src/model/history-policy.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { diffusionForcing } from "../../src/train/forcing/diffusion-forcing.ts";
import type { Forcing, ForcingInput } from "../../src/train/forcing/forcing.ts";
import { noiseAugmentation } from "../../src/train/forcing/noise-augmentation.ts";
import { parallelResampling } from "../../src/train/forcing/parallel-resampling.ts";
import { replayedErrors } from "../../src/train/forcing/replayed-errors.ts";
import { resamplingForcing } from "../../src/train/forcing/resampling-forcing.ts";
import { switchAt } from "../../src/train/forcing/switch-at.ts";
import { teacherForcing } from "../../src/train/forcing/teacher-forcing.ts";
import { flowMatching } from "../../src/train/objective.ts";
import { prompts, tinyClip, tinyModel } from "../model/tiny-model.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const chunks = 4;
const difference = (a: Tensor, b: Tensor) => tf.tidy(() => a.sub(b).abs().max().dataSync()[0]!);

function input(model: CausalWan, changes: Partial<ForcingInput> = {}): ForcingInput {
  return {
    model,
    x0: tinyClip(model, chunks, 1),
    condition: model.encode(prompts),
    rowRng: (row) => rng(5).at(row),
    step: 0,
    ...changes,
  };
}

const firstChunks = (x: Tensor, count: number) => x.slice([0, 0, 0, 0, 0], [-1, 2 * count, -1, -1, -1]);
const pastOf = (forcing: Forcing, given: ForcingInput) => forcing.makePast(given).history!;

describe("resampling forcing", () => {
  for (const steps of [1, 3]) {
    test(`merged cache writes equal separate ones, ${steps} step(s)`, () => {
      for (const policy of [undefined, routing({ topK: 1 })]) {
        const base = tinyModel();
        const model = policy ? base.withHistory(policy) : base;
        const merged = pastOf(resamplingForcing({ steps }), input(model));
        const separate = model.withHistory(model.historyPolicy, { mergeWrites: false });
        expect(merged.shape).toEqual([2, 2 * (chunks - 1), 2, 2, 4]);
        expect(difference(merged, pastOf(resamplingForcing({ steps }), input(separate)))).toBeLessThan(1e-4);
      }
    });
  }

  test("claim 29: the past goes to the data as t_s goes to 0, and shift 0 is teacher forcing", () => {
    const given = input(tinyModel());
    const data = firstChunks(given.x0, chunks - 1);
    expect(difference(pastOf(resamplingForcing({ shift: 0 }), given), data)).toBe(0);
    const away = [0.4, 0.04, 0.004].map((t) =>
      difference(pastOf(resamplingForcing({ clamp: [t, t] }), given), data),
    );
    expect(away[1]).toBeLessThan(0.3 * away[0]!);
    expect(away[2]).toBeLessThan(0.15 * away[1]!);
    const timestep = uniformTime();
    const loss = (forcing: Forcing) =>
      tf.tidy(() => flowMatching({ forcing, timestep }).prepare(given).loss().dataSync()[0]!);
    expect(loss(resamplingForcing({ shift: 0 }))).toBe(loss(teacherForcing()));
  });

  test("one step is the prediction of x0 from the noised chunk and the resampled past", () => {
    const model = tinyModel();
    const given = input(model);
    const forcing = resamplingForcing({ clamp: [0.4, 0.4] });
    const past = pastOf(forcing, given);
    // The first chunk has no past: x0 = x_t - t v(x_t, t).
    const noise = rng(5)
      .at(0)
      .at("resample noise")
      .normal(given.x0.size / 2);
    const eps = tf.tensor(noise.subarray(0, 32), [1, 2, 2, 2, 4]);
    const xt = firstChunks(given.x0, 1).slice([0], [1]).mul(0.6).add(eps.mul(0.4));
    const velocity = model.velocity(xt, 0.4, model.emptyHistory(1), model.encode([prompts[0]]));
    expect(difference(firstChunks(past, 1).slice([0], [1]), xt.sub(velocity.mul(0.4)))).toBeLessThan(1e-5);
  });

  test("a row's past does not depend on its batch", () => {
    const model = tinyModel();
    const given = input(model);
    const both = pastOf(resamplingForcing(), given);
    const second = {
      x0: given.x0.slice([1], [1]),
      condition: model.encode([prompts[1]]),
      rowRng: () => rng(5).at(1),
    };
    expect(difference(both.slice([1], [1]), pastOf(resamplingForcing(), input(model, second)))).toBeLessThan(
      1e-6,
    );
  });

  test("errors are carried along: the first chunk's changes the last one's, not so in parallel resampling", () => {
    const model = tinyModel();
    const given = input(model);
    const replaced = input(model, {
      x0: tf.concat([tinyClip(model, 1, 9), given.x0.slice([0, 2], [-1, -1])], 1),
    });
    const lastPast = (x: Tensor) => x.slice([0, 2 * (chunks - 2), 0, 0, 0], [-1, 2, -1, -1, -1]);
    const change = (forcing: Forcing) =>
      difference(lastPast(pastOf(forcing, given)), lastPast(pastOf(forcing, replaced)));
    expect(change(resamplingForcing())).toBeGreaterThan(1e-4);
    expect(change(parallelResampling())).toBeGreaterThan(1e-4);
    expect(
      difference(
        pastOf(resamplingForcing(), given),
        firstChunks(pastOf(parallelResampling(), given), chunks - 1),
      ),
    ).toBeGreaterThan(1e-3);
    // Chunk 1 in parallel sees the clean chunk 0: resampling chunk 0 differently cannot matter.
    const noisier = parallelResampling({ clamp: [0.5, 0.5] });
    const exact = pastOf(noisier, given);
    expect(
      difference(
        firstChunks(exact, 1),
        firstChunks(pastOf(resamplingForcing({ clamp: [0.5, 0.5] }), given), 1),
      ),
    ).toBeLessThan(1e-5);
  });

  test("makes no tensors it does not give back", () => {
    const given = input(tinyModel());
    pastOf(resamplingForcing(), given).dispose();
    const start = tf.memory().numTensors;
    pastOf(resamplingForcing(), given).dispose();
    // Rotation tables of positions stay.
    expect(tf.memory().numTensors - start).toBeLessThanOrEqual(0);
  });
});

test("noise augmentation adds the share it tells", async () => {
  const given = input(tinyModel());
  const { history, historyTime } = noiseAugmentation({ max: 0.5, informed: true }).makePast(given);
  const share = await historyTime!.data();
  for (let row = 0; row < 2; row++) {
    expect(share[row]).toBeGreaterThan(0);
    expect(share[row]).toBeLessThan(0.5);
    const noise = history!.slice([row], [1]).sub(given.x0.slice([row], [1]).mul(1 - share[row]!));
    const std = tf.tidy(() => Math.sqrt(noise.square().mean().dataSync()[0]!));
    // 64 values: the standard error of a standard deviation is 9 %.
    expect(std / share[row]!).toBeGreaterThan(0.65);
    expect(std / share[row]!).toBeLessThan(1.35);
  }
  expect(noiseAugmentation().makePast(given).historyTime).toBeUndefined();
});

describe("replayed errors", () => {
  const observed = () => {
    const model = tinyModel();
    const forcing = replayedErrors({ odds: 1, buckets: 2, capacity: 3 });
    const given = input(model);
    expect(difference(pastOf(forcing, given), given.x0)).toBe(0);
    forcing.observe!(given, { x0: given.x0.add(0.5), t: Float32Array.from({ length: 8 }, (_, i) => i / 8) });
    return { forcing, given };
  };

  test("what was observed comes back as an error on the past", () => {
    const { forcing, given } = observed();
    expect(difference(pastOf(forcing, given), given.x0.add(0.5))).toBeLessThan(1e-6);
  });

  test("state survives a checkpoint", () => {
    const { forcing, given } = observed();
    const again = replayedErrors({ odds: 1, buckets: 2, capacity: 3 });
    again.restore!(forcing.state!());
    expect(difference(pastOf(again, given), pastOf(forcing, given))).toBe(0);
  });
});

test("switchAt changes the forcing at its step", () => {
  const model = tinyModel();
  const forcing = switchAt(2, teacherForcing(), resamplingForcing());
  const before = input(model, { step: 1 });
  expect(difference(pastOf(forcing, before), before.x0)).toBe(0);
  const after = input(model, { step: 2 });
  expect(difference(pastOf(forcing, after), pastOf(resamplingForcing(), after))).toBe(0);
});

describe("the flow-matching objective", () => {
  const timestep = {
    name: "fixed",
    sample: (_: unknown, n: number) => Float32Array.from({ length: n }, (__, i) => 0.2 + 0.15 * i),
  };

  test("gradients do not flow into the past; the loss is the mean over chunks", () => {
    const model = tinyModel();
    const given = input(model);
    const prepared = flowMatching({ forcing: resamplingForcing(), timestep }).prepare(given);
    const { value, grads } = tf.variableGrads(
      () => prepared.loss() as tf.Scalar,
      [...model.weights.values()],
    );
    expect(value.dataSync()[0]).toBeGreaterThan(0);
    expect(Object.keys(grads)).toHaveLength(model.weights.size);
    prepared.dispose();
  });

  test("diffusion forcing trains on noisy neighbours: chunk 0 equals teacher forcing's, later ones differ", () => {
    const model = tinyModel();
    const given = input(model);
    const loss = (forcing: Forcing, weight: number) =>
      tf.tidy(
        () =>
          flowMatching({ forcing, timestep, firstChunkWeight: weight }).prepare(given).loss().dataSync()[0]!,
      );
    // A huge weight leaves the first chunk alone.
    expect(loss(diffusionForcing(), 1e6)).toBeCloseTo(loss(teacherForcing(), 1e6), 3);
    expect(Math.abs(loss(diffusionForcing(), 1) - loss(teacherForcing(), 1))).toBeGreaterThan(1e-4);
  });
});

test("bad options are named", () => {
  expect(() => resamplingForcing({ steps: 0 })).toThrow('"steps" must be a positive integer');
  expect(() => resamplingForcing({ shift: -1 })).toThrow(
    'Cannot resample histories as "shift" must be at least 0: got -1. The paper uses 0.6.',
  );
  expect(() => noiseAugmentation({ max: 0 })).toThrow(
    '"max" must lie in (0, 1]. Use teacherForcing() for none.',
  );
  expect(() => switchAt(-1, teacherForcing(), teacherForcing())).toThrow("non-negative integer");
  expect(() => replayedErrors({ odds: 2 })).toThrow(
    'Cannot replay errors as "odds" must lie in [0, 1]: got 2.',
  );
});
