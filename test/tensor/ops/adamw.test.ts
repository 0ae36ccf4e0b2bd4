import { beforeAll, describe, expect, it } from "vitest";
import {
  type AdamWSettings,
  adamw,
  adamwSlots,
  rng,
  type Tensor,
  tf,
  useDevice,
} from "../../../src/index.ts";
import { expectSameBits } from "../same-bits.ts";

const shapes = [[3, 5], [1], [300, 170], [0], [17]];
const drawn = (seed: number, scale = 1): Float32Array[] =>
  shapes.map((shape, i) =>
    rng(seed)
      .at(i)
      .normal(shape.reduce((a, b) => a * b, 1))
      .map((x) => x * scale),
  );
const tensors = (data: Float32Array[]): Tensor[] => data.map((x, i) => tf.tensor(x, shapes[i]!));

/** The update of the paper, in doubles. */
function expected(settings: Omit<AdamWSettings, "step">, steps: number) {
  const {
    learningRate,
    beta1 = 0.9,
    beta2 = 0.999,
    eps = 1e-8,
    weightDecay = 0,
    maxGradNorm,
    emaDecay,
  } = settings;
  const state = drawn(1).map((p, i) => ({
    p: [...p],
    m: [...p].map(() => 0),
    v: [...p].map(() => 0),
    e: [...p],
    decay: shapes[i]!.length > 1 ? 1 : 0,
  }));
  const norms: number[] = [];
  for (let t = 1; t <= steps; t++) {
    const grads = drawn(100 + t, t);
    const norm = Math.sqrt(grads.reduce((s, g) => s + g.reduce((r, x) => r + x * x, 0), 0));
    norms.push(norm);
    const clip = maxGradNorm === undefined ? 1 : Math.min(1, maxGradNorm / (norm + 1e-6));
    for (const [i, s] of state.entries()) {
      for (let j = 0; j < s.p.length; j++) {
        const g = grads[i]![j]! * clip;
        s.m[j] = beta1 * s.m[j]! + (1 - beta1) * g;
        s.v[j] = beta2 * s.v[j]! + (1 - beta2) * g * g;
        const update = s.m[j]! / (1 - beta1 ** t) / (Math.sqrt(s.v[j]! / (1 - beta2 ** t)) + eps);
        s.p[j] = s.p[j]! * (1 - learningRate * weightDecay * s.decay) - learningRate * update;
        if (emaDecay !== undefined) s.e[j] = emaDecay * s.e[j]! + (1 - emaDecay) * s.p[j]!;
      }
    }
  }
  return { state, norms };
}

