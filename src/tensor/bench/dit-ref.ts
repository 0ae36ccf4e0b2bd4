/**
 * DiT-ref, the yardstick model of the engine bench: width 192, 6 layers, 6 heads, MLP x4, adaLN per frame, RoPE over
 * frames, frame-causal attention; 16 frames of 16 tokens, patch features 16. About 4.1 M parameters. The peer in
 * `peer_torch.py` is the same network.
 */
import { adamw, adamwSlots } from "../ops/adamw.ts";
import { attention } from "../ops/attention.ts";
import { appendCache } from "../ops/cache.ts";
import { blockCausal } from "../ops/chunk-masks.ts";
import { timeEmbedding } from "../ops/embedding.ts";
import { flowMatchingLoss } from "../ops/flow-matching-loss.ts";
import { gatedResidual } from "../ops/gated-residual.ts";
import { linear } from "../ops/linear.ts";
import { linears } from "../ops/linears.ts";
import { layerNormModulate } from "../ops/norm.ts";
import { rope } from "../ops/rope.ts";
import { type Rng, rng } from "../rng.ts";
import { type Tensor, tf, type Variable } from "../tf.ts";

const WIDTH = 192;
const LAYERS = 6;
const HEADS = 6;
const FRAMES = 16;
const TOKENS = 16; // of a frame
const FEATURES = 16;
const HEAD = WIDTH / HEADS;

type Cache = { k: Tensor; v: Tensor }[];

export interface DitRef {
  readonly parameters: Variable[];
  /** x [B, frames * 16, 16], t [B, frames] -> velocity of x's shape. */
  forward(x: Tensor, t: Tensor): Tensor;
  /** One step of training through the tape: noise, forward, backward, AdamW. Returns the loss. */
  trainStep(batch: number): number;
  /** Samples 16 frames with 16 Euler steps and one cache write each. */
  sample(batch: number): void;
}

