/** Every op with shapes that have caught mistakes: odd sizes, one row, no rows. Data come from a seed alone. */
import {
  type AttentionOptions,
  appendCache,
  attention,
  embedding,
  flowMatchingLoss,
  gatedResidual,
  gelu,
  layerNorm,
  layerNormModulate,
  linear,
  linears,
  normRope,
  packBf16,
  patchify,
  poolKeys,
  readCache,
  rmsNorm,
  rng,
  rope,
  silu,
  type Tensor,
  tf,
  timeEmbedding,
  unpackBf16,
  unpatchify,
} from "../../src/index.ts";
import { blockCausal, dualSequence, windowMask } from "../../src/tensor/ops/chunk-masks.ts";

export interface OpCase {
  readonly name: string;
  /** Shapes of the inputs that get gradients. */
  readonly shapes: readonly (readonly number[])[];
  readonly run: (...inputs: Tensor[]) => Tensor;
  /** Inputs are drawn as this times a standard normal. */
  readonly scale?: number;
  /** False where the op has no gradient. */
  readonly hasGradient?: boolean;
}

/** Constants of a case, made inside `run` so that they live on the backend under test. */
const constant = (shape: number[], seed: number): Tensor =>
  tf.tensor(rng(seed).normal(shape.reduce((a, b) => a * b, 1)), shape);

/** Two query chunks of 32 behind a history of eight chunks, three heads. */
const behindHistory = (topK: number): AttentionOptions => ({
  heads: 3,
  chunkTokens: 32,
  visible: [[8], [8, 9]],
  route: {
    topK,
    candidates: [
      [0, 1, 2, 3, 4, 5, 6, 7],
      [0, 2, 4, 5, 7],
    ],
  },
});
const attentionCase = (
  name: string,
  batch: number,
  queries: number,
  keys: number,
  width: number,
  options: AttentionOptions,
): OpCase => ({
  name: `attention ${name}`,
  shapes: [
    [batch, queries, width],
    [batch, keys, width],
    [batch, keys, width],
  ],
  run: (q, k, v) => attention(q!, k!, v!, options),
});

const history = (chunks: number): number[][] =>
  Array.from({ length: chunks }, (_, i) => [...Array(i).keys()]);
const ownOnly = (chunks: number): number[][] => Array.from({ length: chunks }, (_, i) => [i]);

