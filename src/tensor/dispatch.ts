/**
 * From a call of an op to its kernel, on every backend. tfjs goes a long way for each: closures, sets and lists that serve
 * its tape, its profiler and results of any shape. Most calls need none of it, and a small kernel costs less than they
 * do; so the engine of tfjs gets two short ways here, each with the meaning of the long one (tests hold them equal):
 *
 *   runKernel   while no tape, profiler or debug mode watches: the kernel, then tensors over what it made
 *   endScope    with one tensor, or nothing, as the result (that of nearly every op): no walk through containers
 *
 * It also is where a backend that lacks a kernel is reported, with those that have it.
 */
import { type Tensor, tf } from "./tf.ts";

/** What the typings of tfjs keep private of its engine and of a tensor. */
interface Scope {
  readonly id: number;
  readonly track: ScopedTensor[];
}
type ScopedTensor = Tensor & { kept: boolean; scopeId: number };
interface PrivateEngine {
  readonly state: {
    readonly profiling: boolean;
    kernelDepth: number;
    activeScope: Scope | null | undefined;
    readonly scopeStack: Scope[];
  };
  isTapeOn(): boolean;
  track(tensor: Tensor): Tensor;
  endScope(result?: tf.TensorContainer): void;
}
type Kernel = NonNullable<ReturnType<typeof tf.getKernel>>;
type Inputs = tf.NamedTensorMap;

const engine = tf.engine();
const inner = engine as unknown as PrivateEngine;

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
function missingKernel(name: string, backend: string): Error {
  return new Error(
    `Cannot run the op ${name} as the backend ${backend} has no kernel for it: backends that have one: ${whoHas(name)}. ` +
      `Switch with \`await useDevice(...)\`.`,
  );
}

/** Whether somebody looks at every kernel that runs: the tape, `tf.profile`, debug mode or the check for leaks. */
function isWatched(): boolean {
  const env = tf.env();
  return inner.isTapeOn() || inner.state.profiling || env.getBool("DEBUG") || env.getBool("IS_TEST");
}

const asTensor = (info: tf.TensorInfo): Tensor =>
  info instanceof tf.Tensor ? info : engine.makeTensorFromTensorInfo(info);

const theLongWay = engine.runKernel.bind(engine);

/**
 * The output or outputs of a kernel of the active backend, as tensors.
 * @throws Error naming the op and the backends that have it, where the active one does not
 */
function runKernel(name: string, inputs: tf.NamedTensorInfoMap, attrs?: tf.NamedAttrMap): Tensor | Tensor[] {
  // Makes the backend where none is yet.
  const { backend } = engine;
  const kernel = tf.getKernel(name, engine.backendName) as Kernel | undefined;
  if (kernel === undefined) throw missingKernel(name, engine.backendName);
  if (isWatched()) return theLongWay(name, inputs as Inputs, attrs) as Tensor | Tensor[];
  const { state } = inner;
  state.kernelDepth++;
  try {
    const made = kernel.kernelFunc({ inputs: inputs as Inputs, attrs: attrs!, backend });
    return Array.isArray(made) ? made.map(asTensor) : asTensor(made);
  } finally {
    state.kernelDepth--;
  }
}
engine.runKernel = runKernel as typeof engine.runKernel;

const endAnyScope = engine.endScope.bind(engine);

/** Ends the innermost scope: disposes of what was made in it, except `result`, which belongs to the scope around it. */
engine.endScope = (result?: tf.TensorContainer): void => {
  if (result !== undefined && result !== null && !(result instanceof tf.Tensor)) {
    endAnyScope(result);
    return;
  }
  const { state } = inner;
  const scope = state.activeScope!;
  const kept = result?.id;
  const made = scope.track;
  // Not for..of: disposing may add to the list.
  for (let i = 0; i < made.length; i++) {
    const tensor = made[i]!;
    if (!tensor.kept && tensor.id !== kept) tensor.dispose();
  }
  state.scopeStack.pop();
  state.activeScope = state.scopeStack.at(-1) ?? null;
  const outer = result as ScopedTensor | null | undefined;
  if (outer && !outer.kept && outer.scopeId === scope.id) inner.track(outer);
};
