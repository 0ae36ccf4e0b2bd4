import { beforeAll, describe, expect, it } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { fallbackKernels } from "../../src/tensor/kernels/rest.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { inputsOf, type Outcome, outcome, plainCases } from "./plain-cases.ts";

const backends = ["native", "wasm"] as const;

function close(actual: Float32Array, expected: Float32Array, tolerance: number): string | undefined {
  if (actual.length !== expected.length) return `length ${actual.length} instead of ${expected.length}`;
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || (Number.isNaN(a) && Number.isNaN(e)) || a === e) continue;
    if (!(Math.abs(a - e) <= tolerance * (1 + Math.abs(e)))) return `[${i}] is ${a} instead of ${e}`;
  }
  return undefined;
}

// float32 against double-precision tfjs-cpu kernels: some ulp of the largest term.
const TOLERANCE = 2e-5;

describe("plain kernels against tfjs-cpu", () => {
  const references = new Map<string, Outcome>();
  for (const backend of backends) {
    describe(backend, () => {
      beforeAll(async () => {
        await useDevice(backend);
      });
      for (const item of plainCases) {
        it(item.name, async () => {
          await tf.setBackend("cpu");
          const inputs = inputsOf(item);
          const want = references.get(item.name) ?? outcome(item, inputs);
          references.set(item.name, want);
          await tf.setBackend(backend);
          const result = outcome(item, inputs);
          expect(result.shapes).toEqual(want.shapes);
          expect(result.dtypes).toEqual(want.dtypes);
          const tolerance = item.tolerance ?? TOLERANCE;
          result.values.forEach((v, i) => {
            expect(close(v, want.values[i]!, tolerance), `value ${i}`).toBeUndefined();
          });
          result.gradients.forEach((g, i) => {
            expect(close(g, want.gradients[i]!, 4 * tolerance), `gradient ${i}`).toBeUndefined();
          });
        });
      }
    });
  }
});

