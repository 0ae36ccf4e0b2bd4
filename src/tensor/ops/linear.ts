/** Dense layer with the weight in torch's layout, bias and activation fused behind the product. */
import { type Tensor, tf } from "../tf.ts";
import { type Activation, activate } from "./activation.ts";
import { type FusedInputs, hasKernel, once, require, runFused, together, withGradient } from "./fused.ts";

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
  require(weight.rank === 2 && x.rank >= 1 && x.shape[x.rank - 1] === weight.shape[1], () =>
    `Cannot apply a linear layer as its weight [out, in] must match the last axis of x: got weight [${weight.shape}] and x [${x.shape}]. Transpose the weight if it is [in, out].`);
  require(!bias || (bias.rank === 1 && bias.shape[0] === weight.shape[0]), () =>
    `Cannot apply a linear layer as its bias must be [${weight.shape[0]}]: got [${bias!.shape}]. Give one value per output.`);
  if (!hasKernel("Fused.Linear")) return linearComposition(x, weight, bias, { activation });
  const inputs: FusedInputs = { x, weight, ...(bias && { bias }) };
  return withGradient(
    inputs,
    (save) => {
      // With an activation the kernel also returns the value before it, for the backward pass.
      const [y, before] = runFused("Fused.Linear", inputs, { activation });
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
        x: () => runFused("Fused.LinearGradInput", { dy: dPre(), weight: w0! }, { shape: x.shape })[0]!,
        weight: parameters(0),
        bias: parameters(1),
      };
    },
  );
}
