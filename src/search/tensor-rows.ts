/**
 * Rows of a batch, between candidates (an array each) and tensors (all in one). On our own engine rows are read from and
 * written to the tensor's memory itself; elsewhere they pass through an array of the whole batch.
 */
import { engineBackend } from "../tensor/backend.ts";
import { type Tensor, tf } from "../tensor/tf.ts";

/**
 * A tensor [rows, ...] of float32 whose rows `write` fills.
 * @param write gets a row's number and its values, undefined before; it must not make tensors
 */
export function tensorFromRows(
  shape: readonly number[],
  write: (row: number, values: Float32Array) => void,
): Tensor {
  const [rows = 0] = shape;
  const size = shape.slice(1).reduce((product, n) => product * n, 1);
  const backend = engineBackend();
  const out = backend?.output([...shape], "float32");
  const values = out ? (backend!.peek(out) as Float32Array) : new Float32Array(rows * size);
  for (let row = 0; row < rows; row++) write(row, values.subarray(row * size, (row + 1) * size));
  return out ? tf.engine().makeTensorFromTensorInfo(out) : tf.tensor(values, [...shape]);
}

/** The rows of a float32 tensor, in memory of their own: a row that is kept must not keep its batch alive. */
export function rowsOf(tensor: Tensor): Float32Array[] | Promise<Float32Array[]> {
  const backend = engineBackend();
  if (backend && backend.refCount(tensor.dataId) > 0)
    return cut(backend.peek(tensor) as Float32Array, tensor.shape[0]!);
  return tensor.data().then((values) => cut(values as Float32Array, tensor.shape[0]!));
}

function cut(values: Float32Array, rows: number): Float32Array[] {
  const size = values.length / rows;
  const out: Float32Array[] = [];
  for (let row = 0; row < rows; row++) out.push(values.slice(row * size, (row + 1) * size));
  return out;
}
