/**
 * The contract on WebGPU: a GPU where there is one, else the SwiftShader that Chromium brings along. Every op of ours and
 * every plain op with its gradients, with tfjs's shortcut to JavaScript for small tensors turned off, so that shaders run.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { device, type Tensor, tf, useDevice } from "../../src/index.ts";
import { webgpuErrors } from "../../src/tensor/webgpu/open.ts";
import { skipOrFail } from "../kernel/skip-or-fail.ts";
import { type OpCase, opCases } from "./contract-cases.ts";
import { distance, type Outcome, runCase } from "./contract-run.ts";
import { gradientCases } from "./gradient-cases.ts";
import { type PlainCase, plainCases } from "./plain-cases.ts";

process.env["ZOETROPE_SOFTWARE_GPU"] = "1";
const missing = await useDevice("webgpu").then(
  () => undefined,
  (error: Error) => error.message,
);
if (missing === undefined) tf.env().set("WEBGPU_CPU_FORWARD", false);

it("a GPU, or Chromium's in software, is there, and the device says which", (context) => {
  if (missing !== undefined) return skipOrFail(context, missing);
  expect(String(device())).toMatch(/^webgpu: WebGPU on \S.*; [\d.]+ GiB$/);
  if (/swiftshader/i.test(device().why)) expect(device().why).toMatch(/ \(software: correct, slow\)$/);
});

/** A plain op as a case of the contract: its outputs, one behind the other. */
const asOpCase = ({ name, shapes, run, grad, domain }: PlainCase): OpCase => ({
  name,
  shapes,
  hasGradient: grad === true,
  run: (...inputs) => {
    const outputs = run(...inputs.map((x) => domain?.(x) ?? x));
    const list: Tensor[] = Array.isArray(outputs) ? outputs : [outputs];
    return list.length === 1 ? list[0]! : tf.concat(list.map((t) => tf.cast(t, "float32").flatten()));
  },
});

/** Each case on `backend`, in one go: a switch of the backend per case would move everything each time. */
async function outcomes(backend: "cpu" | "native", cases: typeof opCases): Promise<Map<string, Outcome>> {
  await useDevice(backend);
  const found = new Map<string, Outcome>();
  for (const op of cases) found.set(op.name, await runCase(op));
  return found;
}

describe.skipIf(missing !== undefined)("on webgpu", () => {
  it("says what it lacks, and where that works", async () => {
    await useDevice("webgpu");
    expect(() => tf.unique(tf.tensor1d([1, 2, 1]))).toThrow(
      /^Cannot run the op Unique as the backend webgpu has no kernel for it: backends that have one: native, /,
    );
    const sum = tf.add(tf.ones([2, 3]), 1);
    expect(() => sum.dataSync()).toThrow(
      "Cannot read a tensor of webgpu in the same breath as a GPU answers later: got dataSync() or arraySync() on float32 [2,3]. " +
        "Write `await x.data()` or `await x.array()`.",
    );
    expect([...(await sum.data())]).toEqual([2, 2, 2, 2, 2, 2]);
  });

  for (const [what, cases, backend, allowed] of [
    ["ops", opCases, "cpu", 1],
    // tfjs cpu has kernels of its own for these; our engines are held to finite differences elsewhere.
    ["gradients that tfjs lacks", gradientCases, "native", 1],
    // WGSL leaves inverse trigonometry 4096 units in the last place.
    ["plain ops", plainCases.map(asOpCase), "native", 4],
  ] as const) {
    describe(what, () => {
      let reference: Map<string, Outcome>;
      beforeAll(async () => {
        reference = await outcomes(backend, cases);
        await useDevice("webgpu");
      });

      it.each(cases)("$name: value and gradients agree", async (op) => {
        const expected = reference.get(op.name)!;
        const actual = await runCase(op);
        // A shader that does not compile gives garbage, not an exception.
        expect(webgpuErrors.splice(0).join("\n")).toBe("");
        expect(actual.shape).toEqual(expected.shape);
        expect(distance(actual.value, expected.value), "value").toBeLessThan(allowed);
        for (const [i, grad] of expected.grads.entries()) {
          expect(distance(actual.grads[i]!, grad), `gradient of input ${i}`).toBeLessThan(allowed);
        }
      });
    });
  }
});
