/**
 * Normalisations over the last axis: LayerNorm (Ba et al. 1607.06450), with the adaptive modulation of DiT
 * (Peebles & Xie 2212.09748, adaLN) per chunk, and RMSNorm (Zhang & Sennrich 1910.07467).
 */
import { type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, require, runFused, together, withGradient } from "./fused.ts";
import { perChunk, requirePerChunk } from "./per-chunk.ts";

const EPSILON = 1e-6;

function standardise(x: Tensor, eps: number): Tensor {
  const centred = x.sub(tf.mean(x, -1, true));
  return centred.mul(tf.rsqrt(tf.mean(centred.square(), -1, true).add(eps)));
}

/** LayerNorm in plain tf ops. */
export function layerNormComposition(
  x: Tensor,
  weight?: Tensor | null,
  bias?: Tensor | null,
  eps = EPSILON,
): Tensor {
  let y = standardise(x, eps);
  if (weight) y = y.mul(weight);
  if (bias) y = y.add(bias);
  return y;
}

/**
 * (x - mean) / sqrt(var + eps), times weight, plus bias.
 * @param x [..., D]
 * @param weight [D], bias [D]; both may be left out
 */
export function layerNorm(x: Tensor, weight?: Tensor | null, bias?: Tensor | null, eps = EPSILON): Tensor {
  const width = x.shape[x.rank - 1];
  for (const [name, t] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    require(!t || (t.rank === 1 && t.shape[0] === width), () =>
      `Cannot normalise x [${x.shape}] as its ${name} must be [${width}]: got [${t!.shape}]. Give one value per feature.`);
  }
  if (!hasKernel("Fused.LayerNorm")) return layerNormComposition(x, weight, bias, eps);
  const inputs = { x, ...(weight && { weight }), ...(bias && { bias }) };
  return withGradient(
    inputs,
    (save) => {
      const [y, stats] = runFused("Fused.LayerNorm", inputs, { eps });
      save(weight ? [x, stats!, weight] : [x, stats!]);
      return y!;
    },
    (dy, [x0, stats, w0]) => {
      const all = together((sum) =>
        runFused(
          "Fused.LayerNormGrad",
          { x: x0!, stats: stats!, dy, ...(w0 && { weight: w0 }) },
          { withWeight: !!weight, withBias: !!bias, sum: sum() },
        ),
      );
      return { x: all(0), weight: all(1), bias: all(weight ? 2 : 1) };
    },
  );
}

/** LayerNorm and modulation in plain tf ops. */
export function layerNormModulateComposition(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  const y = perChunk(standardise(x, EPSILON), scale.shape[1]!);
  return y.mul(scale.add(1).expandDims(2)).add(shift.expandDims(2)).reshape(x.shape);
}

/**
 * LN(x) (1 + scale) + shift, without affine parameters, eps 1e-6.
 * @param x [B, S, D]
 * @param shift [B, C, D]: row c serves the S/C tokens of chunk c
 * @param scale [B, C, D]
 */
export function layerNormModulate(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  requirePerChunk("modulate", x, { shift, scale });
  if (!hasKernel("Fused.LayerNormModulate")) return layerNormModulateComposition(x, shift, scale);
  return withGradient(
    { x, shift, scale },
    (save) => {
      const [y, stats] = runFused("Fused.LayerNormModulate", { x, shift, scale }, { eps: EPSILON });
      save([x, stats!, scale]);
      return y!;
    },
    (dy, [x0, stats, scale0]) => {
      const all = together((sum) =>
        runFused(
          "Fused.LayerNormModulateGrad",
          { x: x0!, stats: stats!, scale: scale0!, dy },
          { sum: sum() },
        ),
      );
      return { x: all(0), shift: all(1), scale: all(2) };
    },
  );
}

/** RMSNorm in plain tf ops. */
export function rmsNormComposition(x: Tensor, weight: Tensor, eps = EPSILON): Tensor {
  return x.mul(tf.rsqrt(tf.mean(x.square(), -1, true).add(eps))).mul(weight);
}

/**
 * x / sqrt(mean(x^2) + eps) * weight over the last axis.
 * @param x [..., D]
 * @param weight [D]
 */
