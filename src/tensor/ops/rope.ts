/**
 * Rotary position embedding (Su et al. 2104.09864) on interleaved pairs (2j, 2j+1), as in Wan 2.1, alone or behind
 * the RMSNorm of queries and keys. The norm runs over the full width, before the split into heads.
 */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, require, runFused, together, withGradient } from "./fused.ts";
import { requireNormWeight, rmsNormComposition } from "./norm.ts";

/** The rotation in plain tf ops. */
export function ropeComposition(x: Tensor, cos: Tensor, sin: Tensor, heads: number): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  const pairs = width / heads / 2;
  // [B, S, D] -> [B, S, heads, pairs, 2]
  const split = x.reshape([batch, tokens, heads, pairs, 2]);
  const even = split.slice([0, 0, 0, 0, 0], [batch, tokens, heads, pairs, 1]);
  const odd = split.slice([0, 0, 0, 0, 1], [batch, tokens, heads, pairs, 1]);
  const c = cos.reshape([1, tokens, 1, pairs, 1]);
  const s = sin.reshape([1, tokens, 1, pairs, 1]);
  return tf.concat([even.mul(c).sub(odd.mul(s)), even.mul(s).add(odd.mul(c))], 4).reshape(x.shape);
}

/** Norm and rotation in plain tf ops. */
export function normRopeComposition(
  x: Tensor,
  weight: Tensor,
  cos: Tensor,
  sin: Tensor,
  heads: number,
  eps = 1e-6,
): Tensor {
  return ropeComposition(rmsNormComposition(x, weight, eps), cos, sin, heads);
}

function requireTables(x: Tensor, cos: Tensor, sin: Tensor, heads: number): void {
  const [, tokens, width] = x.shape;
  require(x.rank === 3 && width! % (2 * heads) === 0, () =>
    `Cannot rotate x as it must be [batch, tokens, features] with an even number of features per head: got [${x.shape}] and ${heads} heads. Choose a width that is a multiple of ${2 * heads}.`);
  for (const [name, table] of [
    ["cos", cos],
    ["sin", sin],
  ] as const) {
    require(table.rank === 2 && table.shape[0] === tokens && table.shape[1] === width! / heads / 2, () =>
      `Cannot rotate x [${x.shape}] as ${name} must be [${tokens}, ${width! / heads / 2}]: got [${table.shape}]. Slice the table to the positions of these tokens.`);
  }
}

/**
 * Rotates pair j of every head of token s by the angle whose cosine is cos[s, j]. The tables are constants.
 * @param x [B, S, D]
 * @param cos [S, D/heads/2]
 * @param sin [S, D/heads/2]
 */
export function rope(x: Tensor, cos: Tensor, sin: Tensor, heads: number): Tensor {
  requireTables(x, cos, sin, heads);
  if (!hasKernel("Fused.NormRope")) return ropeComposition(x, cos, sin, heads);
  return withGradient(
    { x },
    (save) => {
      save([cos, sin]);
      return runFused("Fused.NormRope", { x, cos, sin }, { heads })[0]!;
    },
    (dy, [c, s]) => ({
      x: () => runFused("Fused.NormRope", { x: dy, cos: c!, sin: s! }, { heads, inverse: true })[0]!,
    }),
  );
}

/**
 * rope(rmsNorm(x, weight, eps), cos, sin, heads) in one pass: queries and keys of Wan 2.1.
 * @param x [B, S, D]
 * @param weight [D]
 */
export function normRope(
  x: Tensor,
  weight: Tensor,
  cos: Tensor,
  sin: Tensor,
  heads: number,
  eps = 1e-6,
): Tensor {
  requireTables(x, cos, sin, heads);
  requireNormWeight(x, weight);
  if (!hasKernel("Fused.NormRope")) return normRopeComposition(x, weight, cos, sin, heads, eps);
  return withGradient(
    { x, weight },
    (save) => {
      save([x, weight, cos, sin]);
      return runFused("Fused.NormRope", { x, weight, cos, sin }, { heads, eps })[0]!;
    },
    (dy, [x0, w0, c, s]) => {
      const both = together(() =>
        runFused("Fused.NormRopeGrad", { x: x0!, weight: w0!, cos: c!, sin: s!, dy }, { heads, eps }),
      );
      return { x: both(0), weight: both(1) };
    },
  );
}

interface NormRopeInputs {
  readonly x: TensorInfo;
  readonly weight?: TensorInfo;
  readonly cos?: TensorInfo;
  readonly sin?: TensorInfo;
}

interface NormRopeAttributes {
  readonly heads?: number;
  readonly eps?: number;
  readonly inverse?: boolean;
}

/** Rows of x, their width, and how many of them a table of positions serves. */
function rowsOf(x: TensorInfo, cos: TensorInfo | undefined): [rows: number, width: number, tokens: number] {
  const width = x.shape.at(-1)!;
  return [sizeOf(x.shape) / width, width, cos?.shape[0] ?? 1];
}

defineKernel<NormRopeInputs, NormRopeAttributes>(
  "Fused.NormRope",
  (backend, { x, weight, cos, sin }, { heads = 0, eps = 1e-6, inverse = false }) => {
    const y = backend.output(x.shape, "float32");
    const [rows, width, tokens] = rowsOf(x, cos);
    if (rows * width > 0) {
      backend.call(
        "norm_rope",
        16 * rows * width,
        rows,
        width,
        tokens,
        heads,
        eps,
        inverse,
        x,
        weight,
        cos,
        sin,
        y,
      );
    }
    return y;
  },
);

defineKernel<NormRopeInputs & { weight: TensorInfo; dy: TensorInfo }, NormRopeAttributes>(
  "Fused.NormRopeGrad",
  (backend, { x, weight, cos, sin, dy }, { heads = 0, eps = 1e-6 }) => {
    const [rows, width, tokens] = rowsOf(x, cos);
    const dx = backend.output(x.shape, "float32");
    const dWeight = backend.output([width], "float32");
    const rstd = backend.output([rows], "float32");
    backend.call(
      "norm_rope_grad",
      32 * rows * width,
      rows,
      width,
      tokens,
      heads,
      eps,
      x,
      weight,
      cos,
      sin,
      dy,
      dx,
      dWeight,
      rstd,
    );
    backend.free(rstd);
    return [dx, dWeight];
  },
);