/** Large enough that our kernels run them on all threads (0.4 M floating point operations). */
const largeCases: readonly OpCase[] = [
  {
    name: "linear gelu, large",
    shapes: [[150, 96], [130, 96], [130]],
    run: (x, w, b) => linear(x!, w!, b!, { activation: "gelu" }),
  },
  ...[
    { rows: 300, inputs: 33, outputs: [50, 17, 65] },
    { rows: 3, inputs: 7, outputs: [5, 40] },
    { rows: 0, inputs: 4, outputs: [3, 2] },
  ].map(
    ({ rows, inputs, outputs }): OpCase => ({
      name: `linears [${rows},${inputs}] -> ${outputs}`,
      shapes: [[rows, inputs], ...outputs.flatMap((n) => [[n, inputs], [n]])],
      run: (x, ...parameters) =>
        tf.concat(
          linears(
            x!,
            outputs.map((_, i) => ({ weight: parameters[2 * i]!, bias: parameters[2 * i + 1]! })),
          ),
          1,
        ),
    }),
  ),
  {
    name: "linear, few rows and many outputs",
    shapes: [[7, 90], [600, 90], [600]],
    run: (x, w, b) => linear(x!, w!, b!),
  },
  {
    name: "linear, many rows and few outputs",
    shapes: [[1500, 30], [11, 30], [11]],
    run: (x, w, b) => linear(x!, w!, b!),
  },
  { name: "silu, large", shapes: [[30_011]], run: (x) => silu(x!) },
  { name: "layerNorm, large", shapes: [[300, 101], [101], [101]], run: (x, w, b) => layerNorm(x!, w!, b!) },
  {
    name: "layerNormModulate, large",
    shapes: [
      [3, 120, 90],
      [3, 4, 90],
      [3, 4, 90],
    ],
    run: (x, shift, scale) => layerNormModulate(x!, shift!, scale!),
  },
  {
    name: "gatedResidual, large",
    shapes: [
      [4, 150, 90],
      [4, 150, 90],
      [4, 5, 90],
    ],
    run: (x, y, gate) => gatedResidual(x!, y!, gate!),
  },
  { name: "rmsNorm, large", shapes: [[400, 90], [90]], run: (x, w) => rmsNorm(x!, w!) },
  {
    name: "normRope, large",
    shapes: [[3, 120, 96], [96]],
    run: (x, w) => normRope(x!, w!, constant([120, 16], 5).cos(), constant([120, 16], 5).sin(), 3),
  },
  attentionCase("dual sequence, large", 2, 104, 104, 48, {
    heads: 3,
    chunkTokens: 13,
    visible: dualSequence(4),
  }),
  attentionCase("one sample, more threads than heads", 1, 96, 96, 32, {
    heads: 1,
    chunkTokens: 16,
    visible: blockCausal(6),
  }),
  attentionCase("routed, large", 2, 96, 96, 96, {
    heads: 3,
    chunkTokens: 16,
    visible: ownOnly(6),
    route: { topK: 2, candidates: history(6) },
  }),
  attentionCase("heads of 512, more keys than scratch holds", 1, 1, 1100, 512, { heads: 1 }),
  { name: "poolKeys, large", shapes: [[2, 240, 501]], run: (k) => poolKeys(k!, 6) },
  {
    name: "packBf16 and unpackBf16, large",
    shapes: [[30, 70, 502]],
    run: (x) => unpackBf16(packBf16(x!)),
    hasGradient: false,
  },
  {
    name: "attention to packed keys, large",
    shapes: [
      [2, 64, 96],
      [2, 320, 96],
      [2, 320, 96],
    ],
    run: (q, k, v) => attention(q!, packBf16(k!), packBf16(v!), behindHistory(3)),
    hasGradient: false,
  },
  {
    // Every candidate is chosen: where a choice is close, differences of numbers jump.
    name: "attention to head-major keys, large",
    shapes: [
      [2, 64, 96],
      [6, 320, 32],
      [6, 320, 32],
    ],
    run: (q, k, v) => attention(q!, k!, v!, behindHistory(8)),
  },
  {
    name: "a head-major cache, large",
    shapes: [
      [2, 64, 96],
      [6, 320, 32],
    ],
    run: (kv, cache) => readCache(appendCache(cache!, kv!, 100), 90, 70, 3),
  },
  { name: "patchify, large", shapes: [[2, 4, 16, 16, 51]], run: (x) => patchify(x!, 2) },
  {
    name: "flowMatchingLoss, large",
    shapes: [[2, 3, 10_007]],
    run: (v) => flowMatchingLoss(v!, constant([2, 3, 10_007], 8), constant([2, 3], 9).abs()),
  },
];

