import { beforeAll, describe, expect, test } from "vitest";
import type { History } from "../../src/diffusion/denoiser.ts";
import type { CausalWan, HistoryOptions } from "../../src/model/causal-wan.ts";
import { dense, routing, sinkWindow, slidingWindow } from "../../src/model/history-policy.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { prompts, tinyClip, tinyModel } from "./tiny-model.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const times = (rows: number[][]) => tf.tensor2d(rows);

function maxDifference(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  return tf.tidy(() => a.sub(b).abs().max().dataSync()[0]!);
}

function chunkOf(model: CausalWan, clip: Tensor, i: number): Tensor {
  const frames = model.chunkShape[0];
  return clip.slice([0, i * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
}

/** Velocity of every chunk by the cached path, one chunk after the other. */
function sequential(model: CausalWan, past: Tensor, xt: Tensor, t: number[][]): Tensor {
  const condition = model.encode(prompts);
  let history: History = model.emptyHistory(2);
  const velocities = t[0]!.map((_, i) => {
    const time = tf.tensor1d(t.map((row) => row[i]!));
    const velocity = model.velocity(chunkOf(model, xt, i), time, history, condition);
    if (i < t[0]!.length - 1) history = model.append(chunkOf(model, past, i), history, condition);
    return velocity;
  });
  return tf.concat(velocities, 1);
}

const t4 = [
  [0.9, 0.3, 0.55, 0.7],
  [0.2, 0.8, 0.4, 0.05],
];

describe("claim 26: the dual-sequence pass equals chunk-by-chunk denoising with a cache", () => {
  for (const policy of [
    dense(),
    slidingWindow({ chunks: 2 }),
    sinkWindow({ sink: 1, window: 1 }),
    routing({ topK: 1 }),
  ]) {
    for (const mergeWrites of [true, false]) {
      test(`${policy.name}, ${mergeWrites ? "merged" : "separate"} cache writes`, () => {
        const model = tinyModel({ history: policy, mergeWrites });
        const past = tinyClip(model, 4, 1);
        const xt = tinyClip(model, 4, 2);
        const parallel = model.dualVelocity(past, xt, times(t4), model.encode(prompts));
        expect(tf.tidy(() => parallel.abs().mean().dataSync()[0]!)).toBeGreaterThan(0.05);
        expect(maxDifference(parallel, sequential(model, past, xt, t4))).toBeLessThan(2e-5);
      });
    }
  }
});

test("a causal model does not look ahead, and a chunk's velocity ignores its own history copy", () => {
  const model = tinyModel();
  const condition = model.encode(prompts);
  const past = tinyClip(model, 4, 1);
  const xt = tinyClip(model, 4, 2);
  const before = model.dualVelocity(past, xt, times(t4), condition);
  const changedPast = tf.concat([chunkOf(model, past, 0), tinyClip(model, 3, 3)], 1);
  const after = model.dualVelocity(changedPast, xt, times(t4), condition);
  expect(maxDifference(chunkOf(model, before, 1), chunkOf(model, after, 1))).toBe(0);
  expect(maxDifference(chunkOf(model, before, 2), chunkOf(model, after, 2))).toBeGreaterThan(1e-3);
});

test("claim 28: routing to at least as many chunks as there are equals dense attention", () => {
  const model = tinyModel();
  const [past, xt] = [tinyClip(model, 4, 1), tinyClip(model, 4, 2)];
  const condition = model.encode(prompts);
  const all = model.dualVelocity(past, xt, times(t4), condition);
  const routed = model.withHistory(routing({ topK: 3 }));
  expect(maxDifference(all, routed.dualVelocity(past, xt, times(t4), condition))).toBeLessThan(1e-5);
  expect(maxDifference(all, sequential(routed, past, xt, t4))).toBeLessThan(2e-5);
  const fewer = model.withHistory(routing({ topK: 1 }));
  expect(maxDifference(all, fewer.dualVelocity(past, xt, times(t4), condition))).toBeGreaterThan(1e-4);
});

describe("histories are immutable", () => {
  const model = tinyModel();
  const condition = model.encode(prompts);
  const [a, b, c] = [tinyClip(model, 1, 1), tinyClip(model, 1, 2), tinyClip(model, 1, 3)];
  const xt = tinyClip(model, 1, 4);
  const grow = (...chunks: Tensor[]) =>
    chunks.reduce<History>((history, x0) => {
      const next = model.append(x0, history, condition);
      model.velocity(xt, 0.5, next, condition).dispose();
      return next;
    }, model.emptyHistory(2));

  test("siblings of one parent do not disturb each other or the parent", () => {
    const parent = grow(a);
    const before = model.velocity(xt, 0.3, parent, condition);
    const left = model.append(b, parent, condition);
    const leftVelocity = model.velocity(xt, 0.3, left, condition);
    const right = model.append(c, parent, condition);
    const rightVelocity = model.velocity(xt, 0.3, right, condition);
    expect(maxDifference(model.velocity(xt, 0.3, left, condition), leftVelocity)).toBe(0);
    expect(maxDifference(model.velocity(xt, 0.3, grow(a, b), condition), leftVelocity)).toBeLessThan(2e-6);
    expect(maxDifference(model.velocity(xt, 0.3, grow(a, c), condition), rightVelocity)).toBeLessThan(2e-6);
    expect(maxDifference(model.velocity(xt, 0.3, parent, condition), before)).toBeLessThan(2e-6);
    expect([parent.numChunks, left.numChunks, right.numChunks]).toEqual([1, 2, 2]);
  });

  test("gathered rows continue alone as they would together", () => {
    const both = grow(a, b);
    const velocity = model.velocity(xt, 0.3, both, condition);
    const swapped = both.gather([1, 0, 1]);
    const rows = tf.gather(xt, tf.tensor1d([1, 0, 1], "int32"));
    const others = model.encode([prompts[1], prompts[0], prompts[1]]);
    const expected = tf.gather(velocity, tf.tensor1d([1, 0, 1], "int32"));
    expect(maxDifference(model.velocity(rows, 0.3, swapped, others), expected)).toBeLessThan(1e-6);
    expect(() => both.gather([2])).toThrow("Cannot gather rows [2] as this history has rows 0 to 1.");
  });

  test("nothing leaks, and a disposed history says so", () => {
    const start = tf.memory().numTensors;
    const history = grow(a, b, c);
    const copy = history.gather([0]);
    copy.dispose();
    history.dispose();
    expect(() => model.velocity(xt, 0.3, history, condition)).toThrow("was disposed");
    // `grow` keeps the two shorter histories alive; their one shared buffer has 2 layers of keys and values.
    expect(tf.memory().numTensors - start).toBeLessThanOrEqual(4 + 10);
  });
});

describe("positions beyond training", () => {
  const velocityAfter = (chunks: number, options: HistoryOptions, policy = dense()) => {
    const model = tinyModel({ history: policy, ...options });
    const condition = model.encode(prompts);
    let history: History = model.emptyHistory(2);
    for (let i = 0; i < chunks; i++) history = model.append(tinyClip(model, 1, i), history, condition);
    return model.velocity(tinyClip(model, 1, 99), 0.4, history, condition);
  };

  for (const policy of [dense(), routing({ topK: 2 }), sinkWindow({ sink: 1, window: 2 })]) {
    test(`a largest distance that is never reached changes nothing (${policy.name})`, () => {
      const clamped = velocityAfter(4, { maxDistance: 4 }, policy);
      expect(maxDifference(clamped, velocityAfter(4, {}, policy))).toBeLessThan(1e-5);
    });
  }

  test("a sink stays at the largest distance, so its effect does not depend on how far it is", () => {
    // Window 1 and sink 1: at the last chunk the same keys are seen but for their distance.
    const policy = sinkWindow({ sink: 1, window: 1 });
    const model = tinyModel({ history: policy, maxDistance: 3, config: { layers: 1 } });
    const free = tinyModel({ history: policy, config: { layers: 1 } });
    const at = (m: CausalWan, between: number) => {
      const condition = m.encode(prompts);
      let history: History = m.emptyHistory(2);
      // One layer: a chunk's keys do not depend on its history.
      const seeds = [1, ...Array<number>(between).fill(2), 3];
      for (const seed of seeds) history = m.append(tinyClip(m, 1, seed), history, condition);
      return m.velocity(tinyClip(m, 1, 9), 0.4, history, condition);
    };
    expect(maxDifference(at(model, 2), at(model, 6))).toBeLessThan(2e-5);
    expect(maxDifference(at(free, 2), at(free, 6))).toBeGreaterThan(1e-4);
  });
});

test("routing before rotation: every chunk when they fit, another choice when they do not", () => {
  const [past, xt] = [tinyClip(tinyModel(), 4, 1), tinyClip(tinyModel(), 4, 2)];
  const velocity = (topK: number, keys: "pre-rope" | "post-rope") => {
    const model = tinyModel({ history: routing({ topK, keys }) });
    const parallel = model.dualVelocity(past, xt, times(t4), model.encode(prompts));
    expect(maxDifference(parallel, sequential(model, past, xt, t4))).toBeLessThan(2e-5);
    return parallel;
  };
  expect(maxDifference(velocity(3, "pre-rope"), velocity(3, "post-rope"))).toBeLessThan(1e-5);
  expect(maxDifference(velocity(1, "pre-rope"), velocity(1, "post-rope"))).toBeGreaterThan(1e-5);
});

test("a chunk that is the whole clip makes a bidirectional model", () => {
  const model = tinyModel({ config: { chunkShape: [6, 2, 2, 4] } });
  const condition = model.encode(prompts);
  const clip = randn([2, 6, 2, 2, 4], rng(4));
  const before = model.velocity(clip, 0.5, model.emptyHistory(2), condition);
  const changed = tf.concat([clip.slice([0, 0], [-1, 5]), clip.slice([0, 5]).add(1)], 1);
  const after = model.velocity(changed, 0.5, model.emptyHistory(2), condition);
  // The first frame sees the last one.
  expect(maxDifference(before.slice([0, 0], [-1, 1]), after.slice([0, 0], [-1, 1]))).toBeGreaterThan(1e-4);
  const time = tf.tensor2d([[0.5], [0.5]]);
  expect(maxDifference(model.dualVelocity(clip, clip, time, condition), before)).toBeLessThan(1e-6);
});

test("a window costs constant memory, and long histories grow", () => {
  const bytes = (model: CausalWan) => {
    const condition = model.encode(prompts);
    let history: History = model.emptyHistory(2);
    const sizes: number[] = [];
    for (let i = 0; i < 14; i++) {
      const x0 = tinyClip(model, 1, i);
      model.velocity(x0, 0.5, history, condition).dispose();
      const next = model.append(x0, history, condition);
      history.dispose();
      history = next;
      sizes.push(history.bytes);
    }
    expect(history.numChunks).toBe(14);
    return sizes;
  };
  const windowed = bytes(tinyModel({ history: slidingWindow({ chunks: 2 }) }));
  expect(windowed[13]).toBe(windowed[5]);
  const all = bytes(tinyModel({ history: dense() }));
  // Buffers double as they fill; the newest chunk, not yet written, weighs the same at any length.
  expect(all[13]).toBeGreaterThan(1.5 * all[5]!);
});

test("gradients reach every weight, and not the history", () => {
  const model = tinyModel();
  const [past, xt] = [tinyClip(model, 3, 1), tinyClip(model, 3, 2)];
  const t = times(t4.map((row) => row.slice(0, 3)));
  const condition = model.encode(prompts);
  const { grads } = tf.variableGrads(
    () => model.dualVelocity(past, xt, t, condition).square().mean() as tf.Scalar,
    [...model.weights.values()],
  );
  for (const [name, variable] of model.weights) {
    const size = tf.tidy(() => grads[variable.name]!.abs().max().dataSync()[0]!);
    // A bias on all keys alike cannot change a softmax; RMSNorm behind it leaves a small effect.
    expect(size, name).toBeGreaterThan(0);
  }
});

test("bad input is named", () => {
  const model = tinyModel();
  const condition = model.encode(prompts);
  const history = model.emptyHistory(2);
  expect(() => model.velocity(tf.zeros([2, 3, 2, 2, 4]), 1, history, condition)).toThrow(
    "Cannot denoise a chunk as it must be [batch, a multiple of 2 frames, 2, 2, 4]: got [2,3,2,2,4].",
  );
  expect(() => model.velocity(tf.zeros([1, 2, 2, 2, 4]), 1, history, condition)).toThrow(
    "Cannot denoise as x_t must be one chunk [2, 2,2,2,4] for this history: got [1,2,2,2,4].",
  );
  expect(() => routing({ topK: 0 })).toThrow(
    'Cannot use routed history as "topK" must be a positive integer: got 0.',
  );
});
