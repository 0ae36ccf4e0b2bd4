/**
 * Plain tf ops as cases for the backend contract: each is compared with tfjs on its cpu backend, values and gradients
 * with respect to every float input, on every backend that runs here.
 */
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

export interface PlainCase {
  name: string;
  /** Shapes of float inputs, normal values. */
  shapes: number[][];
  run: (...inputs: Tensor[]) => Tensor | Tensor[];
  /** Off where the op has no gradient, or none in tfjs itself to compare with. */
  grad?: boolean;
  /** Maps inputs into the domain of the op. */
  domain?: (x: Tensor) => Tensor;
  tolerance?: number;
}

const c = (
  name: string,
  shapes: number[][],
  run: PlainCase["run"],
  more: Partial<PlainCase> = {},
): PlainCase => ({
  name,
  shapes,
  run,
  grad: true,
  ...more,
});
const positive = { domain: (x: Tensor) => tf.add(tf.abs(x), 0.1) };
const inside = { domain: (x: Tensor) => tf.mul(tf.tanh(x), 0.9) };
const noGrad = { grad: false };

/** Every unary op over sizes around the vector lengths. */
const unary = (name: string, f: (x: Tensor) => Tensor, more: Partial<PlainCase> = {}): PlainCase[] => [
  c(`${name} [3,37]`, [[3, 37]], f, more),
];