describe("types and special values", () => {
  const both = async (run: () => Tensor) => {
    await useDevice("cpu");
    const want = run();
    const wanted = [...want.dataSync()];
    const results: { data: number[]; dtype: string; shape: number[] }[] = [];
    for (const backend of backends) {
      await useDevice(backend);
      const t = run();
      results.push({ data: [...t.dataSync()], dtype: t.dtype, shape: t.shape });
    }
    for (const result of results)
      expect(result).toEqual({ data: wanted, dtype: want.dtype, shape: want.shape });
  };
  const ints = () => tf.tensor2d([7, -3, 0, 5, -8, 2], [2, 3], "int32");
  const odd = () =>
    tf.tensor1d([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1.5, -1.5, 3e9]);
  const cases: Record<string, () => Tensor> = {
    "int32 add": () => tf.add(ints(), tf.tensor1d([1, 2, 3], "int32")),
    "int32 overflow": () => tf.add(tf.tensor1d([2147483647], "int32"), tf.tensor1d([1], "int32")),
    "int32 division": () => tf.div(ints(), tf.scalar(2, "int32")),
    "int32 floorDiv by zero": () => tf.floorDiv(ints(), tf.scalar(0, "int32")),
    "int32 mod": () => tf.mod(ints(), tf.scalar(3, "int32")),
    "int32 pow": () => tf.pow(ints(), tf.scalar(3, "int32")),
    "int32 sum": () => tf.sum(ints(), 0),
    "int32 max": () => tf.max(ints(), 1),
    "int32 neg abs sign": () => tf.add(tf.neg(ints()), tf.mul(tf.abs(ints()), tf.sign(ints()))),
    "int32 matMul": () => tf.matMul(ints(), ints(), false, true),
    "int32 transpose": () => tf.transpose(ints()),
    "int32 exp": () => tf.exp(ints()),
    "int32 cumsum": () => tf.cumsum(ints(), 1),
    "int32 topk": () => tf.topk(ints(), 2).values,
    "int32 argMax": () => tf.argMax(ints(), 1),
    "mixed types": () => tf.add(ints(), tf.scalar(0.5)),
    "bool logic": () =>
      tf.logicalAnd(
        tf.greater(ints(), tf.scalar(0, "int32")),
        tf.logicalNot(tf.equal(ints(), tf.scalar(7, "int32"))),
      ),
    "bool or": () => tf.logicalOr(tf.tensor1d([1, 0, 0], "bool"), tf.tensor1d([0, 0, 1], "bool")),
    "bool any all": () =>
      tf.concat([
        tf.any(tf.tensor1d([1, 0], "bool")).reshape([1]),
        tf.all(tf.tensor1d([1, 0], "bool")).reshape([1]),
      ]),
    "bool sum": () => tf.sum(tf.tensor1d([1, 0, 1], "bool")),
    "bool concat of rows": () =>
      tf.concat([tf.tensor([1, 0, 0, 1, 1, 1, 0, 1, 0], [9, 1], "bool"), tf.ones([9, 3], "bool")], 1),
    "bool concat": () => tf.concat([tf.tensor1d([1, 0], "bool"), tf.tensor1d([1], "bool")]),
    "bool equal": () => tf.equal(tf.tensor1d([1, 0], "bool"), tf.tensor1d([1, 1], "bool")),
    "cast to int": () => tf.cast(tf.tensor1d([1.9, -1.9, 0.4]), "int32"),
    "cast to bool": () => tf.cast(tf.tensor1d([1.9, 0, -0.4]), "bool"),
    "cast to bool nan": () => tf.cast(odd(), "bool"),
    "bool to float": () => tf.cast(tf.tensor1d([1, 0], "bool"), "float32"),
    isNaN: () => tf.isNaN(odd()),
    isInf: () => tf.isInf(odd()),
    isFinite: () => tf.isFinite(odd()),
    "relu of odd": () => tf.relu(odd()),
    "sign of odd": () => tf.sign(odd()),
    "max of NaN": () => tf.max(odd()),
    "maximum of NaN": () => tf.maximum(odd(), tf.scalar(0)),
    "compare odd": () => tf.greaterEqual(odd(), tf.scalar(0)),
    "exp of odd": () => tf.exp(odd()),
    "floor of odd": () => tf.floor(odd()),
    "round half": () => tf.round(tf.tensor1d([0.5, 1.5, 2.5, -0.5, -1.5, 1e7 + 0.5])),
    "oneHot bool": () => tf.oneHot(tf.tensor1d([1, 0], "int32"), 3, 1, 0, "bool"),
    range: () => tf.range(5, 1, -1.5),
    linspace: () => tf.linspace(0, 1, 5),
    eye: () => tf.eye(3),
    ones: () => tf.onesLike(ints()),
    fill: () => tf.fill([2, 2], 7, "int32"),
    diag: () => tf.diag(tf.tensor1d([1, 2])),
    unique: () => tf.unique(tf.tensor1d([1, 2, 1])).values,
    "where rows": () => tf.where(tf.tensor1d([1, 0], "bool").reshape([2, 1]), ints(), tf.zerosLike(ints())),
    "complex real imag": () =>
      tf.add(tf.real(tf.complex([1, 2], [3, 4])), tf.imag(tf.complex([1, 2], [3, 4]))),
    "booleanMask by gather": () => tf.gather(ints(), tf.tensor1d([1], "int32")),
    searchSorted: () => tf.searchSorted(tf.tensor1d([1, 3, 5]), tf.tensor1d([2, 6])),
  };
  for (const [name, run] of Object.entries(cases)) it(name, () => both(run));

  it("keeps strings", async () => {
    await useDevice("native");
    const words = tf.tensor1d(["a", "bc"]);
    expect(words.dataSync()).toEqual(["a", "bc"]);
    expect(tf.concat([words, words]).reshape([2, 2]).dataSync()).toEqual(["a", "bc", "a", "bc"]);
    expect(tf.slice(words, [1], [1]).dataSync()).toEqual(["bc"]);
  });

  it("says what is out of range instead of reading it", async () => {
    await useDevice("native");
    expect(() => tf.gather(tf.tensor1d([1, 2]), tf.tensor1d([2], "int32"))).toThrow(
      "Cannot gather as indices must be in [0, 1]: got 2. Clip or check them first.",
    );
    expect(() => tf.gatherND(tf.tensor1d([1, 2]), tf.tensor2d([[-1]], [1, 1], "int32"))).toThrow(
      "Cannot gather as index 0 of a row must be in [0, 1]: got -1.",
    );
    expect(() => tf.split(tf.ones([9, 7]), [10, -3], 1)).toThrow(
      "Cannot split axis 1 of [9,7] as no part may be smaller than 0: got [10,-3]. Give sizes that add up to 7.",
    );
    expect(() => tf.matMul(tf.ones([2, 3]), tf.ones([2, 3]))).toThrow();
  });
});

describe("where tfjs-cpu is wrong, against the definition", () => {
  it("matMul broadcasts batches of different rank", async () => {
    await useDevice("native");
    const a = tf.randomNormal([2, 1, 5, 6], 0, 1, "float32", 1);
    const b = tf.randomNormal([3, 6, 7], 0, 1, "float32", 2);
    const product = tf.matMul(a, b);
    expect(product.shape).toEqual([2, 3, 5, 7]);
    const tiled = tf.matMul(tf.tile(a, [1, 3, 1, 1]).reshape([6, 5, 6]), tf.tile(b, [2, 1, 1]));
    expect([...product.dataSync()]).toEqual([...tiled.dataSync()]);
  });
  it("einsum sums letters that one tensor alone has", async () => {
    await useDevice("native");
    const a = tf.randomNormal([2, 3, 4], 0, 1, "float32", 1);
    const b = tf.randomNormal([2, 5], 0, 1, "float32", 2);
    const result = tf.einsum("bqd,bk->bk", a, b);
    const want = tf.mul(tf.sum(a, [1, 2]).reshape([2, 1]), b);
    expect(close(result.dataSync<"float32">(), want.dataSync<"float32">(), TOLERANCE)).toBeUndefined();
    expect(result.shape).toEqual([2, 5]);
  });
});

it("few common ops run in JavaScript", () => {
  // The list that the README names: a kernel must not fall out of C++ unnoticed.
  expect(fallbackKernels).not.toEqual(expect.arrayContaining(["Add"]));
  expect(fallbackKernels.length).toBeLessThan(85);
});
