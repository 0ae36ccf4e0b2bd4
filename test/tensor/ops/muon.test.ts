import { beforeAll, describe, expect, test } from "vitest";
import { setThreads, useDevice } from "../../../src/tensor/device.ts";
import { muonComposition, muonGroups, muonStep, orthogonalise } from "../../../src/tensor/ops/muon.ts";
import { randn } from "../../../src/tensor/ops/randn.ts";
import { rng } from "../../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../../src/tensor/tf.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

/** Singular values by the eigenvalues of the Gram matrix, found by Jacobi rotations. */
function singularValues(matrix: number[][]): number[] {
  const n = matrix.length;
  const g = matrix.map((a) => matrix.map((b) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)));
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const angle = 0.5 * Math.atan2(2 * g[p]![q]!, g[q]![q]! - g[p]![p]!);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        for (let k = 0; k < n; k++) {
          const [a, b] = [g[p]![k]!, g[q]![k]!];
          [g[p]![k], g[q]![k]] = [c * a - s * b, s * a + c * b];
        }
        for (let k = 0; k < n; k++) {
          const [a, b] = [g[k]![p]!, g[k]![q]!];
          [g[k]![p], g[k]![q]] = [c * a - s * b, s * a + c * b];
        }
      }
    }
  }
  return g.map((row, i) => Math.sqrt(Math.max(0, row[i]!)));
}

describe("orthogonalise", () => {
  test.each([[[2, 6, 6]], [[1, 4, 10]], [[1, 10, 4]]])("%j: singular values come near one", async (shape) => {
    const x = randn(shape, rng(1));
    const result = (await orthogonalise(x).array()) as number[][][];
    for (const matrix of result) {
      const wide =
        matrix.length > matrix[0]!.length ? matrix[0]!.map((_, j) => matrix.map((row) => row[j]!)) : matrix;
      // The quintic does not converge to 1: it maps singular values above about .01 into [.68, 1.2].
      for (const value of singularValues(wide)) {
        expect(value).toBeGreaterThan(0.4);
        expect(value).toBeLessThan(1.3);
      }
    }
  });

  test("the scale of the gradient does not matter", () => {
    const x = randn([1, 5, 5], rng(2));
    const gap = orthogonalise(x)
      .sub(orthogonalise(x.mul(1000)))
      .abs()
      .max()
      .dataSync()[0]!;
    expect(gap).toBeLessThan(1e-4);
  });
});

describe("muonStep", () => {
  const settings = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.5 };
  const variables = () => [
    tf.variable(randn([4, 4], rng(1))),
    tf.variable(randn([4, 4], rng(2))),
    tf.variable(randn([8, 4], rng(3))),
  ];

  test("groups by shape and follows the formula of one matrix at a time", () => {
    const parameters = variables();
    const before = parameters.map((p) => p.clone());
    const grads = parameters.map((p, i) => randn(p.shape, rng(10 + i)));
    const groups = muonGroups(parameters);
    expect(groups.map((g) => g.parameters.length)).toEqual([2, 1]);
    const squares = groups.map((g) =>
      muonStep(
        g,
        g.parameters.map((p) => grads[parameters.indexOf(p as tf.Variable)]!),
        settings,
      ),
    );
    const total = squares.reduce((sum, s) => sum + s.dataSync()[0]!, 0);
    const expectedTotal = grads.reduce((sum, g) => sum + g.square().sum().dataSync()[0]!, 0);
    expect(total).toBeCloseTo(expectedTotal, 2);
    for (const [i, p] of parameters.entries()) {
      const scale = 0.1 * Math.sqrt(Math.max(1, p.shape[0]! / p.shape[1]!));
      // The first momentum is a multiple of the gradient, so the direction is the gradient's.
      const expected = before[i]!.mul(1 - 0.1 * 0.5).sub(
        (orthogonalise(grads[i]!.expandDims(0)).squeeze([0]) as Tensor).mul(scale),
      );
      expect(p.sub(expected).abs().max().dataSync()[0]).toBeLessThan(1e-3);
    }
  });

  test("a gradient that is not finite changes nothing", () => {
    const parameters = variables().slice(0, 1);
    const before = parameters[0]!.dataSync().slice();
    const [group] = muonGroups(parameters);
    muonStep(group!, [tf.fill([4, 4], Number.NaN)], settings);
    expect(parameters[0]!.dataSync()).toEqual(before);
  });
});

describe("the kernel", () => {
  const settings = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.5, emaDecay: 0.8 };
  const shapes = [
    [3, 32, 32],
    [1, 40, 17],
    [2, 17, 40],
    [1, 5, 1],
  ] as const;
  /** Weights, averages and momentum after three steps. */
  const run = (step: typeof muonStep): number[][] =>
    shapes.flatMap(([n, rows, cols], at) => {
      const parameters = Array.from({ length: n }, (_, i) => tf.variable(randn([rows, cols], rng(at).at(i))));
      const [group] = muonGroups(parameters, { ema: true });
      const squares = [1, 2, 3].map((s) => {
        const grads = parameters.map((p, i) => randn(p.shape, rng(at + 10 * s).at(i)));
        return step(group!, grads, settings).dataSync()[0]!;
      });
      const state = [...parameters, ...group!.averages, group!.momentum];
      return [squares, ...state.map((v) => [...v.dataSync()])];
    });

  test.each(["native", "wasm"] as const)(
    "%s follows the composition, to the bit on any threads",
    async (name) => {
      await useDevice("cpu");
      const expected = run(muonComposition);
      await useDevice(name);
      for (const threads of [1, 2, 4]) {
        setThreads(threads);
        const actual = run(muonStep);
        actual.forEach((values, i) => {
          values.forEach((v, j) => {
            // The quintic stretches small singular values, and rounding with them.
            expect(Math.abs(v - expected[i]![j]!), `${i}, ${j}`).toBeLessThan(2e-4 * (1 + Math.abs(v)));
          });
        });
        if (threads > 1) expect(actual).toEqual(first);
        else first = actual;
      }
    },
  );
  let first: number[][] = [];

  test.each(["native", "wasm"] as const)(
    "%s changes nothing on a gradient that is not finite",
    async (name) => {
      await useDevice(name);
      const parameter = tf.variable(randn([6, 4], rng(1)));
      const [group] = muonGroups([parameter], { ema: true });
      const state = () => [parameter, ...group!.averages, group!.momentum].map((v) => [...v.dataSync()]);
      const before = state();
      expect(muonStep(group!, [tf.fill([6, 4], Number.NaN)], settings).dataSync()[0]).toBeNaN();
      expect(state()).toEqual(before);
      expect(() => muonStep(group!, [tf.zeros([4, 6])], settings)).toThrow(/^Cannot step parameter /);
      expect(() => muonStep(group!, [], settings)).toThrow(
        /^Cannot step 1 matrices as each needs a gradient: got 0/,
      );
    },
  );
});
