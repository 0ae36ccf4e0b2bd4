/**
 * CausalWan: Wan 2.1 made causal by chunks, as a `Denoiser`.
 *
 *   velocity(x_t, t, history)   [keys of finished chunks | chunk at t]     attention by the history policy
 *   append(x_0, history)        remembers x_0; its keys and values (time 0) are written by the pass that needs
 *                               them first, which is the first velocity call of the next chunk: one pass of two chunks
 *                               instead of two passes. `mergeWrites: false` writes at once (the reference).
 *   dualVelocity(history, x_t)  the training pass over [history half | noisy half] (Resampling Forcing 2512.15702, fig. 3c)
 *
 * A chunk that is a whole clip makes it a bidirectional model.
 */
import type { ChunkShape, Condition, Denoiser, History } from "../diffusion/denoiser.ts";
import type { Precision } from "../tensor/device.ts";
import { type AttentionOptions, attention } from "../tensor/ops/attention.ts";
import { rope } from "../tensor/ops/rope.ts";
import { rng } from "../tensor/rng.ts";
import { type Tensor, tf, type Variable } from "../tensor/tf.ts";
import type { Codec } from "../video/codec.ts";
import type { Projected } from "./block.ts";
import { type CausalWanConfig, checkConfig, chunkTokens, type PresetName, presets } from "./config.ts";
import { dualSelection } from "./dual-sequence.ts";
import { type HistoryPolicy, slidingWindow } from "./history-policy.ts";
import { keyFormat } from "./key-format.ts";
import { type KvHistory, kvHistory } from "./kv-history.ts";
import { networkVelocity } from "./network.ts";
import { preRopeAttention } from "./pre-rope-attention.ts";
import { ropeTables } from "./rope-table.ts";
import type { RoutingRecorder } from "./routing-recorder.ts";
import { slotSelection } from "./slot-selection.ts";
import { type TextEncoder, worldText } from "./text.ts";
import { turnedPosition } from "./turned-keys.ts";
import { countParameters, initialWeight, weightShapes } from "./weights.ts";

export interface HistoryOptions {
  /** Receives which chunks routing picked. */
  readonly recorder?: RoutingRecorder | undefined;
  /** Finished chunks farther away than this keep this distance in the rotary embedding; default: true distance. */
  readonly maxDistance?: number | undefined;
  /** Write a finished chunk's keys in the next chunk's first pass; false writes them in a pass of their own. */
  readonly mergeWrites?: boolean | undefined;
  /**
   * How the cache keeps keys and values, those of the chunk in work too. Default float32; bf16 takes half the memory and
   * rounds each number by at most 2^-8 of it (keys twice with `maxDistance`, as they are kept before and after rotation).
   * Gradients through a history need float32.
   */
  readonly cachePrecision?: Precision | undefined;
}

export interface CausalWan extends Denoiser {
  readonly config: CausalWanConfig;
  readonly textEncoder: TextEncoder;
  readonly historyPolicy: HistoryPolicy;
  readonly numParameters: number;
  /** Trainable variables by checkpoint name; shared by all views of one model. */
  readonly weights: ReadonlyMap<string, Variable>;
  /** The same weights under another history policy. */
  withHistory(policy: HistoryPolicy, options?: HistoryOptions): CausalWan;
  /** The same architecture reading other weights (an average, a checkpoint), by name. */
  withWeights(weights: ReadonlyMap<string, Tensor>): CausalWan;
  /**
   * Velocities of N noisy chunks, chunk i given history chunks 0..i-1, in one pass.
   * @param history [B, (N-1) frames, H, W, C] finished chunks; N frames are accepted, the last chunk is not looked at
   * @param xt [B, N frames, H, W, C]
   * @param t [B, N]
   * @param historyTime [B] or [B, N-1] time told for the history; default 0 = clean
   */
  dualVelocity(history: Tensor, xt: Tensor, t: Tensor, condition: Condition, historyTime?: Tensor): Tensor;
  /**
   * Velocities of N noisy chunks that see each other: chunk i attends to noisy chunks 0..i (diffusion forcing).
   * @param xt [B, N frames, H, W, C]; @param t [B, N]
   */
  causalVelocity(xt: Tensor, t: Tensor, condition: Condition): Tensor;
  dispose(): void;
}