export function ditRef({ seed = 0 } = {}): DitRef {
  const random = rng(seed);
  const parameters = new Map<string, Variable>();
  const make = (name: string, shape: number[], std: number): void => {
    const n = shape.reduce((a, b) => a * b, 1);
    const values = std === 0 ? new Float32Array(n) : random.at(name).normal(n);
    for (let i = 0; i < n; i++) values[i] = values[i]! * std;
    // Variables live through resets of the backend under the tidy of a caller.
    parameters.set(name, tf.keep(tf.variable(tf.tensor(values, shape))) as Variable);
  };
  const layer = (name: string, inputs: number, outputs: number, std = 1 / Math.sqrt(inputs)): void => {
    make(`${name}.weight`, [outputs, inputs], std);
    make(`${name}.bias`, [outputs], 0);
  };
  layer("in", FEATURES, WIDTH);
  make("position", [TOKENS, WIDTH], 0.02);
  layer("time1", 128, WIDTH);
  layer("time2", WIDTH, WIDTH);
  for (let i = 0; i < LAYERS; i++) {
    layer(`ada${i}`, WIDTH, 6 * WIDTH, 0.02);
    for (const name of ["q", "k", "v", "proj"]) layer(`${name}${i}`, WIDTH, WIDTH);
    layer(`up${i}`, WIDTH, 4 * WIDTH);
    layer(`down${i}`, 4 * WIDTH, WIDTH);
  }
  layer("adaOut", WIDTH, 2 * WIDTH, 0.02);
  layer("out", WIDTH, FEATURES);
  const p = (name: string): Variable => parameters.get(name)!;
  const dense = (x: Tensor, name: string, activation?: "gelu" | "silu"): Tensor =>
    linear(x, p(`${name}.weight`), p(`${name}.bias`), activation ? { activation } : {});

  const angles = Array.from({ length: FRAMES * TOKENS }, (_, i) =>
    Array.from({ length: HEAD / 2 }, (_, j) => Math.floor(i / TOKENS) * 10000 ** (-j / (HEAD / 2))),
  );
  const cos = tf.keep(tf.tensor2d(angles.map((row) => row.map(Math.cos))));
  const sin = tf.keep(tf.tensor2d(angles.map((row) => row.map(Math.sin))));

  const embed = (x: Tensor, t: Tensor): { h: Tensor; c: Tensor } => {
    const [batch, tokens] = x.shape as [number, number];
    const c = dense(dense(timeEmbedding(t, 128), "time1", "silu"), "time2");
    const h = tf.add(dense(x, "in").reshape([batch, tokens / TOKENS, TOKENS, WIDTH]), p("position"));
    return { h: h.reshape([batch, tokens, WIDTH]), c: tf.mul(c, tf.sigmoid(c)) };
  };
  const body = (
    x: Tensor,
    t: Tensor,
    attend: (q: Tensor, k: Tensor, v: Tensor, layer: number) => Tensor,
  ): Tensor => {
    let { h, c } = embed(x, t);
    for (let i = 0; i < LAYERS; i++) {
      const [shift1, scale1, gate1, shift2, scale2, gate2] = tf.split(dense(c, `ada${i}`), 6, -1) as [
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
        Tensor,
      ];
      const a = layerNormModulate(h, shift1, scale1);
      const [q, k, v] = linears(
        a,
        ["q", "k", "v"].map((name) => ({ weight: p(`${name}${i}.weight`), bias: p(`${name}${i}.bias`) })),
      ) as [Tensor, Tensor, Tensor];
      const o = attend(q, k, v, i);
      h = gatedResidual(h, dense(o, `proj${i}`), gate1);
      const m = layerNormModulate(h, shift2, scale2);
      h = gatedResidual(h, dense(dense(m, `up${i}`, "gelu"), `down${i}`), gate2);
    }
    const [shift, scale] = tf.split(dense(c, "adaOut"), 2, -1) as [Tensor, Tensor];
    return dense(layerNormModulate(h, shift, scale), "out");
  };

  const causal = blockCausal(FRAMES);
  const forward = (x: Tensor, t: Tensor): Tensor =>
    body(x, t, (q, k, v) =>
      attention(rope(q, cos, sin, HEADS), rope(k, cos, sin, HEADS), v, {
        heads: HEADS,
        chunkTokens: TOKENS,
        visible: causal,
      }),
    );

  let slots: ReturnType<typeof adamwSlots> | undefined;
  let step = 0;
  let drawn: { data: Tensor; noise: Tensor; t: Tensor } | undefined;
  const draw = (source: Rng, batch: number) => ({
    data: tf.keep(
      tf.tensor(source.at("data").normal(batch * FRAMES * TOKENS * FEATURES), [
        batch,
        FRAMES * TOKENS,
        FEATURES,
      ]),
    ),
    noise: tf.keep(
      tf.tensor(source.at("noise").normal(batch * FRAMES * TOKENS * FEATURES), [
        batch,
        FRAMES * TOKENS,
        FEATURES,
      ]),
    ),
    t: tf.keep(tf.tensor(source.at("t").uniform(batch * FRAMES), [batch, FRAMES])),
  });

  return Object.freeze({
    parameters: [...parameters.values()],
    forward,
    trainStep(batch: number) {
      const list = [...parameters.values()];
      slots ??= adamwSlots(list);
      if (drawn?.data.shape[0] !== batch) drawn = draw(random.at("train"), batch);
      const { data, noise, t } = drawn;
      return tf.tidy(() => {
        const perToken = t.reshape([batch, FRAMES, 1, 1]);
        const wide = (x: Tensor) => x.reshape([batch, FRAMES, TOKENS, FEATURES]);
        const mixed = tf
          .add(tf.mul(wide(data), tf.sub(1, perToken)), tf.mul(wide(noise), perToken))
          .reshape(data.shape);
        const target = tf.sub(noise, data);
        const { value, grads } = tf.variableGrads(
          () => flowMatchingLoss(forward(mixed, t), target) as tf.Scalar,
          list,
        );
        step++;
        adamw(
          slots!,
          list.map((variable) => grads[variable.name]!),
          { learningRate: 1e-3, step, weightDecay: 0.01 },
        );
        return value.dataSync()[0]!;
      });
    },
    sample(batch: number) {
      tf.tidy(() => {
        const cache: Cache = Array.from({ length: LAYERS }, () => ({
          k: tf.zeros([batch, FRAMES * TOKENS, WIDTH]),
          v: tf.zeros([batch, FRAMES * TOKENS, WIDTH]),
        }));
        for (let frame = 0; frame < FRAMES; frame++) {
          const at = frame * TOKENS;
          const cosHere = tf.slice(cos, [at, 0], [TOKENS, -1]);
          const sinHere = tf.slice(sin, [at, 0], [TOKENS, -1]);
          const pass = (x: Tensor, t: number): Tensor =>
            body(x, tf.fill([batch, 1], t), (q, k, v, i) => {
              const own = cache[i]!;
              own.k = tf.keep(appendCache(own.k, rope(k, cosHere, sinHere, HEADS), at));
              own.v = tf.keep(appendCache(own.v, v, at));
              return attention(rope(q, cosHere, sinHere, HEADS), own.k, own.v, {
                heads: HEADS,
                keyTokens: at + TOKENS,
              });
            });
          let x: Tensor = tf.tensor(random.at("sample", frame).normal(batch * TOKENS * FEATURES), [
            batch,
            TOKENS,
            FEATURES,
          ]);
          for (let i = 0; i < 16; i++) {
            x = tf.tidy(() => tf.sub(x, tf.mul(pass(x, 1 - i / 16), 1 / 16)));
          }
          tf.tidy(() => {
            pass(x, 0);
          });
        }
        for (const { k, v } of cache) tf.dispose([k, v]);
      });
    },
  });
}
