/**
 * The backward pass over the tape, in place of the one of tfjs 4.22: the same gradients, but memory goes when it has
 * served. tfjs keeps what the forward pass saved and every intermediate gradient until the end. Here a node that is done
 * gives back the tensors it saved and the gradients of its outputs, so that the next node writes into memory that is still
 * in cache, and a gradient that flows together from several nodes is summed in place.
 *
 * Inside another gradient (second order), where the tape still needs everything, nothing is freed early.
 */
import { engineBackend } from "../backend.ts";
import { addInPlace } from "../kernels/elementwise.ts";
import { type Tensor, tf } from "../tf.ts";

interface TapeNode {
  readonly kernelName: string;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: readonly Tensor[];
  readonly saved: readonly Tensor[];
  readonly gradient?: (dys: (Tensor | null)[]) => Record<string, () => Tensor>;
}

/** The parts of the tfjs engine that its typings keep private. */
interface TapeEngine {
  readonly state: {
    activeTape: TapeNode[] | null;
    readonly gradientDepth: number;
    readonly activeScope: { readonly id: number };
  };
  startTape(): void;
  endTape(): void;
  tidy<T>(name: string, f: () => T): T;
  gradients(
    f: () => Tensor,
    xs: readonly Tensor[],
    dy?: Tensor | null,
    allowNoGradients?: boolean,
  ): { value: Tensor; grads: (Tensor | undefined)[] };
}

/** Nodes on a path from some x to y, each with those of its inputs that depend on an x. */
function path(tape: readonly TapeNode[], xs: readonly Tensor[], y: Tensor): TapeNode[] {
  const fromX = new Set(xs.map((x) => x.id));
  const after = tape.filter((node) => {
    const depends = Object.values(node.inputs).some((input) => fromX.has(input.id));
    if (depends) for (const output of node.outputs) fromX.add(output.id);
    return depends;
  });
  const toY = new Set([y.id]);
  const between = after.toReversed().filter((node) => {
    const leads = node.outputs.some((output) => toY.has(output.id));
    if (leads) for (const input of Object.values(node.inputs)) toY.add(input.id);
    return leads;
  });
  return between.toReversed().map((node) => ({
    ...node,
    inputs: Object.fromEntries(Object.entries(node.inputs).filter(([, input]) => fromX.has(input.id))),
  }));
}

/** Tensors that live as long as the node that the backward pass is at. */
let ofNode: Tensor[] = [];
/** The sum so far of the gradient that is being computed, while a kernel may still add to it in place. */
let offered: Tensor | undefined;

function endNode(): void {
  for (const tensor of ofNode) tensor.dispose();
  ofNode = [];
  offered = undefined;
}

/** Keeps a tensor for the other gradients of the node at hand. */
export function keepForNode(tensor: Tensor): Tensor {
  ofNode.push(tf.keep(tensor));
  return tensor;
}

/**
 * Inside the computation of a gradient: what other nodes have added up to for the same tensor, if it may be written to.
 * Who takes it must return the whole sum in the same memory.
 */
export function takeSum(): Tensor | undefined {
  const sum = offered;
  offered = undefined;
  return sum;
}

/** Gradients by the id of the tensor that they belong to, and what of them nobody else can hold. */
class Gradients {
  readonly #byId = new Map<number, Tensor>();
  readonly #entries = new Map<Tensor, number>();
  readonly #scope: number;
  constructor(scope: number) {
    this.#scope = scope;
  }
  get(id: number): Tensor | undefined {
    return this.#byId.get(id);
  }
  put(id: number, gradient: Tensor): void {
    this.#byId.set(id, gradient);
    this.#entries.set(gradient, (this.#entries.get(gradient) ?? 0) + 1);
  }
  /**
   * Made in this pass and held by nothing but `entries` of these: not a gradient that the caller gave, nor one that a
   * custom gradient returns for two inputs.
   */
  #isOwn(gradient: Tensor, entries: number): boolean {
    const { kept, scopeId } = gradient as Tensor & { scopeId: number };
    return !kept && scopeId === this.#scope && (this.#entries.get(gradient) ?? 0) === entries;
  }
  /** Forgets the gradient of a tensor, and frees it if it can. */
  drop(id: number): void {
    const gradient = this.#byId.get(id);
    if (gradient === undefined) return;
    this.#byId.delete(id);
    this.#entries.set(gradient, this.#entries.get(gradient)! - 1);
    this.free(gradient);
  }
  /** Frees a gradient that no tensor has (any more), if it can. */
  free(gradient: Tensor): void {
    if (this.#isOwn(gradient, 0)) gradient.dispose();
  }
  /** The gradient of a tensor so far, if its memory may be written to. */
  writable(id: number): Tensor | undefined {
    const gradient = this.#byId.get(id);
    const isWritable =
      gradient !== undefined && this.#isOwn(gradient, 1) && engineBackend()?.refCount(gradient.dataId) === 1;
    return isWritable ? gradient : undefined;
  }
}

