/** Registers a kernel of ours for webgpu, under a name that tfjs or `ops/` asks for. */
import { tf } from "../tf.ts";
import type { RepairedWebgpuBackend } from "./backend.ts";

export function defineShader<Names extends string, Attributes = Record<string, never>>(
  kernelName: string,
  kernel: (
    backend: RepairedWebgpuBackend,
    inputs: Readonly<Record<Names, tf.TensorInfo>>,
    attributes: Attributes,
  ) => tf.TensorInfo | tf.TensorInfo[],
): void {
  tf.registerKernel({
    kernelName,
    backendName: "webgpu",
    kernelFunc: ({ inputs, attrs, backend }) =>
      kernel(
        backend as RepairedWebgpuBackend,
        inputs as unknown as Record<Names, tf.TensorInfo>,
        attrs as unknown as Attributes,
      ),
  });
}