export const opCases: readonly OpCase[] = [
  ...([undefined, "gelu", "silu"] as const).flatMap((activation): OpCase[] => [
    {
      name: `linear ${activation ?? "plain"} [2,3,5] -> 7`,
      shapes: [[2, 3, 5], [7, 5], [7]],
      run: (x, w, b) => linear(x!, w!, b!, { activation }),
    },
    {
      name: `linear ${activation ?? "plain"} without bias [33,70] -> 49`,
      shapes: [
        [33, 70],
        [49, 70],
      ],
      run: (x, w) => linear(x!, w!, null, { activation }),
    },
    {
      name: `linear ${activation ?? "plain"} of one row`,
      shapes: [[4], [3, 4], [3]],
      run: (x, w, b) => linear(x!, w!, b!, { activation }),
    },
    {
      name: `linear ${activation ?? "plain"} of no rows`,
      shapes: [[0, 4], [3, 4], [3]],
      run: (x, w, b) => linear(x!, w!, b!, { activation }),
    },
  ]),
  ...([gelu, silu] as const).flatMap((op): OpCase[] => [
    { name: `${op.name} [3,37]`, shapes: [[3, 37]], run: (x) => op(x!), scale: 3 },
    { name: `${op.name} of nothing`, shapes: [[0]], run: (x) => op(x!) },
    { name: `${op.name} far out`, shapes: [[19]], run: (x) => op(x!), scale: 30 },
  ]),
  { name: "layerNorm affine", shapes: [[2, 3, 37], [37], [37]], run: (x, w, b) => layerNorm(x!, w!, b!) },
  { name: "layerNorm weight only", shapes: [[5, 8], [8]], run: (x, w) => layerNorm(x!, w!) },
  { name: "layerNorm plain", shapes: [[5, 33]], run: (x) => layerNorm(x!) },
  {
    name: "layerNorm of no rows",
    shapes: [[0, 8], [8], [8]],
    run: (x, w, b) => layerNorm(x!, w!, b!),
  },
  ...[
    [2, 6, 3, 37],
    [1, 5, 5, 16],
    [3, 4, 1, 9],
    [0, 4, 2, 8],
  ].flatMap(([b, s, c, d]): OpCase[] => [
    {
      name: `layerNormModulate [${b},${s},${d}] in ${c} chunks`,
      shapes: [
        [b!, s!, d!],
        [b!, c!, d!],
        [b!, c!, d!],
      ],
      run: (x, shift, scale) => layerNormModulate(x!, shift!, scale!),
    },
    {
      name: `gatedResidual [${b},${s},${d}] in ${c} chunks`,
      shapes: [
        [b!, s!, d!],
        [b!, s!, d!],
        [b!, c!, d!],
      ],
      run: (x, y, gate) => gatedResidual(x!, y!, gate!),
    },
  ]),
  { name: "rmsNorm [2,3,37]", shapes: [[2, 3, 37], [37]], run: (x, w) => rmsNorm(x!, w!) },
  { name: "rmsNorm of no rows", shapes: [[0, 5], [5]], run: (x, w) => rmsNorm(x!, w!) },
  ...[
    [2, 5, 24, 2],
    [1, 3, 22, 1],
    [3, 1, 8, 4],
    [0, 3, 8, 2],
  ].flatMap(([b, s, d, heads]): OpCase[] => [
    {
      name: `rope [${b},${s},${d}] ${heads} heads`,
      shapes: [[b!, s!, d!]],
      run: (x) =>
        rope(x!, constant([s!, d! / heads! / 2], 5).cos(), constant([s!, d! / heads! / 2], 5).sin(), heads!),
    },
    {
      name: `normRope [${b},${s},${d}] ${heads} heads`,
      shapes: [[b!, s!, d!], [d!]],
      run: (x, w) =>
        normRope(
          x!,
          w!,
          constant([s!, d! / heads! / 2], 5).cos(),
          constant([s!, d! / heads! / 2], 5).sin(),
          heads!,
        ),
    },
  ]),
  attentionCase("full", 2, 5, 7, 12, { heads: 3 }),
  attentionCase("full, one query", 1, 1, 9, 8, { heads: 1 }),
  attentionCase("full, wide heads", 1, 70, 130, 66, { heads: 2 }),
  attentionCase("no queries", 2, 0, 7, 12, { heads: 3 }),
  attentionCase("no batch", 0, 4, 7, 12, { heads: 3 }),
  attentionCase("no keys", 2, 3, 0, 12, { heads: 3 }),
  attentionCase("prefix of a cache", 2, 5, 9, 12, { heads: 3, keyTokens: 6 }),
  attentionCase("block-causal", 2, 12, 12, 16, { heads: 2, chunkTokens: 3, visible: blockCausal(4) }),
  attentionCase("block-causal, chunks of one", 1, 7, 7, 6, {
    heads: 2,
    chunkTokens: 1,
    visible: blockCausal(7),
  }),
  attentionCase("block-causal, long", 1, 144, 144, 32, {
    heads: 1,
    chunkTokens: 48,
    visible: blockCausal(3),
  }),
  attentionCase("window and sink", 2, 15, 15, 10, {
    heads: 2,
    chunkTokens: 3,
    visible: windowMask(5, { window: 1, sink: 1 }),
  }),
  attentionCase("dual sequence", 2, 16, 16, 12, { heads: 2, chunkTokens: 2, visible: dualSequence(4) }),
  attentionCase("a chunk that sees nothing", 2, 4, 6, 8, { heads: 2, chunkTokens: 2, visible: [[], [0, 2]] }),
  attentionCase("last chunk against a cache", 2, 3, 15, 8, {
    heads: 2,
    chunkTokens: 3,
    visible: [[0, 2, 3]],
    keyTokens: 12,
  }),
  attentionCase("routed", 2, 15, 15, 12, {
    heads: 3,
    chunkTokens: 3,
    visible: ownOnly(5),
    route: { topK: 2, candidates: history(5) },
  }),
  attentionCase("routed, top 1 with sink", 1, 20, 20, 8, {
    heads: 2,
    chunkTokens: 4,
    visible: [[0], [0, 1], [0, 2], [0, 3], [0, 4]],
    route: { topK: 1, candidates: [[], [], [1], [1, 2], [1, 2, 3]] },
  }),
  attentionCase("routed, everything", 2, 12, 12, 12, {
    heads: 2,
    chunkTokens: 3,
    visible: ownOnly(4),
    route: { topK: 9, candidates: history(4) },
  }),
  attentionCase("routed, nothing", 2, 6, 6, 8, {
    heads: 2,
    chunkTokens: 3,
    visible: ownOnly(2),
    route: { topK: 0, candidates: history(2) },
  }),
  attentionCase("routed last chunk", 2, 3, 18, 8, {
    heads: 2,
    chunkTokens: 3,
    visible: [[5]],
    route: { topK: 2, candidates: [[0, 1, 2, 3, 4]] },
  }),
  { name: "poolKeys", shapes: [[2, 12, 5]], run: (k) => poolKeys(k!, 4) },
  {
    name: "packBf16 and unpackBf16",
    shapes: [[2, 3, 14]],
    run: (x) => unpackBf16(packBf16(x!)),
    hasGradient: false,
  },
  { name: "packBf16 of nothing", shapes: [[0, 6]], run: (x) => unpackBf16(packBf16(x!)), hasGradient: false },
  { name: "patchify", shapes: [[2, 3, 4, 6, 5]], run: (x) => patchify(x!, 2) },
  { name: "unpatchify", shapes: [[2, 18, 20]], run: (x) => unpatchify(x!, 2, [3, 4, 6]) },
  {
    name: "embedding",
    shapes: [[5, 7]],
    run: (table) => embedding(tf.tensor2d([3, 0, 3, 3, 1, 4], [2, 3], "int32"), table!),
  },
  { name: "timeEmbedding", shapes: [], run: () => timeEmbedding(tf.tensor2d([0, 0.25, 0.5, 1], [2, 2]), 16) },
  {
    name: "flowMatchingLoss",
    shapes: [[2, 3, 5]],
    run: (v) => flowMatchingLoss(v!, constant([2, 3, 5], 8)),
  },
  {
    name: "flowMatchingLoss weighted",
    shapes: [[2, 3, 5, 2]],
    run: (v) => flowMatchingLoss(v!, constant([2, 3, 5, 2], 8), constant([2, 3], 9).abs()),
  },
  ...largeCases,
];
