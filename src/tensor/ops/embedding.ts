/** Lookups: token embeddings, and the sinusoidal embedding of flow-matching time (Vaswani et al. 1706.03762). */
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, require, withGradient } from "./fused.ts";

/**
 * Rows of a table.
 * @param ids [...] int32 in [0, rows)
 * @param table [rows, D]
 * @returns [..., D]
 */
export function embedding(ids: Tensor, table: Tensor): Tensor {
  require(table.rank === 2, () =>
    `Cannot look up embeddings as the table must be [rows, features]: got [${table.shape}].`);
  const [rows, width] = table.shape as [number, number];
  const index = ids.cast("int32").flatten() as tf.Tensor1D;
  return withGradient(
    { table },
    (save) => {
      save([index]);
      return tf.gather(table, index).reshape([...ids.shape, width]);
    },
    (dy, [index0]) => ({
      table: () => {
        const upstream = dy.reshape([index0!.size, width]);
        if (hasKernel("UnsortedSegmentSum")) {
          return tf.unsortedSegmentSum(upstream, index0 as tf.Tensor1D, rows);
        }
        const hot = tf.oneHot(index0 as tf.Tensor1D, rows).cast("float32") as tf.Tensor2D;
        return tf.matMul(hot, upstream as tf.Tensor2D, true);
      },
    }),
  );
}

/**
 * cat(cos, sin) of 1000 t * 10000^(-i / (dim/2)).
 * @param t [...] in [0, 1]
 * @param dim even width of the embedding
 * @returns [..., dim]
 */
export function timeEmbedding(t: Tensor, dim: number): Tensor {
  require(Number.isInteger(dim) && dim >= 2 && dim % 2 === 0, () =>
    `Cannot embed time as the width must be even and positive: got ${dim}.`);
  const half = dim / 2;
  const frequencies = Float32Array.from({ length: half }, (_, i) => 1000 * 10000 ** (-i / half));
  const angles = t.expandDims(-1).mul(tf.tensor1d(frequencies));
  return tf.concat([tf.cos(angles), tf.sin(angles)], -1);
}