export function rmsNorm(x: Tensor, weight: Tensor, eps = EPSILON): Tensor {
  requireNormWeight(x, weight);
  if (!hasKernel("Fused.NormRope")) return rmsNormComposition(x, weight, eps);
  return withGradient(
    { x, weight },
    (save) => {
      save([x, weight]);
      return runFused("Fused.NormRope", { x, weight }, { eps })[0]!;
    },
    (dy, [x0, w0]) => {
      const all = together(() => runFused("Fused.NormRopeGrad", { x: x0!, weight: w0!, dy }, { eps }));
      return { x: all(0), weight: all(1) };
    },
  );
}

export function requireNormWeight(x: Tensor, weight: Tensor): void {
  require(weight.rank === 1 && weight.shape[0] === x.shape[x.rank - 1], () =>
    `Cannot normalise x [${x.shape}] as its weight must be [${x.shape[x.rank - 1]}]: got [${weight.shape}]. Give one value per feature.`);
}

/** Rows of x, their width, and how many of them share a row of parameters. */
function rowsOf(x: TensorInfo, chunks?: number): [rows: number, width: number, per: number] {
  const width = x.shape.at(-1)!;
  const rows = width === 0 ? 0 : sizeOf(x.shape) / width;
  return [rows, width, chunks ? rows / (x.shape[0]! * chunks) : rows];
}

function runLayerNorm(
  backend: EngineBackend,
  x: TensorInfo,
  [rows, width, per]: readonly [number, number, number],
  eps: number,
  { scale, shift, one }: { scale?: TensorInfo; shift?: TensorInfo; one: 0 | 1 },
): TensorInfo[] {
  const y = backend.output(x.shape, "float32");
  const stats = backend.output([rows, 2], "float32");
  if (rows > 0) {
    backend.call("layer_norm", 16 * rows * width, rows, width, per, eps, x, scale, shift, y, stats, one);
  }
  return [y, stats];
}

defineKernel<{ x: TensorInfo; weight?: TensorInfo; bias?: TensorInfo }, { eps: number }>(
  "Fused.LayerNorm",
  (backend, { x, weight, bias }, { eps }) =>
    runLayerNorm(backend, x, rowsOf(x), eps, { scale: weight, shift: bias, one: 0 }),
);

defineKernel<
  { x: TensorInfo; weight?: TensorInfo; stats: TensorInfo; dy: TensorInfo },
  { withWeight: boolean; withBias: boolean; sum: TensorInfo | undefined }
>("Fused.LayerNormGrad", (backend, { x, weight, stats, dy }, { withWeight, withBias, sum }) => {
  const [rows, width] = rowsOf(x);
  const dx = sum ? backend.alias(sum) : backend.output(x.shape, "float32");
  const dWeight = withWeight ? backend.output([width], "float32") : undefined;
  const dBias = withBias ? backend.output([width], "float32") : undefined;
  const work = 24 * rows * width;
  backend.call("layer_norm_grad", work, rows, width, x, weight, stats, dy, dx, dWeight, dBias, !!sum);
  return [dx, dWeight, dBias].filter((t) => t !== undefined);
});

defineKernel<{ x: TensorInfo; shift: TensorInfo; scale: TensorInfo }, { eps: number }>(
  "Fused.LayerNormModulate",
  (backend, { x, shift, scale }, { eps }) =>
    runLayerNorm(backend, x, rowsOf(x, scale.shape[1]), eps, { scale, shift, one: 1 }),
);

defineKernel<
  { x: TensorInfo; stats: TensorInfo; scale: TensorInfo; dy: TensorInfo },
  { sum: TensorInfo | undefined }
>("Fused.LayerNormModulateGrad", (backend, { x, stats, scale, dy }, { sum }) => {
  const [rows, width, per] = rowsOf(x, scale.shape[1]);
  const dx = sum ? backend.alias(sum) : backend.output(x.shape, "float32");
  const dShift = backend.output(scale.shape, "float32");
  const dScale = backend.output(scale.shape, "float32");
  if (rows > 0) {
    backend.call(
      "layer_norm_modulate_grad",
      24 * rows * width,
      rows,
      width,
      per,
      x,
      scale,
      stats,
      dy,
      dx,
      dShift,
      dScale,
      !!sum,
    );
  }
  return [dx, dShift, dScale];
});
