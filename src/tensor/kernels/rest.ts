/**
 * Registers whatever the other files of this folder did not: kernels that tfjs has for its CPU run there
 * (`fallbackKernels` lists them); names that no CPU kernel has give the error of `dispatch.ts`.
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
