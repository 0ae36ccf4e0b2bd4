/**
 * How an op finds its kernel.
 *
 *   op(x, ...) --> backend has a kernel of that name? -- yes --> one fused kernel, gradient by its partner kernel
 *                                                    \-- no --> composition of plain tf ops, gradient by the tape
 *
 * The composition is the reference: it runs on every backend, and the contract test holds each kernel to it.
 * Gradients here are lazy: a gradient that nobody asked for (input images, rotary tables) costs nothing.
 */
import { type Tensor, tf } from "../tf.ts";
import { keepForNode, takeSum } from "./backward.ts";

/** Inputs by name, outputs in order, plain attributes: what a fused kernel receives from `runFused`. */
export type FusedInputs = Record<string, Tensor>;
export type FusedAttributes = Record<string, unknown>;

/** The part of the tfjs engine that its typings keep private and that `tf.customGrad` is made of. */
interface TapeEngine {
  readonly state: {
    readonly activeScope: { readonly track: Tensor[] } | null | undefined;
  };
  isTapeOn(): boolean;
  runKernelFunc<T extends Tensor | Tensor[]>(call: {
    forwardFunc: (backend: unknown, save: (tensors: Tensor[]) => void) => T;
    backwardsFunc: (dy: T, saved: Tensor[]) => Record<string, () => Tensor>;
    inputs: FusedInputs;
  }): T;
}

const tape = (): TapeEngine => tf.engine() as unknown as TapeEngine;

/** Whether the active backend has a kernel of this name. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) != null;
}

/** Whether a gradient is being recorded: kernels need not write what only a backward pass would read. */
export function isRecording(): boolean {
  return tape().isTapeOn();
}

/** Runs a fused kernel of the active backend; outputs in the order of the kernel. */
export function runFused(name: string, inputs: FusedInputs, attributes: FusedAttributes = {}): Tensor[] {
  const outputs = tf.engine().runKernel(name, inputs, attributes as never) as Tensor | Tensor[];
  return Array.isArray(outputs) ? outputs : [outputs];
}

/** The result of `forward`, like `tf.tidy` but without a scope of its own where there is one already. */
function tidied(forward: () => Tensor): Tensor {
  const scope = tape().state.activeScope;
  if (!scope) return tf.tidy(forward);
  const before = scope.track.length;
  const result = forward();
  if (scope.track.length <= before + 1) return result;
  const made = scope.track.splice(before);
  for (const tensor of made) {
    if (tensor === result || tensor.kept) scope.track.push(tensor);
    else tensor.dispose();
  }
  return result;
}

/**
 * Puts one node on the tape.
 * @param inputs tensors that a gradient can flow to, by name
 * @param forward computes the value; `save` keeps tensors for `backward` (a no-op when nothing is recorded)
 * @param backward one thunk per input name, called only for the gradients that are wanted
 */
export function withGradient(
  inputs: FusedInputs,
  forward: (save: (tensors: Tensor[]) => void) => Tensor,
  backward: (dy: Tensor, saved: Tensor[]) => Record<string, () => Tensor>,
): Tensor {
  // Sampling: nothing goes through the tape, which costs as much as a small kernel.
  if (!isRecording()) return tidied(() => forward(() => {}));
  return tape().runKernelFunc({
    inputs,
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: backward,
  });
}

/** The same with several values; `backward` gets a gradient for each, zeros where none is known. */
export function withGradients(
  inputs: FusedInputs,
  forward: (save: (tensors: Tensor[]) => void) => Tensor[],
  backward: (dys: Tensor[], saved: Tensor[]) => Record<string, () => Tensor>,
): Tensor[] {
  if (!isRecording()) return forward(() => {});
  return tape().runKernelFunc({
    inputs,
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: backward,
  });
}

/** A value that the tape takes for a constant, whatever it was computed from. */
export function withoutGradient(compute: () => Tensor): Tensor {
  return tape().runKernelFunc({ inputs: {}, forwardFunc: compute, backwardsFunc: () => ({}) });
}

/** A tensor that several thunks of one `backward` read, computed when the first of them is called. */
export function once(compute: () => Tensor): () => Tensor {
  let result: Tensor | undefined;
  return () => {
    result ??= keepForNode(compute());
    return result;
  };
}

/**
 * Several gradients of one kernel, computed when the first of them is asked for. Through `sum`, the first in order may be
 * added in place to what other nodes gave (see `takeSum`).
 */
export function together(
  compute: (sum: () => Tensor | undefined) => Tensor[],
): (index: number) => () => Tensor {
  let results: Tensor[] | undefined;
  return (index) => () => {
    results ??= compute(() => (index === 0 ? takeSum() : undefined)).map(keepForNode);
    return results[index]!.clone();
  };
}

/** Stops with one sentence when a requirement of an op does not hold. */
export function require(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new RangeError(message());
}
