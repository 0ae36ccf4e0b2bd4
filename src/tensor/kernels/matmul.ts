/** Matrix products: BatchMatMul and _FusedMatMul. */
import { type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { activate } from "./conv.ts";
import { binary } from "./elementwise.ts";
import { runOnCpu } from "./fallback.ts";
import { defineKernel } from "./register.ts";

const ACTIVATIONS: Record<string, number> = { linear: 0, gelu: 1, silu: 2, relu: 3 };

export interface MatMulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  /** [n], added to every row. */
  bias?: TensorInfo;
  activation?: keyof typeof ACTIVATIONS;
}

/** a [..., m, k] x b [..., k, n] -> [..., m, n]; batch dimensions broadcast. */
export function matMul(
  backend: EngineBackend,
  a: TensorInfo,
  b: TensorInfo,
  options: MatMulOptions = {},
): TensorInfo {
  const { transposeA = false, transposeB = false, bias, activation = "linear" } = options;
  const [m, k] = tail(a.shape, transposeA);
  const [kb, n] = tail(b.shape, transposeB);
  if (k !== kb) {
    throw new Error(
      `Cannot multiply [${a.shape}] by [${b.shape}]${transposeA ? " with transposeA" : ""}${transposeB ? " with transposeB" : ""} ` +
        `as the inner dimensions must agree: got ${k} and ${kb}. Transpose or reshape one of them.`,
    );
  }
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  const { shape: batch, offsets } = batchOffsets(batchA, batchB);
  const out = backend.output([...batch, m, n], "float32");
  const batches = sizeOf(batch);
  if (batches * m * n === 0) return out;
  backend.call(
    "matmul",
    2 * batches * m * n * k,
    batches,
    transposeA,
    transposeB,
    m,
    n,
    k,
    0,
    bias,
    ACTIVATIONS[activation]!,
    0,
    a,
    b,
    out,
    offsets,
  );
  return out;
}

function tail(shape: readonly number[], transposed: boolean): [number, number] {
  const rows = shape[shape.length - 2]!;
  const columns = shape[shape.length - 1]!;
  return transposed ? [columns, rows] : [rows, columns];
}

/** For each output batch which batch of a and of b it multiplies; undefined for a single product. */
function batchOffsets(a: number[], b: number[]): { shape: number[]; offsets: Int32Array | undefined } {
  const rank = Math.max(a.length, b.length);
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const da = a[i - rank + a.length] ?? 1;
    const db = b[i - rank + b.length] ?? 1;
    if (da !== db && da !== 1 && db !== 1) {
      throw new Error(
        `Cannot multiply batches of matrices as batch dimensions must agree or be 1: got [${a}] and [${b}]. ` +
          "Reshape or expand one of them.",
      );
    }
    shape.push(da === 1 ? db : da);
  }
  const batches = sizeOf(shape);
  if (batches === 1) return { shape, offsets: undefined };
  const offsets = new Int32Array(batches * 2);
  const index = new Array<number>(rank).fill(0);
  for (let i = 0; i < batches; i++) {
    let ia = 0;
    let ib = 0;
    for (let d = 0; d < rank; d++) {
      const da = a[d - rank + a.length] ?? 1;
      const db = b[d - rank + b.length] ?? 1;
      ia = ia * da + (da === 1 ? 0 : index[d]!);
      ib = ib * db + (db === 1 ? 0 : index[d]!);
    }
    offsets[2 * i] = ia;
    offsets[2 * i + 1] = ib;
    for (let d = rank - 1; d >= 0; d--) {
      if (++index[d]! < shape[d]!) break;
      index[d] = 0;
    }
  }
  return { shape, offsets };
}

defineKernel<{ a: TensorInfo; b: TensorInfo }, { transposeA: boolean; transposeB: boolean }>(
  "BatchMatMul",
  (backend, { a, b }, { transposeA, transposeB }) =>
    a.dtype === "float32" && b.dtype === "float32"
      ? matMul(backend, a, b, { transposeA, transposeB })
      : runOnCpu("BatchMatMul", backend, { a, b }, { transposeA, transposeB }),
);

interface FusedAttributes {
  transposeA: boolean;
  transposeB: boolean;
  activation: string;
  leakyreluAlpha?: number;
}
defineKernel<
  { a: TensorInfo; b: TensorInfo; bias?: TensorInfo; preluActivationWeights?: TensorInfo },
  FusedAttributes
>("_FusedMatMul", (backend, { a, b, bias, preluActivationWeights: weights }, attrs) => {
  const { transposeA, transposeB, activation, leakyreluAlpha: alpha = 0.2 } = attrs;
  // A bias along the columns and relu go into the epilogue of the product.
  const row = bias !== undefined && sizeOf(bias.shape) === bias.shape[bias.shape.length - 1];
  const inside = row || bias === undefined;
  const epilogue = inside && (activation === "relu" || activation === "linear");
  let out = matMul(backend, a, b, {
    transposeA,
    transposeB,
    ...(row ? { bias } : {}),
    activation: epilogue ? activation : "linear",
  });
  if (epilogue) return out;
  if (!inside) {
    const biased = binary(backend, "f32_add", out, bias, "float32");
    backend.free(out);
    out = biased;
  }
  const result = activate(backend, out, activation, { alpha, weights });
  backend.free(out);
  return result;
});