export interface CausalWanOptions extends HistoryOptions {
  /** Sets the latent height, width and channels for clips of `size` pixels. */
  readonly codec?: Codec;
  /** Pixels along height and width; used with `codec`. */
  readonly size?: number;
  /** Latent frames per chunk. */
  readonly chunkFrames?: number;
  readonly textEncoder?: TextEncoder;
  /** Default: a window as long as a training clip's history. */
  readonly history?: HistoryPolicy;
  readonly seed?: number;
  readonly config?: Partial<CausalWanConfig>;
}

/** The config of a preset with the options' changes. */
export function presetConfig(preset: PresetName, options: CausalWanOptions = {}): CausalWanConfig {
  const base: CausalWanConfig = presets[preset];
  const { codec, size = 32, chunkFrames = base.chunkShape[0], textEncoder, config } = options;
  const [, height, width, channels] = codec
    ? codec.latentShape(chunkFrames * codec.frameStride, size, size)
    : base.chunkShape;
  const text = textEncoder ?? (base.textDim === 0 ? worldText() : undefined);
  return checkConfig({
    ...base,
    chunkShape: [chunkFrames, height, width, channels],
    ...(text && { textDim: text.dim, textLength: text.length }),
    ...config,
  });
}

function fromPreset(preset: PresetName) {
  return (options: CausalWanOptions = {}): CausalWan => {
    const config = presetConfig(preset, options);
    const textEncoder = options.textEncoder ?? (presets[preset].textDim === 0 ? worldText() : undefined);
    if (!textEncoder) {
      throw new RangeError(
        `Cannot make ${preset} without a text encoder: it reads ${config.textDim}-dimensional tokens. Pass "textEncoder".`,
      );
    }
    return causalWan(config, { ...options, textEncoder });
  };
}

/** Models by size; all share the code, the weights' names and the options. */
export const CausalWan = Object.freeze({
  /** 1.3 M parameters: the world at laptop scale. */
  mini: fromPreset("mini"),
  /** 5 M parameters. */
  small: fromPreset("small"),
  /** Wan 2.1 1.3B; needs a text encoder and its checkpoint. */
  wan1_3b: fromPreset("wan2.1-1.3b"),
  /** Wan 2.1 14B; needs a text encoder and its checkpoint. */
  wan14b: fromPreset("wan2.1-14b"),
});

/** A model with freshly initialised weights, a pure function of (config, seed). */
export function causalWan(
  config: CausalWanConfig,
  options: Omit<CausalWanOptions, "config" | "codec" | "size" | "chunkFrames"> & {
    readonly textEncoder: TextEncoder;
  },
): CausalWan {
  const checked = checkConfig(config);
  const source = rng(options.seed ?? 0);
  const initial = new Map<string, Tensor>();
  for (const [name, shape] of weightShapes(checked)) {
    initial.set(name, tf.tensor(initialWeight(checked, name, shape, source), [...shape], "float32"));
  }
  const model = modelOf(checked, options.textEncoder, initial, options);
  tf.dispose([...initial.values()]);
  return model;
}

/** A model whose trainable weights start as copies of these tensors. */
export function modelOf(
  config: CausalWanConfig,
  textEncoder: TextEncoder,
  initial: ReadonlyMap<string, Tensor>,
  options: HistoryOptions & { readonly history?: HistoryPolicy } = {},
): CausalWan {
  const weights = new Map<string, Variable>();
  for (const name of weightShapes(config).keys()) {
    weights.set(
      name,
      tf.tidy(() => tf.variable(initial.get(name)!.clone())),
    );
  }
  // One chunk more than nothing: a model of single chunks (whole clips) never has a history.
  const reach = slidingWindow({ chunks: Math.max(1, config.trainedChunks - 1) });
  return view(config, textEncoder, weights, options.history ?? reach, options);
}

