/** Dense layer with the weight in torch's layout, bias and activation fused behind the product. */
import { type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { ACTIVATION_CODE, type Activation, activate } from "./activation.ts";
import { takeSum } from "./backward.ts";
import {
  type FusedInputs,
  hasKernel,
  isRecording,
  once,
  require,
  runFused,
  together,
  withGradient,
} from "./fused.ts";
import { packedWeight } from "./packed-weights.ts";

export interface LinearOptions {
  /** Applied to x W^T + b. */
  readonly activation?: Activation;
}

/** The layer in plain tf ops. */
export function linearComposition(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  { activation }: LinearOptions = {},
): Tensor {
  const [outputs, inputs] = weight.shape as [number, number];
  const rows = x.reshape([x.size / inputs, inputs]);
  let y: Tensor = tf.matMul(rows as tf.Tensor2D, weight as tf.Tensor2D, false, true);
  if (bias) y = y.add(bias);
  if (activation) y = activate(y, activation);
  return y.reshape([...x.shape.slice(0, -1), outputs]);
}

/**
 * y = activation(x W^T + b).
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [..., out]
 * @throws RangeError when the shapes do not fit
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor | null,
  { activation }: LinearOptions = {},
): Tensor {
  requireLinear(x, weight, bias);
  if (!hasKernel("Fused.Linear")) return linearComposition(x, weight, bias, { activation });
  const inputs: FusedInputs = { x, weight, ...(bias && { bias }) };
  const recording = isRecording();
  return withGradient(
    inputs,
    (save) => {
      // While recording, a kernel with an activation also returns the value before it, for the backward pass.
      const [y, before] = runFused("Fused.Linear", inputs, { activation, recording });
      save(before ? [x, weight, before] : [x, weight]);
      return y!;
    },
    (dy, [x0, w0, before]) => {
      const dPre = before
        ? once(() => runFused("Fused.ActivationGrad", { x: before, dy }, { activation })[0]!)
        : () => dy;
      const parameters = together(() =>
        runFused("Fused.LinearGradWeight", { x: x0!, dy: dPre() }, { withBias: !!bias }),
      );
      return {
        x: () => {
          const inputGradients = { dy: dPre(), weight: w0! };
          return runFused("Fused.LinearGradInput", inputGradients, { shape: x.shape, sum: takeSum() })[0]!;
        },
        weight: parameters(0),
        bias: parameters(1),
      };
    },
  );
}

/** Requires weight [out, in] of the last axis of x, and bias [out]. */
export function requireLinear(x: Tensor, weight: Tensor, bias?: Tensor | null): void {
  require(weight.rank === 2 && x.rank >= 1 && x.shape[x.rank - 1] === weight.shape[1], () =>
    `Cannot apply a linear layer as its weight [out, in] must match the last axis of x: got weight [${weight.shape}] and x [${x.shape}]. Transpose the weight if it is [in, out].`);
  require(!bias || (bias.rank === 1 && bias.shape[0] === weight.shape[0]), () =>
    `Cannot apply a linear layer as its bias must be [${weight.shape[0]}]: got [${bias!.shape}]. Give one value per output.`);
}

interface Product {
  readonly transposeB?: boolean;
  readonly bias?: TensorInfo;
  readonly activation?: Activation;
  /** Receives the value before the activation. */
  readonly before?: TensorInfo;
  /** Whether to add to c. */
  readonly accumulate?: boolean;
}

function product(
  backend: EngineBackend,
  [m, n, k]: readonly [number, number, number],
  a: TensorInfo,
  b: TensorInfo,
  c: TensorInfo,
  { transposeB = false, bias, activation, before, accumulate = false }: Product,
): void {
  const code = ACTIVATION_CODE[activation ?? "none"];
  if (m * n > 0) {
    backend.call(
      "matmul",
      2 * m * n * k,
      1,
      false,
      transposeB,
      m,
      n,
      k,
      accumulate,
      bias,
      code,
      before,
      a,
      b,
      c,
      null,
    );
  }
}

defineKernel<
  { x: TensorInfo; weight: TensorInfo; bias?: TensorInfo },
  { activation?: Activation; recording: boolean }
>("Fused.Linear", (backend, { x, weight, bias }, { activation, recording }) => {
  const [n, k] = weight.shape as [number, number];
  const shape = [...x.shape.slice(0, -1), n];
  const y = backend.output(shape, "float32");
  const before = activation && recording ? backend.output(shape, "float32") : undefined;
  const rows = sizeOf(shape) / n;
  const packed = recording ? undefined : packedWeight(backend, weight, rows);
  if (packed && rows > 0) {
    const code = ACTIVATION_CODE[activation ?? "none"];
    backend.call("matmul_packed", 2 * rows * n * k, rows, n, k, x, packed, y, bias, code, null);
  } else {
    product(backend, [rows, n, k], x, weight, y, { transposeB: true, bias, activation, before });
  }
  return before ? [y, before] : [y];
});

defineKernel<{ dy: TensorInfo; weight: TensorInfo }, { shape: number[]; sum: TensorInfo | undefined }>(
  "Fused.LinearGradInput",
  (backend, { dy, weight }, { shape, sum }) => {
    const [k, n] = weight.shape as [number, number];
    const dx = sum ? backend.alias(sum) : backend.output(shape, "float32");
    product(backend, [sizeOf(dy.shape) / k, n, k], dy, weight, dx, { accumulate: sum !== undefined });
    return dx;
  },
);

defineKernel<{ x: TensorInfo; dy: TensorInfo }, { withBias: boolean }>(
  "Fused.LinearGradWeight",
  (backend, { x, dy }, { withBias }) => {
    const m = dy.shape.at(-1)!;
    const n = x.shape.at(-1)!;
    const rows = sizeOf(x.shape) / n;
    const dWeight = backend.output([m, n], "float32");
    const dBias = withBias ? backend.output([m], "float32") : undefined;
    if (m * n > 0) backend.call("linear_grad_weight", 2 * m * n * rows, rows, m, n, dy, x, dWeight, dBias);
    return dBias ? [dWeight, dBias] : [dWeight];
  },
);