export const plainCases: PlainCase[] = [
  // Broadcasting in all its forms.
  ...(
    [
      ["same", [4, 5], [4, 5]],
      ["scalar", [4, 5], []],
      ["scalar left", [], [4, 5]],
      ["row", [3, 4, 5], [5]],
      ["column", [3, 4, 5], [3, 4, 1]],
      ["middle", [3, 4, 5], [3, 1, 5]],
      ["outer", [7, 1], [1, 9]],
      ["both", [2, 1, 3, 1], [5, 1, 33]],
      ["long", [2, 5000], [1, 5000]],
      ["empty", [0, 4], [4]],
    ] as [string, number[], number[]][]
  ).flatMap(([label, a, b]) => [
    c(`add ${label}`, [a, b], (x, y) => tf.add(x!, y!)),
    c(`sub ${label}`, [a, b], (x, y) => tf.sub(x!, y!)),
    c(`mul ${label}`, [a, b], (x, y) => tf.mul(x!, y!)),
    c(`div ${label}`, [a, b], (x, y) => tf.div(x!, tf.add(tf.square(y!), 0.5))),
  ]),
  c("maximum", [[4, 9], [9]], (a, b) => tf.maximum(a!, b!)),
  c("minimum", [[4, 9], [9]], (a, b) => tf.minimum(a!, b!)),
  c("squaredDifference", [[4, 9], [9]], (a, b) => tf.squaredDifference(a!, b!)),
  c("pow", [[4, 9], [9]], (a, b) => tf.pow(a!, b!), positive),
  c("pow 2", [[4, 9]], (a) => tf.pow(a!, 2)),
  c("mod", [[4, 9], [9]], (a, b) => tf.mod(a!, tf.add(tf.abs(b!), 0.3)), noGrad),
  c("atan2", [[4, 9], [9]], (a, b) => tf.atan2(a!, b!)),
  c("floorDiv", [[4, 9], [9]], (a, b) => tf.floorDiv(a!, tf.add(tf.abs(b!), 0.3)), noGrad),
  c("prelu", [[4, 9], [9]], (a, b) => tf.prelu(a!, b!)),
  c(
    "addN",
    [
      [4, 9],
      [4, 9],
      [4, 9],
    ],
    (...x) => tf.addN(x),
  ),
  ...unary("neg", tf.neg),
  ...unary("abs", tf.abs),
  ...unary("exp", tf.exp),
  ...unary("log", tf.log, positive),
  ...unary("sqrt", tf.sqrt, positive),
  ...unary("rsqrt", tf.rsqrt, positive),
  ...unary("square", tf.square),
  ...unary("tanh", tf.tanh),
  ...unary("sigmoid", tf.sigmoid),
  ...unary("erf", tf.erf),
  ...unary("relu", tf.relu),
  ...unary("relu6", tf.relu6),
  ...unary("leakyRelu", (x) => tf.leakyRelu(x, 0.1)),
  ...unary("elu", tf.elu),
  ...unary("selu", tf.selu),
  ...unary("softplus", tf.softplus),
  ...unary("reciprocal", tf.reciprocal, positive),
  ...unary("floor", tf.floor),
  ...unary("ceil", tf.ceil),
  ...unary("round", tf.round),
  ...unary("sign", tf.sign),
  ...unary("step", (x) => tf.step(x, 0.2)),
  ...unary("clip", (x) => tf.clipByValue(x, -0.5, 0.7)),
  ...unary("sin", tf.sin),
  ...unary("cos", tf.cos),
  ...unary("tan", tf.tan, inside),
  ...unary("asin", tf.asin, inside),
  ...unary("acos", tf.acos, inside),
  ...unary("atan", tf.atan),
  ...unary("sinh", tf.sinh),
  ...unary("cosh", tf.cosh),
  ...unary("asinh", tf.asinh),
  ...unary("acosh", (x) => tf.acosh(tf.add(x, 1.1)), positive),
  ...unary("atanh", tf.atanh, inside),
  ...unary("expm1", tf.expm1),
  ...unary("log1p", tf.log1p, positive),
  ...(
    [
      ["all", undefined],
      ["last", -1],
      ["first", 0],
      ["middle", 1],
      ["two last", [1, 2]],
      ["two first", [0, 1]],
      ["ends", [0, 2]],
    ] as [string, number | number[] | undefined][]
  ).flatMap(([label, axis]) => [
    c(`sum ${label}`, [[3, 5, 70]], (x) => tf.sum(x!, axis)),
    c(`mean ${label} keep`, [[3, 5, 70]], (x) => tf.mean(x!, axis, true)),
    c(`max ${label}`, [[3, 5, 7]], (x) => tf.max(x!, axis)),
    c(`min ${label} keep`, [[3, 5, 7]], (x) => tf.min(x!, axis, true)),
    c(`prod ${label}`, [[3, 5, 7]], (x) => tf.prod(x!, axis), { tolerance: 1e-3 }),
  ]),
  c("sum long", [[2, 20000]], (x) => tf.sum(x!), { tolerance: 1e-3 }),
  c("sum columns", [[300, 33]], (x) => tf.sum(x!, 0), { tolerance: 1e-4 }),
  c("sum empty", [[0, 3]], (x) => tf.sum(x!, 0)),
  c("logSumExp", [[3, 5, 7]], (x) => tf.logSumExp(x!, [0, 2])),
  c("moments", [[3, 5, 7]], (x) => tf.moments(x!, [0, 2]).variance),
  c("softmax", [[3, 5, 33]], (x) => tf.softmax(x!)),
  c("logSoftmax", [[3, 5, 33]], (x) => tf.logSoftmax(x!)),
  c("cumsum", [[3, 5, 7]], (x) => tf.cumsum(x!, 1)),
  c("cumsum exclusive reverse", [[3, 5, 7]], (x) => tf.cumsum(x!, 2, true, true)),
  c("cumprod", [[3, 5, 7]], (x) => tf.cumprod(x!, 0, true, false), noGrad),
  ...(
    [
      [1, 1, 1],
      [5, 7, 3],
      [9, 65, 300],
      [17, 48, 257],
      [1, 100, 64],
      [33, 1, 20],
    ] as [number, number, number][]
  ).flatMap(([m, n, k]) => [
    c(
      `matMul ${m} ${n} ${k}`,
      [
        [m, k],
        [k, n],
      ],
      (a, b) => tf.matMul(a!, b!),
      { tolerance: 1e-4 },
    ),
    c(
      `matMul ${m} ${n} ${k} tb`,
      [
        [m, k],
        [n, k],
      ],
      (a, b) => tf.matMul(a!, b!, false, true),
      { tolerance: 1e-4 },
    ),
    c(
      `matMul ${m} ${n} ${k} ta`,
      [
        [k, m],
        [k, n],
      ],
      (a, b) => tf.matMul(a!, b!, true, false),
      { tolerance: 1e-4 },
    ),
    c(
      `matMul ${m} ${n} ${k} ta tb`,
      [
        [k, m],
        [n, k],
      ],
      (a, b) => tf.matMul(a!, b!, true, true),
      { tolerance: 1e-4 },
    ),
  ]),
  c(
    "matMul batched",
    [
      [4, 5, 6],
      [4, 6, 7],
    ],
    (a, b) => tf.matMul(a!, b!),
  ),
  c(
    "matMul empty",
    [
      [0, 6],
      [6, 7],
    ],
    (a, b) => tf.matMul(a!, b!),
  ),
  c(
    "matMul no depth",
    [
      [3, 0],
      [0, 7],
    ],
    (a, b) => tf.matMul(a!, b!),
  ),
  c("fused matMul relu", [[5, 6], [6, 7], [7]], (a, b, bias) =>
    tf.fused.matMul({ a: a!, b: b! as tf.Tensor2D, bias: bias!, activation: "relu" }),
  ),
  c(
    "fused matMul elu",
    [[5, 6], [6, 7], [7]],
    (a, b, bias) => tf.fused.matMul({ a: a!, b: b! as tf.Tensor2D, bias: bias!, activation: "elu" }),
    noGrad,
  ),
  c("dot", [[5], [5]], (a, b) => tf.dot(a!, b!)),
  c("transpose", [[3, 4, 5]], (x) => tf.transpose(x!, [2, 0, 1])),
  c("transpose 2d", [[67, 35]], (x) => tf.transpose(x!)),
  c("transpose heads", [[2, 9, 3, 8]], (x) => tf.transpose(x!, [0, 2, 1, 3])),
  c("reshape", [[3, 4, 5]], (x) => tf.reshape(x!, [-1, 5])),
  c("slice", [[3, 4, 5]], (x) => tf.slice(x!, [1, 0, 2], [2, 3, -1])),
  c("stridedSlice", [[6, 7]], (x) => tf.stridedSlice(x!, [5, 1], [0, 7], [-2, 3]), noGrad),
  c(
    "concat",
    [
      [3, 4],
      [3, 1],
      [3, 0],
    ],
    (...x) => tf.concat(x, 1),
  ),
  c(
    "concat 0",
    [
      [3, 4],
      [2, 4],
    ],
    (...x) => tf.concat(x, 0),
  ),
  c(
    "concat of many rows",
    [
      [3, 11, 4],
      [3, 11, 35],
      [3, 11, 0],
      [3, 11, 1],
    ],
    (...x) => tf.concat(x, -1),
  ),
  c(
    "concat in the middle",
    [
      [9, 2, 3],
      [9, 5, 3],
    ],
    (...x) => tf.concat(x, 1),
  ),
  c("split", [[3, 6]], (x) => tf.split(x!, [1, 3, 2], 1)),
  c("split of many rows", [[3, 11, 40]], (x) => tf.split(x!, [4, 35, 0, 1], -1)),
  c("split in the middle", [[9, 8, 3]], (x) => tf.split(x!, 4, 1)),
  c(
    "stack",
    [
      [3, 4],
      [3, 4],
    ],
    (...x) => tf.stack(x, 1),
  ),
  c("unstack", [[3, 4]], (x) => tf.unstack(x!, 1)),
  c("pad", [[3, 4]], (x) =>
    tf.pad(
      x!,
      [
        [1, 2],
        [0, 3],
      ],
      0.5,
    ),
  ),
  c(
    "mirrorPad",
    [[3, 4]],
    (x) =>
      tf.mirrorPad(
        x!,
        [
          [1, 2],
          [0, 3],
        ],
        "reflect",
      ),
    noGrad,
  ),
  c("tile", [[2, 3]], (x) => tf.tile(x!, [3, 2])),
  c("broadcastTo", [[2, 1, 3]], (x) => tf.broadcastTo(x!, [4, 2, 5, 3])),
  c("reverse", [[3, 4, 5]], (x) => tf.reverse(x!, [0, 2])),
  c("expandDims", [[3, 4]], (x) => tf.expandDims(x!, 1)),
  c("gather", [[5, 4]], (x) => tf.gather(x!, tf.tensor1d([4, 0, 4, 2], "int32"))),
  c("gather axis 1", [[3, 5, 4]], (x) =>
    tf.gather(
      x!,
      tf.tensor2d(
        [
          [4, 0],
          [1, 1],
        ],
        [2, 2],
        "int32",
      ),
      1,
    ),
  ),
  c(
    "gather batch",
    [[3, 5, 4]],
    (x) => tf.gather(x!, tf.tensor2d([[4], [1], [0]], [3, 1], "int32"), 1, 1),
    noGrad,
  ),
  c(
    "unsortedSegmentSum",
    [[5, 4]],
    (x) => tf.unsortedSegmentSum(x!, tf.tensor1d([1, 0, 1, 2, 7], "int32"), 4),
    noGrad,
  ),
  c("segment sum in range", [[5, 4]], (x) =>
    tf.unsortedSegmentSum(x!, tf.tensor1d([1, 0, 1, 2, 3], "int32"), 4),
  ),
  c(
    "gatherND",
    [[3, 4, 2]],
    (x) =>
      tf.gatherND(
        x!,
        tf.tensor2d(
          [
            [2, 3],
            [0, 0],
          ],
          [2, 2],
          "int32",
        ),
      ),
    noGrad,
  ),
  c(
    "scatterND",
    [[3, 4]],
    (x) => tf.scatterND(tf.tensor2d([[1], [5], [1]], [3, 1], "int32"), x!, [6, 4]),
    noGrad,
  ),
  c("oneHot", [[3]], (x) => tf.mul(tf.oneHot(tf.tensor1d([2, 0, 5], "int32"), 4), tf.expandDims(x!, 1))),
  c("topk", [[3, 40]], (x) => Object.values(tf.topk(x!, 7)), noGrad),
  c(
    "where",
    [
      [3, 4],
      [3, 4],
    ],
    (a, b) => tf.where(tf.tensor2d([1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1], [3, 4], "bool"), a!, b!),
  ),
  c("where broadcast", [[3, 4], [4]], (a, b) => tf.where(tf.tensor1d([1, 0, 1, 1], "bool"), a!, b!)),
  c(
    "einsum matrix",
    [
      [3, 4],
      [4, 5],
    ],
    (a, b) => tf.einsum("ab,bc->ca", a!, b!),
    noGrad,
  ),
  c(
    "einsum batch",
    [
      [2, 3, 4],
      [2, 5, 4],
    ],
    (a, b) => tf.einsum("bqd,bkd->bqk", a!, b!),
    noGrad,
  ),
  c("einsum one", [[2, 3, 4]], (a) => tf.einsum("abc->ca", a!), noGrad),
  c(
    "conv2d same",
    [
      [2, 7, 6, 3],
      [3, 3, 3, 5],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 1, "same"),
  ),
  c(
    "conv2d stride valid",
    [
      [2, 9, 8, 3],
      [3, 2, 3, 17],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, [2, 1], "valid"),
  ),
  c(
    "conv2d dilated",
    [
      [1, 9, 9, 2],
      [3, 3, 2, 4],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 1, "same", "NHWC", 2),
    noGrad,
  ),
  c(
    "conv2d 1x1",
    [
      [2, 5, 5, 8],
      [1, 1, 8, 4],
    ],
    (x, w) => tf.conv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 1, "valid"),
  ),
  c(
    "conv2d transposed",
    [
      [1, 4, 4, 3],
      [4, 4, 2, 3],
    ],
    (x, w) => tf.conv2dTranspose(x! as tf.Tensor4D, w! as tf.Tensor4D, [1, 8, 8, 2], 2, "same"),
  ),
  c("fused conv2d", [[1, 6, 6, 3], [3, 3, 3, 4], [4]], (x, w, b) =>
    tf.fused.conv2d({
      x: x! as tf.Tensor4D,
      filter: w! as tf.Tensor4D,
      strides: 1,
      pad: "same",
      bias: b!,
      activation: "relu",
    }),
  ),
  c(
    "depthwise conv",
    [
      [1, 6, 6, 3],
      [3, 3, 3, 2],
    ],
    (x, w) => tf.depthwiseConv2d(x! as tf.Tensor4D, w! as tf.Tensor4D, 1, "same"),
  ),
  c("maxPool", [[1, 6, 6, 3]], (x) => tf.maxPool(x! as tf.Tensor4D, 2, 2, "valid")),
  c("avgPool", [[1, 6, 6, 3]], (x) => tf.avgPool(x! as tf.Tensor4D, 3, 2, "same")),
  c("resizeBilinear", [[1, 4, 4, 3]], (x) => tf.image.resizeBilinear(x! as tf.Tensor4D, [7, 6])),
  c("resizeNearest", [[1, 4, 4, 3]], (x) => tf.image.resizeNearestNeighbor(x! as tf.Tensor4D, [8, 8])),
  c("batchNorm", [[2, 4, 4, 3], [3], [3], [3], [3]], (x, m, v, o, s) =>
    tf.batchNorm(
      x!,
      m! as tf.Tensor1D,
      tf.add(tf.square(v!), 0.5) as tf.Tensor1D,
      o! as tf.Tensor1D,
      s! as tf.Tensor1D,
    ),
  ),
  c("depthToSpace", [[1, 2, 2, 8]], (x) => tf.depthToSpace(x! as tf.Tensor4D, 2), noGrad),
  c("fft", [[2, 8]], (x) => tf.abs(tf.fft(tf.complex(x!, tf.zerosLike(x!)))), noGrad),
  c("norm", [[3, 4]], (x) => tf.norm(x!, 2, 1)),
];

