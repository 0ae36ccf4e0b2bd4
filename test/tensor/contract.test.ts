import { beforeAll, describe, expect, it } from "vitest";
import { rng, tf } from "../../src/index.ts";
import { opCases } from "./contract-cases.ts";
import { caseInputs, runCase, weightedSum } from "./contract-run.ts";

describe("compositions on tfjs cpu", () => {
  beforeAll(async () => {
    await tf.setBackend("cpu");
  });

  it.each(opCases.filter((op) => op.shapes.length > 0))(
    "$name: gradients agree with finite differences",
    async (op) => {
      const { grads } = await runCase(op);
      const inputs = caseInputs(op);
      for (const [i, base] of inputs.entries()) {
        if (base.length === 0) continue;
        // One random direction per input: the derivative along it against a central difference. float32 and a step of
        // 1e-2 leave about 1e-4 of rounding and 1e-4 of curvature.
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
