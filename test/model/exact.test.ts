/**
 * Statements about the model that hold exactly, numbered as in the list of claims: 25 (two branches merged by log-sum-exp),
 * 27 (cache = recomputation). 26 and 28 are in causal-wan.test.ts, 29 in test/train/forcing.test.ts.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { History } from "../../src/diffusion/denoiser.ts";
import { dense, routing, slidingWindow } from "../../src/model/history-policy.ts";
import { attention } from "../../src/tensor/ops/attention.ts";
import { poolKeys } from "../../src/tensor/ops/cache.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { prompts, tinyClip, tinyModel } from "./tiny-model.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const distance = (a: Tensor, b: Tensor) => tf.tidy(() => a.sub(b).abs().max().dataSync()[0]!);

describe("claim 25: attention over the own chunk and over routed history, merged by log-sum-exp, is one softmax", () => {
  const [chunks, tokens, width] = [6, 4, 8];
  const [k, v] = [2, 3].map((seed) => randn([chunks * tokens, width], rng(seed).at("x"))) as [Tensor, Tensor];
  const q = randn([tokens, width], rng(1).at("x"));

  /** Output and log-sum-exp of a query that attends to the rows where `isSeen` is 1. */
  function branch(isSeen: Tensor): { out: Tensor; lse: Tensor } {
    const hidden = tf.sub(1, isSeen).mul(-1e30);
    const scores = tf.matMul(q, k, false, true).div(Math.sqrt(width)).add(hidden);
    return { out: tf.matMul(tf.softmax(scores), v), lse: tf.logSumExp(scores, 1, true) };
  }

  for (const topK of [1, 3, 5]) {
    test(`top ${topK} of ${chunks - 1} chunks`, () => {
      const own = chunks - 1;
      // Per query token: the topK chunks of history by q . mean(K).
      const gate = tf
        .matMul(q, poolKeys(k.expandDims(0), tokens).squeeze([0]), false, true)
        .arraySync() as number[][];
      const picked = gate.map((row) => {
        const order = [...Array(own).keys()].sort((a, b) => row[b]! - row[a]!).slice(0, topK);
        return Array.from({ length: chunks * tokens }, (_, at) =>
          Number(order.includes(Math.floor(at / tokens))),
        );
      });
      const inChunk = tf.tensor2d(
        picked.map((row) => row.map((_, at) => Number(Math.floor(at / tokens) === own))),
      );
      const [intra, history] = [branch(inChunk), branch(tf.tensor2d(picked))];
      const most = tf.maximum(intra.lse, history.lse);
      const [a, b] = [intra, history].map(({ lse }) => tf.exp(lse.sub(most))) as [Tensor, Tensor];
      const merged = intra.out.mul(a).add(history.out.mul(b)).div(a.add(b));
      const single = attention(q.expandDims(0), k.expandDims(0), v.expandDims(0), {
        heads: 1,
        chunkTokens: tokens,
        visible: [[own]],
        route: { topK, candidates: [[...Array(own).keys()]] },
      });
      expect(distance(single.squeeze([0]), merged)).toBeLessThan(1e-5);
      // Neither branch alone is the answer.
      expect(distance(intra.out, merged)).toBeGreaterThan(1e-2);
      expect(distance(history.out, merged)).toBeGreaterThan(1e-2);
    });
  }
});

describe("claim 27: denoising with the cache is denoising with everything computed anew", () => {
  for (const policy of [dense(), slidingWindow({ chunks: 2 }), routing({ topK: 2 })]) {
    test(policy.name, () => {
      const model = tinyModel({ history: policy });
      const condition = model.encode(prompts);
      const chunk = (xs: readonly Tensor[]) => tf.concat([...xs], 1);
      let history: History = model.emptyHistory(2);
      const finished: Tensor[] = [];
      for (let i = 0; i < 4; i++) {
        let [cached, anew] = [tinyClip(model, 1, i), tinyClip(model, 1, i)];
        for (const [t, next] of [
          [1, 0.6],
          [0.6, 0],
        ] as const) {
          cached = cached.add(model.velocity(cached, t, history, condition).mul(next - t));
          // The whole clip in one pass; what the other noisy chunks hold cannot matter.
          const clip = chunk([...finished, anew]);
          const all = model.dualVelocity(clip, clip, tf.fill([2, i + 1], t), condition);
          anew = anew.add(all.slice([0, 2 * i, 0, 0, 0], [-1, 2, -1, -1, -1]).mul(next - t));
        }
        expect(distance(cached, anew)).toBeLessThan(2e-5);
        finished.push(cached);
        history = model.append(cached, history, condition);
      }
    });
  }
});
