import { beforeAll, expect, test } from "vitest";
import { presets } from "../../src/model/config.ts";
import { keyFormat } from "../../src/model/key-format.ts";
import { ropeTables } from "../../src/model/rope-table.ts";
import { turnedKeys } from "../../src/model/turned-keys.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { poolKeys, readCache } from "../../src/tensor/ops/cache.ts";
import { headMajor } from "../../src/tensor/ops/head-major.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rope } from "../../src/tensor/ops/rope.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { prompts, tinyClip, tinyConfig, tinyModel } from "./tiny-model.ts";

beforeAll(async () => {
  await useDevice("auto");
});

const config = tinyConfig({ chunkShape: [...presets.mini.chunkShape] });
const tables = ropeTables(config);
const tokens =
  config.chunkShape[0] * (config.chunkShape[1] / config.patch) * (config.chunkShape[2] / config.patch);
const capacity = 12;

const turn = (keys: Tensor, positions: readonly number[]) => {
  const { cos, sin } = tables.at(positions);
  return rope(keys, cos, sin, config.heads);
};

test("reading, overwriting and going back gives what turning everything would", async () => {
  const random = rng(5);
  const { dim, heads } = config;
  const cache = tf.variable(headMajor(randn([2, capacity * tokens, dim], random.at("keys")), heads));
  const turned = turnedKeys({ dim, heads, chunkTokens: tokens, format: keyFormat("float32") });
  // Lengths and largest distances as a search meets them: on by one, again, back by some, another distance.
  const visits = [
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 3],
    [5, 3],
    [5, 3],
    [6, 3],
    [4, 3],
    [5, 3],
    [9, 3],
    [12, 3],
    [7, 3],
    [8, 2],
    [9, 5],
  ] as const;
  for (const [at, [length, farthest]] of visits.entries()) {
    const current = length - 1;
    // The own chunk's keys are written before each read, as by every denoising step.
    const own = headMajor(randn([2, tokens, dim], random.at("own", at)), heads);
    const before = cache.slice([0, 0, 0], [-1, current * tokens, -1]);
    const behind = cache.slice([0, length * tokens, 0], [-1, (capacity - length) * tokens, -1]);
    cache.assign(tf.concat([before, own, behind], 1));
    turned.forget(0, current);
    const chunks = Array.from({ length }, (_, chunk) => chunk);
    const base = Math.max(0, current - farthest);
    const { keys, pooled } = turned.read(0, cache, chunks, base, turn);
    const whole = turn(
      readCache(cache, 0, length * tokens, heads),
      chunks.map((chunk) => Math.max(0, chunk - base)),
    );
    expect(readCache(keys, 0, length * tokens, heads).dataSync()).toEqual(whole.dataSync());
    expect(readCache(pooled, 0, length, heads).dataSync()).toEqual(poolKeys(whole, tokens).dataSync());
  }
});

test("a chunk behind a long history depends on distances alone, whatever was tried before", () => {
  const model = tinyModel({ maxDistance: 2 });
  const clip = tinyClip(model, 7, 3);
  const [frames] = model.chunkShape;
  const chunkAt = (chunk: number) => clip.slice([0, chunk * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
  const condition = model.encode(prompts);
  const grown = (chunks: number) => {
    let history = model.emptyHistory(2);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const next = model.append(chunkAt(chunk), history, condition);
      model.velocity(chunkAt(chunk), 0.7, next, condition).dispose();
      history = next;
    }
    return history;
  };
  const fresh = model.velocity(chunkAt(5), 0.5, grown(5), condition).dataSync();
  const tried = grown(5);
  for (const chunk of [6, 4]) {
    const branch = model.append(chunkAt(chunk), tried, condition);
    model.velocity(chunkAt(0), 0.3, branch, condition).dispose();
    branch.dispose();
  }
  expect(model.velocity(chunkAt(5), 0.5, tried, condition).dataSync()).toEqual(fresh);
});
