/** The contract: every op, on every backend that works here, against its composition on tfjs cpu. */
import { beforeAll, describe, expect, it } from "vitest";
import { type DeviceName, rng, setThreads, tf, useDevice } from "../../src/index.ts";
import { webgpuErrors } from "../../src/tensor/webgpu/open.ts";
import { opCases } from "./contract-cases.ts";
import { caseInputs, type Outcome, runCase, weightedSum } from "./contract-run.ts";
import { expectSameBits } from "./same-bits.ts";

const reference = new Map<string, Outcome>();

/** Backends that work on this machine; the others say why not. */
async function usable(names: readonly DeviceName[]): Promise<DeviceName[]> {
  const found: DeviceName[] = [];
  for (const name of names) {
    try {
      await useDevice(name);
      found.push(name);
    } catch (error) {
      console.log(`contract: ${(error as Error).message}`);
    }
  }
  return found;
}

const backends = await usable(["native", "wasm", "webgpu", "tensorflow"]);

beforeAll(async () => {
  await useDevice("cpu");
  for (const op of opCases) reference.set(op.name, await runCase(op));
});

describe("compositions on tfjs cpu", () => {
  beforeAll(async () => {
    await useDevice("cpu");
  });

  it.each(opCases.filter((op) => op.shapes.length > 0))(
    "$name: gradients agree with finite differences",
    async (op) => {
      const { grads } = reference.get(op.name)!;
      const inputs = caseInputs(op);
      for (const [i, base] of inputs.entries()) {
        if (base.length === 0) continue;
        // One random direction per input: the derivative along it against a central difference. In float32 a step of
        // 2e-3 leaves rounding of about 1e-7 / 2e-3 per value and curvature of 4e-6: 2 % of the gradient's length is ample.
        const direction = rng(13).at(op.name, i).normal(base.length);
        const along = (h: number): number =>
          tf.tidy(() => {
            const moved = inputs.map((data, j) =>
              tf.tensor(j === i ? data.map((x, n) => x + h * direction[n]!) : data, [...op.shapes[j]!]),
            );
            return weightedSum(op, moved).dataSync()[0]!;
          });
        const h = 2e-3;
        const numeric = (along(h) - along(-h)) / (2 * h);
        const analytic = grads[i]!.reduce((sum, g, n) => sum + g * direction[n]!, 0);
        const norm = Math.sqrt(grads[i]!.reduce((sum, g) => sum + g * g, 0));
        expect(Math.abs(numeric - analytic), `input ${i}: ${numeric} against ${analytic}`).toBeLessThan(
          0.02 * Math.max(norm, 1),
        );
      }
    },
  );
});

/**
 * Largest distance in units of the tolerance: 2e-5 of the reference's root mean square plus 2e-5 of the value. Sums of
 * a hundred products differ by about 1e-6 of their size between orders of summation; the reciprocal square roots and
 * exponentials of shaders by 1e-6 to 1e-5.
 */
function distance(actual: Float32Array, expected: Float32Array): number {
  expect(actual.length).toBe(expected.length);
  const rms = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / Math.max(expected.length, 1));
  let worst = 0;
  for (const [i, x] of expected.entries()) {
    const off = Math.abs(actual[i]! - x) / (2e-5 * (Math.abs(x) + rms) + 1e-7);
    if (!(off <= worst)) worst = off;
  }
  return worst;
}

it("our own engines work on every machine", () => {
  expect(backends).toEqual(expect.arrayContaining(["native", "wasm"]));
});

for (const name of backends) {
  describe(`ops on ${name}`, () => {
    beforeAll(async () => {
      await useDevice(name);
    });

    it.each(opCases)("$name: value and gradients agree with the composition", async (op) => {
      const expected = reference.get(op.name)!;
      const actual = await runCase(op);
      expect(actual.shape).toEqual(expected.shape);
      expect(distance(actual.value, expected.value), "value").toBeLessThan(1);
      for (const [i, grad] of expected.grads.entries()) {
        expect(distance(actual.grads[i]!, grad), `gradient of input ${i}`).toBeLessThan(1);
      }
    });

    if (name === "webgpu") {
      // A shader that does not compile gives garbage, not an exception.
      it("reports no error of the device", () => expect(webgpuErrors).toEqual([]));
    }

    if (name === "native" || name === "wasm") {
      it.each(opCases)("$name: 1, 2 and 4 threads give the same bits", async (op) => {
        setThreads(1);
        const one = await runCase(op);
        for (const threads of [2, 4]) {
          setThreads(threads);
          const many = await runCase(op);
          expectSameBits(many.value, one.value);
          for (const [i, grad] of one.grads.entries()) expectSameBits(many.grads[i]!, grad);
        }
      });
    }
  });
}
