import { beforeAll, describe, expect, test } from "vitest";
import type { Condition, History } from "../../src/diffusion/denoiser.ts";
import type { CausalWan } from "../../src/model/causal-wan.ts";
import { dense, routing, sinkWindow, slidingWindow } from "../../src/model/history-policy.ts";
import type { KvHistory } from "../../src/model/kv-history.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { randn } from "../../src/tensor/ops/randn.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { tinyModel } from "./tiny-model.ts";

const texts = ["a red ball bounces on the floor", "a blue square glides sideways", "a green triangle"];

beforeAll(async () => {
  await useDevice("auto");
});

/** [3, chunks frames, H, W, C] of standard normals. */
function clipOf(model: CausalWan, chunks: number): Tensor {
  const [frames, height, width, channels] = model.chunkShape;
  return randn([3, chunks * frames, height, width, channels], rng(3).at("clip"));
}

const rowsOf = (x: Tensor, rows: readonly number[]) => tf.gather(x, tf.tensor1d([...rows], "int32"));
const conditionOf = (model: CausalWan, rows: readonly number[]): Condition =>
  model.encode(rows.map((row) => texts[row]!));

/** The history of some rows after `chunks` chunks; denoising something behind each writes its keys. */
function grown(
  model: CausalWan,
  clip: Tensor,
  rows: readonly number[],
  chunks: number,
  { isSettled }: { readonly isSettled: boolean },
): History {
  const frames = model.chunkShape[0];
  const condition = conditionOf(model, rows);
  let history = model.emptyHistory(rows.length);
  const chunkAt = (i: number) => rowsOf(clip, rows).slice([0, i * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
  for (let i = 0; i < chunks; i++) {
    history = model.append(chunkAt(i), history, condition);
    if (isSettled || i < chunks - 1) model.velocity(chunkAt(i + 1), 0.7, history, condition).dispose();
  }
  return history;
}

describe("histories made apart and joined go on as if they had been made together, bit for bit", () => {
  for (const policy of [
    dense(),
    slidingWindow({ chunks: 2 }),
    sinkWindow({ sink: 1, window: 1 }),
    routing({ topK: 1 }),
  ]) {
    for (const [chunks, cachePrecision] of [
      [1, "float32"],
      [2, "float32"],
      [7, "float32"],
      [7, "bf16"],
    ] as const) {
      test(`${policy.name}, ${chunks} chunks, ${cachePrecision}`, () => {
        const model = tinyModel({ history: policy, cachePrecision });
        const clip = clipOf(model, chunks + 2);
        const frames = model.chunkShape[0];
        const xt = clip.slice([0, (chunks + 1) * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
        const together = model.velocity(
          xt,
          0.4,
          grown(model, clip, [0, 1, 2], chunks, { isSettled: false }),
          conditionOf(model, [0, 1, 2]),
        );
        // One has its newest keys written, the other not; and the rows come in another order.
        const first = grown(model, clip, [2], chunks, { isSettled: true });
        const second = grown(model, clip, [0, 1], chunks, { isSettled: false });
        const order = [2, 0, 1];
        const joined = first.join!([second]);
        expect([joined.batch, joined.numChunks]).toEqual([3, chunks]);
        const apart = model.velocity(rowsOf(xt, order), 0.4, joined, conditionOf(model, order));
        expect(apart.dataSync()).toEqual(rowsOf(together, order).dataSync());
        // The joined history is its own: the parts go on unharmed.
        const alone = model.velocity(rowsOf(xt, [0, 1]), 0.4, second, conditionOf(model, [0, 1]));
        expect(alone.dataSync()).toEqual(rowsOf(together, [0, 1]).dataSync());
      });
    }
  }
});

test.each([dense(), sinkWindow({ sink: 1, window: 1 }), routing({ topK: 1 })])(
  "what lies in the room behind gathered rows is never read: $name",
  (policy) => {
    const model = tinyModel({ history: policy });
    const clip = clipOf(model, 5);
    const frames = model.chunkShape[0];
    const xt = clip.slice([0, 4 * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
    const rows = [2, 0, 2, 1];
    const condition = conditionOf(model, rows);
    const history = grown(model, clip, [0, 1, 2], 4, { isSettled: false });
    const velocity = (gathered: History) =>
      model.velocity(rowsOf(xt, rows), 0.4, gathered, condition).dataSync();
    const once = history.gather(rows) as KvHistory;
    const expected = velocity(once);
    const shapes = once.cache.tensors.map(({ shape }) => shape);
    once.dispose();
    // The memory that the next one gets.
    for (const filled of shapes.map((shape) => tf.fill(shape, Number.NaN))) filled.dispose();
    const again = history.gather(rows) as KvHistory;
    expect(velocity(again)).toEqual(expected);
    expect([...expected].every(Number.isFinite)).toBe(true);
  },
);

test("continuations tried one after the other copy nothing, and give what they give alone", () => {
  const model = tinyModel({ history: routing({ topK: 1 }) });
  const clip = clipOf(model, 5);
  const frames = model.chunkShape[0];
  const chunkAt = (i: number) => clip.slice([0, i * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
  const condition = conditionOf(model, [0, 1, 2]);
  const base = grown(model, clip, [0, 1, 2], 2, { isSettled: true });
  const memory = (history: History) => (history as KvHistory).cache.keys(0).dataId;
  const continued = (chunk: number) => {
    const next = model.append(chunkAt(chunk), base, condition);
    const velocity = model.velocity(chunkAt(4), 0.5, next, condition).dataSync();
    return { next, velocity };
  };
  const first = continued(2);
  expect(memory(first.next)).toBe(memory(base));
  first.next.dispose();
  const second = continued(3);
  expect(memory(second.next)).toBe(memory(base));
  // While the second lives, the third must leave its keys alone.
  const third = continued(2);
  expect(memory(third.next)).not.toBe(memory(second.next));
  expect(third.velocity).toEqual(first.velocity);
  expect(model.velocity(chunkAt(4), 0.5, second.next, condition).dataSync()).toEqual(second.velocity);
  expect(second.velocity).not.toEqual(first.velocity);
});

test("a joined history frees what it holds, and leaves its parts alone", () => {
  const model = tinyModel();
  const clip = clipOf(model, 3);
  const parts = [[0], [1, 2]].map((rows) => grown(model, clip, rows, 2, { isSettled: true }));
  const before = tf.memory().numTensors;
  const joined = parts[0]!.join!([parts[1]!]);
  expect(tf.memory().numTensors).toBeGreaterThan(before);
  joined.dispose();
  expect(tf.memory().numTensors).toBe(before);
  expect(parts.map((part) => part.numChunks)).toEqual([2, 2]);
});

test("histories of different lengths are not joined", () => {
  const model = tinyModel();
  const clip = clipOf(model, 3);
  const short = grown(model, clip, [0], 1, { isSettled: false });
  const long = grown(model, clip, [1], 2, { isSettled: false });
  expect(() => short.join!([long])).toThrow(
    "Cannot join histories as they must have the same number of chunks: got 1 and 2. Join those of one length.",
  );
});

test("histories of different precisions are not joined", () => {
  const model = tinyModel();
  const clip = clipOf(model, 3);
  const rounded = model.withHistory(model.historyPolicy, { cachePrecision: "bf16" });
  const [a, b] = [model, rounded].map((one) => grown(one, clip, [0], 2, { isSettled: true }));
  expect(() => a!.join!([b!])).toThrow(
    "Cannot join histories as they must keep keys in one precision: got float32 and bf16. Give all the same cachePrecision.",
  );
});

test("a gathered history holds the chunks in use and room for two more, and goes on bit for bit", () => {
  const model = tinyModel({ history: dense() });
  const clip = clipOf(model, 6);
  const frames = model.chunkShape[0];
  const chunkAt = (i: number, rows: readonly number[]) =>
    rowsOf(clip, rows).slice([0, i * frames, 0, 0, 0], [-1, frames, -1, -1, -1]);
  const whole = grown(model, clip, [0, 1, 2], 2, { isSettled: true }) as KvHistory;
  const order = [2, 0, 2, 1];
  const gathered = whole.gather(order) as KvHistory;
  const perChunk = whole.cache.bytes / (3 * 8);
  expect(gathered.cache.bytes).toBe(perChunk * order.length * (2 + 2));
  // Past the room that it has: two more chunks, one in work.
  let [straight, picked]: [History, History] = [whole, gathered];
  for (const i of [2, 3, 4]) {
    straight = model.append(chunkAt(i, [0, 1, 2]), straight, conditionOf(model, [0, 1, 2]));
    picked = model.append(chunkAt(i, order), picked, conditionOf(model, order));
  }
  const expected = model.velocity(chunkAt(5, [0, 1, 2]), 0.4, straight, conditionOf(model, [0, 1, 2]));
  const found = model.velocity(chunkAt(5, order), 0.4, picked, conditionOf(model, order));
  expect(found.dataSync()).toEqual(rowsOf(expected, order).dataSync());
});
