/**
 * Several dense layers of one input, such as queries, keys and values: one node on the tape, the input read once, and its
 * gradient summed while it is in cache. Values are those of `linear`, to the last bit.
 */
import { type Argument, sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import type { Tensor } from "../tf.ts";
import { takeSum } from "./backward.ts";
import {
  type FusedInputs,
  hasKernel,
  isRecording,
  require,
  runFused,
  together,
  withGradients,
} from "./fused.ts";
import { linear, requireLinear } from "./linear.ts";
import { packedWeight } from "./packed-weights.ts";

export interface LinearParameters {
  /** [out, in] */
  readonly weight: Tensor;
  /** [out] */
  readonly bias?: Tensor | null;
}

/** What the kernel takes in one call. */
const MOST_LAYERS = 16;

const WEIGHT = Array.from({ length: MOST_LAYERS }, (_, i) => `weight${i}`);
const BIAS = Array.from({ length: MOST_LAYERS }, (_, i) => `bias${i}`);
const DY = Array.from({ length: MOST_LAYERS }, (_, i) => `dy${i}`);

/** The layers one after the other: what other backends run. */
export function linearsComposition(x: Tensor, layers: readonly LinearParameters[]): Tensor[] {
  return layers.map(({ weight, bias }) => linear(x, weight, bias));
}

/**
 * x W_i^T + b_i for every layer i.
 * @param x [..., in]
 * @param layers each with weight [out_i, in] and bias [out_i]; at least one, at most 16
 * @returns [..., out_i] for each
 * @throws RangeError when the shapes do not fit
 */
export function linears(x: Tensor, layers: readonly LinearParameters[]): Tensor[] {
  require(layers.length > 0 && layers.length <= MOST_LAYERS, () =>
    `Cannot apply linear layers as there must be 1 to ${MOST_LAYERS} of them: got ${layers.length}. Call linears once for each group of them.`);
  for (const { weight, bias } of layers) requireLinear(x, weight, bias);
  if (layers.length === 1 || !hasKernel("Fused.Linears")) return linearsComposition(x, layers);
  const count = layers.length;
  const inputs: FusedInputs = { x };
  for (let i = 0; i < count; i++) {
    const { weight, bias } = layers[i]!;
    inputs[WEIGHT[i]!] = weight;
    if (bias) inputs[BIAS[i]!] = bias;
  }
  return withGradients(
    inputs,
    (save) => {
      save([x, ...layers.map(({ weight }) => weight)]);
      return runFused("Fused.Linears", inputs, { count, recording: isRecording() });
    },
    (dys, [x0, ...weights]) => {
      const gradients: Record<string, () => Tensor> = {
        x: () => {
          const both: FusedInputs = {};
          for (let i = 0; i < count; i++) {
            both[DY[i]!] = dys[i]!;
            both[WEIGHT[i]!] = weights[i]!;
          }
          return runFused("Fused.LinearsGradInput", both, { count, shape: x.shape, sum: takeSum() })[0]!;
        },
      };
      for (const [i, { bias }] of layers.entries()) {
        const parameters = together(() =>
          runFused("Fused.LinearGradWeight", { x: x0!, dy: dys[i]! }, { withBias: !!bias }),
        );
        gradients[WEIGHT[i]!] = parameters(0);
        gradients[BIAS[i]!] = parameters(1);
      }
      return gradients;
    },
  );
}

defineKernel<Record<string, TensorInfo>, { count: number; recording: boolean }>(
  "Fused.Linears",
  (backend, inputs, { count, recording }) => {
    const x = inputs["x"]!;
    const depth = x.shape.at(-1)!;
    const rows = depth === 0 ? sizeOf(x.shape.slice(0, -1)) : sizeOf(x.shape) / depth;
    const outputs: TensorInfo[] = [];
    const plain: Argument[] = [];
    const packed: Argument[] = [];
    let wide = 0;
    for (let i = 0; i < count; i++) {
      const weight = inputs[WEIGHT[i]!]!;
      const bias = inputs[BIAS[i]!];
      const n = weight.shape[0]!;
      const y = backend.output([...x.shape.slice(0, -1), n], "float32");
      outputs.push(y);
      wide += n;
      plain.push(true, n, depth, false, bias, x, weight, y);
      const order = recording || rows === 0 ? undefined : packedWeight(backend, weight, rows);
      if (order) packed.push(n, bias, order, y);
    }
    const work = 2 * rows * wide * depth;
    if (packed.length === 4 * count)
      backend.call("matmul_packed_many", work, count, rows, depth, x, ...packed);
    else if (rows * wide > 0) backend.call("matmul_many", work, count, rows, ...plain);
    return outputs;
  },
);

defineKernel<Record<string, TensorInfo>, { count: number; shape: number[]; sum: TensorInfo | undefined }>(
  "Fused.LinearsGradInput",
  (backend, inputs, { count, shape, sum }) => {
    const dx = sum ? backend.alias(sum) : backend.output(shape, "float32");
    const width = shape.at(-1)!;
    const rows = sizeOf(shape.slice(0, -1));
    if (rows * width === 0) return dx;
    const args: Argument[] = [];
    let wide = 0;
    for (let i = 0; i < count; i++) {
      const weight = inputs[WEIGHT[i]!]!;
      wide += weight.shape[0]!;
      args.push(false, width, weight.shape[0]!, sum !== undefined || i > 0, null, inputs[DY[i]!], weight, dx);
    }
    backend.call("matmul_many", 2 * rows * wide * width, count, rows, ...args);
    return dx;
  },
);
