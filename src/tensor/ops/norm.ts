/**
 * Normalisations over the last axis: LayerNorm (Ba et al. 1607.06450), with the adaptive modulation of DiT
 * (Peebles & Xie 2212.09748, adaLN) per chunk, and RMSNorm (Zhang & Sennrich 1910.07467).
 */
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
      const all = together(() =>
        runFused("Fused.LayerNormGrad", { x: x0!, stats: stats!, dy, ...(w0 && { weight: w0 }) }),
      );
      return { x: all(0), weight: all(1), bias: all(2) };
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
      const all = together(() =>
        runFused("Fused.LayerNormModulateGrad", { x: x0!, stats: stats!, scale: scale0!, dy }),
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