describe.each(["cpu", "native", "wasm"] as const)("adamw on %s", (device) => {
  beforeAll(async () => {
    await useDevice(device);
  });

  const slotsOf = (ema: boolean) =>
    adamwSlots(
      tensors(drawn(1)).map((x) => tf.variable(x)),
      { ema, decay: (p) => (p.rank > 1 ? 1 : 0) },
    );

  it.each([
    [{ learningRate: 1e-2 }],
    [{ learningRate: 1e-2, weightDecay: 0.1, maxGradNorm: 5, emaDecay: 0.9 }],
    [{ learningRate: 3e-3, beta1: 0.8, beta2: 0.95, eps: 1e-5, maxGradNorm: 1e6 }],
  ])("follows the paper: %j", (settings: Omit<AdamWSettings, "step">) => {
    const slots = slotsOf("emaDecay" in settings);
    const { state, norms } = expected(settings, 3);
    for (let step = 1; step <= 3; step++) {
      const norm = adamw(slots, tensors(drawn(100 + step, step)), { ...settings, step }).dataSync()[0]!;
      expect(Math.abs(norm / norms[step - 1]! - 1)).toBeLessThan(1e-5);
    }
    for (const [i, { p, m, v, e }] of state.entries()) {
      const { parameter, m: m1, v: v1, ema } = slots[i]!;
      // Three steps of float32 rounding on values of size 1.
      for (const [actual, wanted] of [
        [parameter, p],
        [m1, m],
        [v1, v],
        ...(ema ? ([[ema, e]] as const) : []),
      ] as const) {
        let worst = 0;
        for (const [j, x] of actual.dataSync().entries()) {
          const off = Math.abs(x - wanted[j]!) / Math.max(1, Math.abs(wanted[j]!));
          if (!(off <= worst)) worst = off;
        }
        expect(worst).toBeLessThan(2e-6);
      }
    }
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, 3e38])("changes nothing when a gradient holds %f", (bad) => {
    const slots = slotsOf(true);
    const grads = drawn(2);
    grads[2]![77] = bad;
    adamw(slots, tensors(grads), { learningRate: 1, step: 1, emaDecay: 0.5, weightDecay: 0.1 });
    for (const [i, { parameter, m, v, ema }] of slots.entries()) {
      expectSameBits(parameter.dataSync() as Float32Array, drawn(1)[i]!);
      expectSameBits(ema!.dataSync() as Float32Array, drawn(1)[i]!);
      expect(m.dataSync().every((x) => x === 0) && v.dataSync().every((x) => x === 0)).toBe(true);
    }
  });

  it("does not touch tensors that shared memory with a parameter", () => {
    const start = tf.tensor1d([1, 2, 3]);
    const parameter = tf.variable(start);
    const snapshot = parameter.clone();
    const slots = adamwSlots([parameter], { ema: true });
    adamw(slots, [tf.ones([3])], { learningRate: 0.5, step: 1, emaDecay: 0 });
    const between = parameter.clone();
    adamw(slots, [tf.ones([3])], { learningRate: 0.5, step: 2, emaDecay: 0 });
    for (const kept of [start, snapshot]) expect([...kept.dataSync()]).toEqual([1, 2, 3]);
    for (const [i, x] of between.dataSync().entries()) expect(x).toBeCloseTo(i + 0.5, 5);
    for (const [i, x] of parameter.dataSync().entries()) expect(x).toBeCloseTo(i, 5);
    expect(slots[0]!.ema!.dataSync()).toEqual(parameter.dataSync());
  });

  it("refuses gradients that do not match", () => {
    const slots = adamwSlots([tf.variable(tf.zeros([2, 3]), true, `mismatch-${device}`)]);
    expect(() => adamw(slots, [], { learningRate: 1, step: 1 })).toThrow(
      "Cannot step 1 parameters as each needs a gradient: got 0.",
    );
    expect(() => adamw(slots, [tf.zeros([3, 2])], { learningRate: 1, step: 1 })).toThrow(
      `Cannot step parameter mismatch-${device} as its gradient must be [2,3]: got [3,2].`,
    );
  });
});

describe("a step on native", () => {
  it("writes in place and gives the same bits on any number of threads", async () => {
    const { setThreads } = await import("../../../src/index.ts");
    await useDevice("native");
    const run = (threads: number) => {
      setThreads(threads);
      const slots = adamwSlots(tensors(drawn(1)).map((x) => tf.variable(x)));
      for (let step = 1; step <= 2; step++) {
        adamw(slots, tensors(drawn(step)), { learningRate: 0.1, step, maxGradNorm: 1 });
      }
      const ids = slots.map((slot) => slot.parameter.dataId);
      adamw(slots, tensors(drawn(3)), { learningRate: 0.1, step: 3, maxGradNorm: 1 });
      expect(slots.map((slot) => slot.parameter.dataId)).toEqual(ids);
      return slots.map(({ parameter, m, v }) => [parameter, m, v].map((x) => x.dataSync()));
    };
    const one = run(1).flat() as Float32Array[];
    for (const threads of [2, 4]) {
      for (const [i, values] of run(threads).flat().entries())
        expectSameBits(values as Float32Array, one[i]!);
    }
  });
});
