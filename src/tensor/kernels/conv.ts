/** 2-D convolution (NHWC) and both gradients; other layouts run the tfjs CPU kernel. */
import { type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { binary, unary } from "./elementwise.ts";
import { runOnCpu } from "./fallback.ts";
import { transpose } from "./movement.ts";
import { type Attributes, defineKernel } from "./register.ts";

type ConvInfo = tf.backend_util.Conv2DInfo;
type Strides = number | [number, number];
interface ConvAttributes {
  strides: Strides;
  pad: "valid" | "same" | number | tf.backend_util.ExplicitPadding;
  dataFormat: "NHWC" | "NCHW";
  dilations?: Strides;
  dimRoundingMode?: "floor" | "round" | "ceil";
}

/** Floats of gathered patches that a thread works on at a time. */
const PATCH_FLOATS = 1 << 17;

function infoOf(xShape: number[], filterShape: number[], attrs: ConvAttributes): ConvInfo {
  return tf.backend_util.computeConv2DInfo(
    xShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad,
    attrs.dimRoundingMode,
    false,
    attrs.dataFormat === "NCHW" ? "channelsFirst" : "channelsLast",
  );
}

function numbers(info: ConvInfo, rows: number): number[] {
  return [
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.outChannels,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.dilationHeight,
    info.dilationWidth,
    info.padInfo.top,
    info.padInfo.left,
    rows,
  ];
}

/** Pixels at a time: enough to fill the multiply, few enough to stay in the cache. */
const rowsFor = (depth: number): number =>
  Math.max(16, Math.min(512, Math.floor(PATCH_FLOATS / Math.max(depth, 1))));

const work = (info: ConvInfo): number =>
  2 * sizeOf(info.outShape) * info.filterHeight * info.filterWidth * info.inChannels;

function conv2d(backend: EngineBackend, x: TensorInfo, filter: TensorInfo, info: ConvInfo): TensorInfo {
  const out = backend.output(info.outShape, "float32");
  if (sizeOf(info.outShape) === 0) return out;
  const depth = info.filterHeight * info.filterWidth * info.inChannels;
  const rows = rowsFor(depth);
  const patches = backend.output([backend.engine.threads, rows, depth], "float32");
  backend.call("conv2d", work(info), ...numbers(info, rows), x, filter, out, patches);
  backend.free(patches);
  return out;
}

const ours = (attrs: ConvAttributes, ...inputs: TensorInfo[]): boolean =>
  attrs.dataFormat !== "NCHW" && inputs.every((t) => t.dtype === "float32" && t.shape.length === 4);

defineKernel<{ x: TensorInfo; filter: TensorInfo }, ConvAttributes>(
  "Conv2D",
  (backend, { x, filter }, attrs) =>
    ours(attrs, x, filter)
      ? conv2d(backend, x, filter, infoOf(x.shape, filter.shape, attrs))
      : runOnCpu("Conv2D", backend, { x, filter }, attrs as unknown as Attributes),
);

defineKernel<{ dy: TensorInfo; filter: TensorInfo }, ConvAttributes & { inputShape: number[] }>(
  "Conv2DBackpropInput",
  (backend, { dy, filter }, attrs) => {
    if (!ours(attrs, dy, filter)) {
      return runOnCpu("Conv2DBackpropInput", backend, { dy, filter }, attrs as unknown as Attributes);
    }
    const info = infoOf(attrs.inputShape, filter.shape, attrs);
    const out = backend.output(attrs.inputShape, "float32");
    if (sizeOf(attrs.inputShape) === 0) return out;
    // [fh, fw, channels, out channels] -> [fh, fw, out channels, channels]
    const turned = transpose(backend, filter, [0, 1, 3, 2]);
    const depth = info.filterHeight * info.filterWidth * info.outChannels;
    const rows = rowsFor(depth);
    const patches = backend.output([backend.engine.threads, rows, depth], "float32");
    backend.call("conv2d_grad_input", work(info), ...numbers(info, rows), dy, turned, out, patches);
    backend.free(turned, patches);
    return out;
  },
);

defineKernel<{ x: TensorInfo; dy: TensorInfo }, ConvAttributes & { filterShape: number[] }>(
  "Conv2DBackpropFilter",
  (backend, { x, dy }, attrs) => {
    if (!ours(attrs, x, dy)) {
      return runOnCpu("Conv2DBackpropFilter", backend, { x, dy }, attrs as unknown as Attributes);
    }
    const info = infoOf(x.shape, attrs.filterShape, attrs);
    const out = backend.output(attrs.filterShape, "float32");
    if (sizeOf(attrs.filterShape) === 0) return out;
    const depth = info.filterHeight * info.filterWidth * info.inChannels;
    const rows = rowsFor(depth);
    const patches = backend.output([rows, depth], "float32");
    backend.call("conv2d_grad_filter", work(info), ...numbers(info, rows), x, dy, out, patches);
    backend.free(patches);
    return out;
  },
);

/** Activations that tfjs may ask a fused kernel for. */
export function activate(
  backend: EngineBackend,
  x: TensorInfo,
  activation: string,
  { alpha = 0.2, weights }: { alpha?: number; weights?: TensorInfo | undefined } = {},
): TensorInfo {
  switch (activation) {
    case "linear":
      return backend.alias(x);
    case "prelu":
      return binary(backend, "f32_prelu", x, weights!, "float32");
    case "leakyrelu":
      return unary(backend, "unary_leakyrelu", x, "float32", alpha);
    case "relu":
    case "relu6":
    case "elu":
    case "sigmoid":
      return unary(backend, `unary_${activation}`, x, "float32");
    default:
      throw new Error(
        `Cannot fuse the activation ${activation} as it must be linear, relu, relu6, elu, sigmoid, leakyrelu or prelu. ` +
          "Apply it as an op of its own.",
      );
  }
}

interface FusedAttributes extends ConvAttributes {
  activation: string;
  leakyreluAlpha?: number;
}
defineKernel<
  { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo; preluActivationWeights?: TensorInfo },
  FusedAttributes
>("FusedConv2D", (backend, { x, filter, bias, preluActivationWeights: weights }, attrs) => {
  if (!ours(attrs, x, filter)) {
    const inputs = { x, filter, bias: bias!, preluActivationWeights: weights! };
    return runOnCpu("FusedConv2D", backend, inputs, attrs as unknown as Attributes);
  }
  let out = conv2d(backend, x, filter, infoOf(x.shape, filter.shape, attrs));
  const replace = (next: TensorInfo) => {
    backend.free(out);
    out = next;
  };
  if (bias) replace(binary(backend, "f32_add", out, bias, "float32"));
  replace(activate(backend, out, attrs.activation, { alpha: attrs.leakyreluAlpha ?? 0.2, weights }));
  return out;
});
