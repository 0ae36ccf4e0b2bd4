/**
 * The contract: every op, on every backend that works here, against its composition on tfjs cpu. WebGPU has its own file,
 * `contract-webgpu.test.ts`.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { type DeviceName, rng, setThreads, tf, useDevice } from "../../src/index.ts";
import { opCases } from "./contract-cases.ts";
import { caseInputs, distance, type Outcome, runCase, weightedSum } from "./contract-run.ts";
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

const backends = await usable(["native", "wasm", "tensorflow"]);

beforeAll(async () => {
  await useDevice("cpu");
  for (const op of opCases) reference.set(op.name, await runCase(op));
});

describe("compositions on tfjs cpu", () => {
  beforeAll(async () => {
    await useDevice("cpu");
  });

  it.each(opCases.filter((op) => op.shapes.length > 0 && op.hasGradient !== false))(
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