/** The inputs of a case, the same numbers on every backend. */
export function inputsOf(item: PlainCase): Tensor[] {
  return item.shapes.map((shape, i) => {
    const n = shape.reduce((a, b) => a * b, 1);
    const x = tf.tensor(rng(11).at(item.name, i).normal(n), shape);
    return item.domain ? item.domain(x) : x;
  });
}

export interface Outcome {
  values: Float32Array[];
  shapes: number[][];
  dtypes: string[];
  gradients: Float32Array[];
}

const floats = (t: Tensor): Float32Array => Float32Array.from(t.dataSync());

/** Values and gradients of a case on the backend in use; the gradient is of a weighted sum of the outputs. */
export function outcome(item: PlainCase, inputs: Tensor[]): Outcome {
  return tf.tidy(() => {
    const list = (x: Tensor | Tensor[]) => (Array.isArray(x) ? x : [x]);
    const outputs = list(item.run(...inputs));
    const weigh = (...x: Tensor[]) =>
      tf.addN(
        list(item.run(...x)).map((t, i) =>
          tf.sum(tf.mul(t, tf.tensor(rng(5).at(i).normal(t.size), t.shape))),
        ),
      ) as tf.Scalar;
    const gradients = item.grad ? tf.grads(weigh)(inputs) : [];
    return {
      values: outputs.map(floats),
      shapes: outputs.map((t) => t.shape),
      dtypes: outputs.map((t) => t.dtype),
      gradients: gradients.map(floats),
    };
  });
}
