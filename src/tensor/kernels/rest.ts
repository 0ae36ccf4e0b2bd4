/**
 * Registers whatever the other files of this folder did not: kernels that tfjs has for its CPU run there
 * (`fallbackKernels` lists them); names that no CPU kernel has give an error that says which backend has one.
 */
import { tf } from "../tf.ts";
import { cpuBackend, runOnCpu } from "./fallback.ts";
import { definedKernels, defineKernel } from "./register.ts";

cpuBackend();

/** Kernels that run as tfjs CPU kernels in JavaScript on "native" and "wasm": correct, slow. */
export const fallbackKernels: readonly string[] = tf
  .getKernelsForBackend("cpu")
  .map((config) => config.kernelName)
  .filter((name) => !definedKernels().has(name))
  .sort();

for (const name of fallbackKernels) {
  defineKernel(name, (backend, inputs, attrs) => runOnCpu(name, backend, inputs, attrs));
}

/** Ops of tfjs with no CPU kernel, and the backend that has it. */
const ELSEWHERE: Record<string, string> = {
  BroadcastTo: "tensorflow",
  FromPixels: "webgl (a browser)",
  LogicalXor: "tensorflow",
  SparseToDenseV2: "tensorflow",
};

/** The backends that have a kernel, for error messages. */
function whoHas(name: string): string {
  const known = ["native", "webgpu", "tensorflow", "cpu"].filter(
    (backend) => tf.getKernel(name, backend) !== undefined && tf.getKernel(name, backend) !== null,
  );
  return known.length > 0 ? known.join(", ") : (ELSEWHERE[name] ?? "none that is loaded");
}

/** An error in the place of tfjs's, for a backend that lacks a kernel: names the op and who has it. */
export function missingKernel(name: string, backend: string): Error {
  return new Error(
    `Cannot run the op ${name} as the backend ${backend} has no kernel for it: backends that have one: ${whoHas(name)}. ` +
      `Switch with \`await useDevice(...)\`.`,
  );
}

/** Wraps the engine once, so that every backend reports a missing kernel with a remedy. */
const engine = tf.engine();
const runKernel = engine.runKernel.bind(engine);
engine.runKernel = ((name: string, inputs: tf.NamedTensorInfoMap, attrs?: tf.NamedAttrMap) => {
  try {
    return runKernel(name, inputs as tf.NamedTensorMap, attrs);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith(`Kernel '${name}' not registered for backend`)) {
      throw missingKernel(name, tf.getBackend());
    }
    throw error;
  }
}) as typeof engine.runKernel;
