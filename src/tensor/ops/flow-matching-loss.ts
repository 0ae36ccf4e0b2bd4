/** The flow-matching objective (Lipman et al. 2210.02747; Liu et al. 2209.03003): weighted mean squared error. */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import { type Tensor, tf } from "../tf.ts";
import { hasKernel, require, runFused, withGradient, withoutGradient } from "./fused.ts";

function weightLike(weight: Tensor, like: Tensor): Tensor {
  return weight.reshape([...weight.shape, ...new Array<number>(like.rank - weight.rank).fill(1)]);
}

/** The loss in plain tf ops. */
export function flowMatchingLossComposition(
  velocity: Tensor,
  target: Tensor,
  weight?: Tensor | null,
): Tensor {
  const constant = withoutGradient(() => target.clone());
  const square = velocity.sub(constant).square();
  if (!weight) return tf.mean(square);
  return tf.mean(square.mul(withoutGradient(() => weightLike(weight, velocity))));
}

/**
 * mean(weight (velocity - target)^2) over all elements; the target and the weight are constants.
 * @param velocity any shape
 * @param target the same shape
 * @param weight its axes lead those of velocity ([B] or [B, F] for [B, F, H, W, C]); none = 1
 * @returns a scalar
 */
export function flowMatchingLoss(velocity: Tensor, target: Tensor, weight?: Tensor | null): Tensor {
  require(velocity.shape.length === target.shape.length &&
    velocity.shape.every((n, i) => n === target.shape[i]), () =>
    `Cannot compare velocities as the target must have the shape of the prediction [${velocity.shape}]: got [${target.shape}].`);
  require(!weight ||
    (weight.rank <= velocity.rank && weight.shape.every((n, i) => n === velocity.shape[i])), () =>
    `Cannot weigh the loss as the weight's axes must lead those of the prediction [${velocity.shape}]: got [${weight!.shape}]. Reduce or reshape the weight.`);
  const inputs = { velocity, target, ...(weight && { weight }) };
  if (hasKernel("Fused.FlowMatchingLoss")) {
    return withGradient(
      { velocity },
      (save) => {
        save(weight ? [velocity, target, weight] : [velocity, target]);
        return runFused("Fused.FlowMatchingLoss", inputs)[0]!;
      },
      (dy, [v, x, w]) => ({
        velocity: () =>
          runFused("Fused.FlowMatchingLossGrad", {
            velocity: v!,
            target: x!,
            dy,
            ...(w && { weight: w }),
          })[0]!,
      }),
    );
  }
  return flowMatchingLossComposition(velocity, target, weight);
}

interface LossInputs {
  readonly velocity: TensorInfo;
  readonly target: TensorInfo;
  readonly weight?: TensorInfo;
}

/** Elements of the prediction, and how many of them share a weight. */
function extent({ velocity, weight }: LossInputs): [size: number, per: number] {
  const size = sizeOf(velocity.shape);
  return [size, weight ? Math.max(size / sizeOf(weight.shape), 1) : 1];
}

defineKernel<LossInputs>("Fused.FlowMatchingLoss", (backend, inputs) => {
  const { velocity, target, weight } = inputs;
  const loss = backend.output([], "float32");
  const [size, per] = extent(inputs);
  backend.call("flow_matching_loss", 8 * size, size, per, velocity, target, weight, loss);
  return loss;
});

defineKernel<LossInputs & { dy: TensorInfo }>("Fused.FlowMatchingLossGrad", (backend, inputs) => {
  const { velocity, target, weight, dy } = inputs;
  const out = backend.output(velocity.shape, "float32");
  const [size, per] = extent(inputs);
  if (size > 0) {
    backend.call("flow_matching_loss_grad", 8 * size, size, per, velocity, target, weight, dy, out);
  }
  return out;
});
