/**
 * Registration of kernels on our backends. A kernel is registered once and serves both "native" and "wasm": what it
 * gets is an `EngineBackend`, and the C++ op it calls exists in both builds.
 */
import { EngineBackend, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";

export type Inputs = Record<string, TensorInfo>;
// Attributes have the type that the kernel's own documentation gives them; tfjs passes them untyped.
export type Attributes = Record<string, unknown>;

export type KernelFunction<I = Inputs, A = Attributes> = (
  backend: EngineBackend,
  inputs: I,
  attrs: A,
) => TensorInfo | TensorInfo[];

/** The backends that run our C++ kernels. */
export const ENGINE_BACKENDS = ["native", "wasm"] as const;

const defined = new Set<string>();

/** Registers `kernel` under a tfjs kernel name (or a new name of ours) for all engine backends. */
export function defineKernel<I = Inputs, A = Attributes>(name: string, kernel: KernelFunction<I, A>): void {
  defined.add(name);
  for (const backendName of ENGINE_BACKENDS) {
    tf.registerKernel({
      kernelName: name,
      backendName,
      kernelFunc: ({ inputs, attrs, backend }) =>
        kernel(backend as EngineBackend, inputs as unknown as I, (attrs ?? {}) as unknown as A),
    });
  }
}

/** Names that `defineKernel` has seen: everything else falls back to the tfjs CPU kernels. */
export function definedKernels(): ReadonlySet<string> {
  return defined;
}

/** Whether the backend in use has a kernel of this name: fused ops ask it before they leave their composition. */
export function hasKernel(name: string): boolean {
  return tf.backend() instanceof EngineBackend && defined.has(name);
}
