/** Activations: GELU in its tanh form (Hendrycks & Gimpel 1606.08415, equation 2) and SiLU. */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, runFused, withGradient } from "./fused.ts";

export type Activation = "gelu" | "silu";

const SQRT_2_OVER_PI = 0.7978845608028654;

/** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) in plain tf ops. */
export function geluComposition(x: Tensor): Tensor {
  const inner = x.add(x.mul(x).mul(x).mul(0.044715)).mul(SQRT_2_OVER_PI);
  return x.mul(0.5).mul(tf.tanh(inner).add(1));
}

/** x sigmoid(x) in plain tf ops. */
export function siluComposition(x: Tensor): Tensor {
  return x.mul(tf.sigmoid(x));
}

const compositions = { gelu: geluComposition, silu: siluComposition };

/** An activation by name, elementwise, any shape. */
export function activate(x: Tensor, activation: Activation): Tensor {
  if (!hasKernel("Fused.Activation")) return compositions[activation](x);
  return withGradient(
    { x },
    (save) => {
      save([x]);
      return runFused("Fused.Activation", { x }, { activation })[0]!;
    },
    (dy, [x0]) => ({ x: () => runFused("Fused.ActivationGrad", { x: x0!, dy }, { activation })[0]! }),
  );
}

/** GELU, tanh form, elementwise. */
export function gelu(x: Tensor): Tensor {
  return activate(x, "gelu");
}

/** SiLU (swish), elementwise. */
export function silu(x: Tensor): Tensor {
  return activate(x, "silu");
}

/** How the C++ kernels count activations. */
export const ACTIVATION_CODE = { none: 0, gelu: 1, silu: 2 } as const;

interface ActivationAttributes {
  readonly activation: Activation;
}

defineKernel<{ x: TensorInfo }, ActivationAttributes>(
  "Fused.Activation",
  (backend, { x }, { activation }) => {
    const y = backend.output(x.shape, "float32");
    const n = sizeOf(x.shape);
    if (n > 0) backend.call("activation", 16 * n, n, ACTIVATION_CODE[activation], x, y);
    return y;
  },
);
defineKernel<{ x: TensorInfo; dy: TensorInfo }, ActivationAttributes>(
  "Fused.ActivationGrad",
  (backend, { x, dy }, { activation }) => {
    const dx = backend.output(x.shape, "float32");
    const n = sizeOf(x.shape);
    if (n > 0) backend.call("activation_grad", 20 * n, n, ACTIVATION_CODE[activation], x, dy, dx);
    return dx;
  },
);