function view(
  config: CausalWanConfig,
  textEncoder: TextEncoder,
  weights: ReadonlyMap<string, Variable>,
  policy: HistoryPolicy,
  options: HistoryOptions,
): CausalWan {
  const tokens = chunkTokens(config);
  const { maxDistance } = options;
  const [frames, height, width, channels] = config.chunkShape;
  const tables = ropeTables(config);
  const select = slotSelection(policy);
  const weight = (name: string): Tensor => {
    const found = weights.get(name);
    if (!found) throw new Error(`internal: the model has no weight ${name}`);
    return found;
  };
  // Keys that are turned later are averaged then.
  const averagesKeys = policy.topK > 0 && (maxDistance === undefined || policy.gate === "pre-rope");
  const format = keyFormat(options.cachePrecision ?? "float32");
  const shape = {
    layers: config.layers,
    dim: config.dim,
    heads: config.heads,
    chunkTokens: tokens,
    averagesKeys,
    format,
  };

  const requireChunks = (what: string, x: Tensor): number => {
    const [, total, h, w, c] = x.shape;
    if (
      x.rank !== 5 ||
      h !== height ||
      w !== width ||
      c !== channels ||
      total === 0 ||
      total! % frames !== 0
    ) {
      throw new RangeError(
        `Cannot denoise ${what} as it must be [batch, a multiple of ${frames} frames, ${height}, ${width}, ${channels}]: got [${x.shape}]. Cut clips to whole chunks and encode them with the model's codec.`,
      );
    }
    return total! / frames;
  };

  const self: CausalWan = Object.freeze({
    name: `causal-wan ${config.name}`,
    chunkShape: config.chunkShape as ChunkShape,
    config,
    textEncoder,
    historyPolicy: policy,
    numParameters: countParameters(config),
    weights,
    withHistory: (next: HistoryPolicy, changes: HistoryOptions = {}) =>
      view(config, textEncoder, weights, next, { ...options, ...changes }),
    withWeights(others: ReadonlyMap<string, Tensor>) {
      const missing = [...weights.keys()].find((name) => !others.has(name));
      if (missing !== undefined) {
        throw new RangeError(
          `Cannot read other weights as they lack "${missing}". Give one tensor per weight name.`,
        );
      }
      return view(config, textEncoder, others as ReadonlyMap<string, Variable>, policy, options);
    },
    encode: (prompts: readonly string[]): Condition =>
      Object.freeze({ prompts: [...prompts], tokens: textEncoder.encode(prompts) }),
    emptyHistory: (batch: number): History => kvHistory(shape, policy, batch, writePending),

    velocity(xt: Tensor, t: Tensor | number, history: History, condition: Condition): Tensor {
      if (requireChunks("a chunk", xt) !== 1 || xt.shape[0] !== history.batch) {
        throw new RangeError(
          `Cannot denoise as x_t must be one chunk [${history.batch}, ${config.chunkShape}] for this history: got [${xt.shape}]. Match batch and chunk.`,
        );
      }
      return cachedPass(xt, t, history as KvHistory, condition);
    },
    append(x0: Tensor, history: History, condition: Condition): History {
      requireChunks("a finished chunk", x0);
      const next = (history as KvHistory).append(x0, condition);
      if (options.mergeWrites === false) writePending(next, 0);
      return next;
    },

    dualVelocity(history: Tensor, xt: Tensor, t: Tensor, condition: Condition, historyTime?: Tensor): Tensor {
      const chunks = requireChunks("a clip", xt);
      return tf.tidy(() => {
        const batch = xt.shape[0]!;
        const past = chunks - 1;
        const positions = [...Array(past).keys(), ...Array(chunks).keys()];
        const clean = history.slice([0, 0, 0, 0, 0], [batch, past * frames, height, width, channels]);
        const told = historyTime
          ? historyTime.reshape([batch, -1]).add(tf.zeros([batch, past]))
          : tf.zeros([batch, past]);
        const selection = dualSelection(policy, chunks);
        return networkVelocity(config, weight, {
          x: past === 0 ? xt : tf.concat([clean, xt], 1),
          t: past === 0 ? t : tf.concat([told, t], 1),
          text: condition.tokens,
          rope: tables.at(positions),
          outputFrom: past,
          withUnrotated: policy.gate === "pre-rope",
          attend: (_layer, projected, from) =>
            chunkAttention(projected, { heads: config.heads, chunkTokens: tokens, ...selection(from) }),
        });
      });
    },

    causalVelocity(xt: Tensor, t: Tensor, condition: Condition): Tensor {
      const chunks = requireChunks("a clip", xt);
      const lists = Array.from({ length: chunks }, (_, i) => policy.select(i));
      return tf.tidy(() =>
        networkVelocity(config, weight, {
          x: xt,
          t,
          text: condition.tokens,
          rope: tables.at([...Array(chunks).keys()]),
          outputFrom: 0,
          withUnrotated: policy.gate === "pre-rope",
          attend: (_layer, projected) =>
            chunkAttention(projected, {
              heads: config.heads,
              chunkTokens: tokens,
              visible: lists.map(({ visible }, i) => [...visible, i]),
              ...(policy.topK > 0 &&
                chunks > 1 && {
                  route: { topK: policy.topK, candidates: lists.map((list) => list.candidates) },
                }),
            }),
        }),
      );
    },
    dispose() {
      for (const variable of weights.values()) variable.dispose();
      tables.dispose();
    },
  });
  return self;

  /** Keys and values of the chunks that wait but for the newest `left`, each in a pass of its own. */
  function writePending(history: KvHistory, left: number): void {
    while (history.pending.length > left) {
      const { x0, condition } = history.pending[0]!;
      tf.tidy(() => runPass([x0], tf.zeros([history.batch, 1]), history, condition));
      history.settle(1);
    }
  }

  function cachedPass(xt: Tensor, t: Tensor | number, history: KvHistory, condition: Condition): Tensor {
    const samePrompts = history.pending.every(({ condition: { prompts } }) =>
      prompts.every((prompt, i) => prompt === condition.prompts[i]),
    );
    if (!samePrompts || history.batch !== condition.tokens.shape[0] || maxDistance !== undefined) {
      writePending(history, 0);
    }
    const waiting = history.pending.map(({ x0 }) => x0);
    const velocity = tf.tidy(() => {
      const now = typeof t === "number" ? tf.fill([history.batch, 1], t) : t.reshape([history.batch, 1]);
      const time =
        waiting.length === 0 ? now : tf.concat([tf.zeros([history.batch, waiting.length]), now], 1);
      return runPass([...waiting, xt], time, history, condition);
    });
    history.settle(waiting.length);
    return velocity;
  }

  /** A pass over chunks behind the cached prefix; their keys are written there, the last one's velocity returned. */
  function runPass(chunks: readonly Tensor[], t: Tensor, history: KvHistory, condition: Condition): Tensor {
    const { cache } = history;
    const first = history.numChunks - history.pending.length;
    cache.reserve(chunks.length);
    const slots = cache.slots;
    const selection = select(slots, first, chunks.length);
    options.recorder?.begin(first + chunks.length - 1);
    // With a largest distance, positions change as the rollout goes on: the cache then holds unrotated keys.
    const base = maxDistance === undefined ? undefined : Math.max(0, first - maxDistance);
    return networkVelocity(config, weight, {
      x: chunks.length === 1 ? chunks[0]! : tf.concat([...chunks], 1),
      t,
      text: condition.tokens,
      rope: tables.at(chunks.map((_, i) => turnedPosition(first + i, base ?? 0))),
      outputFrom: chunks.length - 1,
      withUnrotated: policy.gate === "pre-rope",
      rotatesKeys: base === undefined,
      attend(layer, projected, from) {
        const { k, v, unrotated } = projected;
        cache.write(layer, base === undefined ? k : (unrotated?.k ?? k), v, unrotated?.k);
        const turned = base === undefined ? undefined : cache.turned(layer, first, base, turn);
        const pooledKeys = turned && policy.gate !== "pre-rope" ? turned.pooled : cache.pooled(layer);
        const { visible, route } = selection(from);
        const { recorder } = options;
        return chunkAttention(
          { ...projected, k: turned?.keys ?? cache.keys(layer), v: cache.values(layer) },
          {
            heads: config.heads,
            chunkTokens: tokens,
            keyTokens: (slots.length + chunks.length) * tokens,
            visible,
            ...(route && {
              route: {
                ...route,
                ...(pooledKeys && { pooledKeys }),
                ...(recorder && {
                  onCounts: (counts: Tensor) =>
                    recorder.record(
                      layer,
                      counts,
                      [...slots, ...chunks.slice(1).map((_, i) => first + i)],
                      tokens,
                    ),
                }),
              },
            }),
          },
        );
      },
    });
  }

  function turn(keys: Tensor, positions: readonly number[]): Tensor {
    const { cos, sin } = tables.at(positions);
    return rope(keys, cos, sin, config.heads);
  }

  /** Routing before rotation needs the unrotated queries, which the fused op does not take. */
  function chunkAttention({ q, k, v, unrotated }: Projected, selection: AttentionOptions): Tensor {
    return selection.route && policy.gate === "pre-rope"
      ? preRopeAttention(q, k, v, unrotated!, selection)
      : attention(q, k, v, selection);
  }
}
