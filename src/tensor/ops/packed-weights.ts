/**
 * Weights in the order that the matrix kernel reads them, kept for sampling: with a few rows per call, arranging the
 * weight would cost as much as multiplying by it. A weight is packed when it is used a second time, and forgotten with
 * the tensor or when an optimiser writes it in place. The results are the same to the last bit, in both precisions.
 */
import type { EngineBackend, TensorInfo } from "../backend.ts";

/** From this many rows on, arranging the weight is lost in the product. */
const MOST_ROWS = 512;
/** At least the widest panel of any instruction set. */
const WIDEST_PANEL = 64;

interface Use {
  /** Instruction set and precision that the packing is for. */
  readonly kind: string;
  packed: TensorInfo | undefined;
}

const uses = new WeakMap<object, Use>();

/** Call after writing a tensor's memory in place. */
export function forgetPacked(x: TensorInfo): void {
  uses.delete(x.dataId);
}

/** The packed weight [n, k], if `rows` are few and it has been used before. */
export function packedWeight(
  backend: EngineBackend,
  weight: TensorInfo,
  rows: number,
): TensorInfo | undefined {
  const [n, k] = weight.shape as [number, number];
  if (rows > MOST_ROWS || n * k === 0) return undefined;
  const kind = `${backend.engine.isa} ${backend.precision}`;
  const use = uses.get(weight.dataId);
  if (use === undefined || use.kind !== kind) {
    uses.set(weight.dataId, { kind, packed: undefined });
    return undefined;
  }
  if (use.packed === undefined) {
    use.packed = backend.output([(n + WIDEST_PANEL) * k], "float32");
    backend.call("pack_weights", n * k, true, k, n, weight, k, use.packed);
  }
  return use.packed;
}
