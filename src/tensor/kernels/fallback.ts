/**
 * Ops without a C++ kernel run the tfjs CPU kernel on our memory: rare, but user code must work on every backend.
 *
 * Inputs are handed over without copying, outputs are copied in. Names that no tfjs CPU kernel has give an error that
 * says which backend has it.
 */
import type { EngineBackend, TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import type { Attributes, Inputs } from "./register.ts";

/** What we use of the tfjs CPU backend. */
interface CpuBackend extends tf.KernelBackend {
  firstUse: boolean;
  makeTensorInfo(shape: number[], dtype: tf.DataType, values?: unknown): TensorInfo;
  data: {
    get(id: object): {
      values: tf.backend_util.BackendValues;
      complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
    };
  };
}

/** The tfjs CPU backend, without the advice to install another package that its first use would print. */
export function cpuBackend(): CpuBackend {
  const cpu = tf.findBackend("cpu") as unknown as CpuBackend;
  cpu.firstUse = false;
  return cpu;
}

function lend(cpu: CpuBackend, backend: EngineBackend, x: TensorInfo): TensorInfo {
  if (x.dtype === "complex64") {
    const { real, imag } = backend.complexParts(x);
    const info = cpu.makeTensorInfo(x.shape, "complex64");
    cpu.data.get(info.dataId).complexTensorInfos = {
      real: lend(cpu, backend, real),
      imag: lend(cpu, backend, imag),
    };
    return info;
  }
  const values = x.dtype === "string" ? backend.readSync(x.dataId) : backend.peek(x);
  return cpu.makeTensorInfo(x.shape, x.dtype, values);
}

function take(cpu: CpuBackend, backend: EngineBackend, x: TensorInfo): TensorInfo {
  if (x.dtype === "complex64") {
    const { real, imag } = cpu.data.get(x.dataId).complexTensorInfos!;
    return backend.outputComplex(x.shape, take(cpu, backend, real), take(cpu, backend, imag));
  }
  return backend.output(x.shape, x.dtype, cpu.data.get(x.dataId).values);
}

/** Runs the tfjs CPU kernel `name` on tensors of an engine backend. */
export function runOnCpu(
  name: string,
  backend: EngineBackend,
  inputs: Inputs,
  attrs: Attributes,
): TensorInfo | TensorInfo[] {
  const cpu = cpuBackend();
  // Kernels over a list of tensors (AddN, Concat) get an array.
  const lent = (Array.isArray(inputs) ? [] : {}) as Record<string, TensorInfo>;
  for (const [key, x] of Object.entries(inputs)) if (x != null) lent[key] = lend(cpu, backend, x);
  const result = tf.getKernel(name, "cpu").kernelFunc({
    inputs: lent as unknown as tf.NamedTensorInfoMap,
    attrs: attrs as tf.NamedAttrMap,
    backend: cpu,
  });
  const outputs = Array.isArray(result) ? result : [result];
  const taken = outputs.map((x) => take(cpu, backend, x));
  for (const x of outputs) cpu.disposeData(x.dataId);
  for (const x of Object.values(lent)) cpu.disposeData(x.dataId);
  return Array.isArray(result) ? taken : taken[0]!;
}