function requireGradient({ kernelName }: TapeNode, name: string, dx: Tensor, x: Tensor): void {
  if (dx.dtype !== "float32") {
    throw new Error(
      `Error in gradient for op ${kernelName}. The gradient of input ${name} must have 'float32' dtype, but has '${dx.dtype}'`,
    );
  }
  if (dx.rank !== x.rank || dx.shape.some((n, i) => n !== x.shape[i])) {
    throw new Error(
      `Error in gradient for op ${kernelName}. The gradient of input '${name}' has shape '${dx.shape}', which does not match the shape of the input '${x.shape}'`,
    );
  }
}

/** Adds the gradients that one node passes on to those of its inputs. */
function backpropagate(node: TapeNode, gradients: Gradients, isOutermost: boolean): void {
  if (node.gradient === undefined) {
    throw new Error(`Cannot compute gradient: gradient function not found for ${node.kernelName}.`);
  }
  const ofInputs = node.gradient(node.outputs.map((output) => gradients.get(output.id) ?? null));
  for (const [name, x] of Object.entries(node.inputs)) {
    const compute = ofInputs[name];
    if (compute === undefined) {
      throw new Error(
        `Cannot backprop through input ${name}. Available gradients found: ${Object.keys(ofInputs)}.`,
      );
    }
    const writable = isOutermost ? gradients.writable(x.id) : undefined;
    offered = writable;
    const computed = tf.tidy(compute);
    // What is kept for somebody else must outlive this gradient, and the other way round.
    const dx = computed.kept ? computed.clone() : computed;
    const isSummed = writable !== undefined && offered === undefined;
    offered = undefined;
    requireGradient(node, name, dx, x);
    const sum = gradients.get(x.id);
    if (sum === undefined) {
      gradients.put(x.id, dx);
    } else if (writable !== undefined && !isSummed) {
      addInPlace(engineBackend()!, writable, dx);
      gradients.free(dx);
    } else {
      const whole = isSummed ? dx : tf.add(sum, dx);
      gradients.drop(x.id);
      gradients.put(x.id, whole);
    }
  }
}

const engine = tf.engine() as unknown as TapeEngine;

engine.gradients = (f, xs, dy, allowNoGradients = false) => {
  if (xs.length === 0) throw new Error("gradients() received an empty list of xs.");
  if (dy && dy.dtype !== "float32") throw new Error(`dy must have 'float32' dtype, but has '${dy.dtype}'`);
  engine.startTape();
  let value: Tensor;
  try {
    value = engine.tidy("forward", f);
  } finally {
    engine.endTape();
  }
  if (!(value instanceof tf.Tensor)) throw new Error("The result y returned by f() must be a tensor.");
  const tape = engine.state.activeTape!;
  const nodes = path(tape, xs, value);
  if (!allowNoGradients && nodes.length === 0) {
    throw new Error(
      "Cannot compute gradient of y=f(x) with respect to x. Make sure that the f you passed encloses all operations that lead from x to y.",
    );
  }
  return engine.tidy("backward", () => {
    const isOutermost = engine.state.gradientDepth === 0;
    const wanted = new Set(xs.map((x) => x.id));
    const gradients = new Gradients(engine.state.activeScope.id);
    gradients.put(value.id, dy ?? tf.ones(value.shape));
    // A gradient may be computed inside another one's backward pass.
    const outside = { ofNode, offered };
    ofNode = [];
    try {
      for (const node of nodes.reverse()) {
        backpropagate(node, gradients, isOutermost);
        endNode();
        if (!isOutermost) continue;
        for (const tensor of node.saved) tensor.dispose();
        for (const output of node.outputs) if (!wanted.has(output.id)) gradients.drop(output.id);
      }
    } finally {
      endNode();
      ({ ofNode, offered } = outside);
    }
    if (isOutermost) {
      for (const node of tape) for (const tensor of node.saved) tensor.dispose();
      engine.state.activeTape = null;
    }
    return { value, grads: xs.map((x) => gradients.get(x.id)) };
  });
};
