import { execFileSync } from "node:child_process";
import { Worker } from "node:worker_threads";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { EngineBackend } from "../../src/tensor/backend.ts";
import { addonPath, type NativeEngine } from "../../src/tensor/backend-native.ts";
import { setThreads, useDevice } from "../../src/tensor/device.ts";
import { attention } from "../../src/tensor/ops/attention.ts";
import { linear } from "../../src/tensor/ops/linear.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

const random = (name: string, ...shape: number[]): Tensor =>
  tf.tensor(
    rng(1)
      .at(name)
      .normal(shape.reduce((a, b) => a * b, 1)),
    shape,
  );
const bits = (t: Tensor): Uint32Array => new Uint32Array(t.dataSync<"float32">().slice().buffer);

const numbers = rng(1).normal(120_000);
/** The first numbers, in another shape. */
const view = (...shape: number[]): Tensor =>
  tf.tensor(
    numbers.slice(
      0,
      shape.reduce((a, b) => a * b, 1),
    ),
    shape,
  );
const segments = rng(2).ints(3000, 17);

/** Work that every kind of kernel takes part in, large enough to run on all threads. */
function mixture(): Tensor[] {
  const a = view(300, 257);
  const image = view(2, 20, 21, 8).as4D(2, 20, 21, 8);
  const filter = view(3, 3, 8, 20).as4D(3, 3, 8, 20);
  return [
    tf.matMul(a, view(257, 130)),
    tf.matMul(a, a, true, false),
    tf.softmax(view(300, 301)),
    tf.sum(view(1, 120_000)),
    tf.sum(view(1700, 70), 0),
    tf.mean(view(20, 120, 50), 1),
    tf.mul(tf.exp(view(160, 700)), view(700)),
    tf.transpose(view(300, 400)),
    tf.unsortedSegmentSum(view(3000, 40), tf.tensor1d(segments, "int32"), 17),
    tf.conv2d(image, filter, 1, "same"),
    tf.grad((w: Tensor) => tf.sum(tf.square(tf.conv2d(image, w as tf.Tensor4D, 1, "same"))))(filter),
    tf.grad((x: Tensor) => tf.sum(tf.square(tf.conv2d(x as tf.Tensor4D, filter, 2, "same"))))(image),
  ];
}

for (const backend of ["native", "wasm"] as const) {
  describe(`${backend}: results`, () => {
    beforeAll(async () => {
      await useDevice(backend);
      if (backend === "wasm") {
        // Workers join in their own time.
        setThreads(4);
        mixture();
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    });
    afterEach(() => setThreads(2));

    it("are bit-identical on 1, 2 and 4 threads", () => {
      setThreads(1);
      const want = mixture().map(bits);
      for (const threads of [2, 4]) {
        setThreads(threads);
        mixture().forEach((t, i) => {
          expect(bits(t), `op ${i} on ${threads} threads`).toEqual(want[i]);
        });
      }
    });

    it("of a row do not depend on the rows beside it", () => {
      // Search forks candidates in batches of any size: a score must not change with the company.
      for (const [k, n] of [
        [192, 576],
        [300, 50],
        [768, 192],
      ] as const) {
        const x = random("batch", 64, k);
        const w = random("weight", n, k);
        const all = bits(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D, false, true));
        for (const rows of [1, 2, 7, 16, 33]) {
          const part = bits(
            tf.matMul(tf.slice(x, [5, 0], [rows, k]) as tf.Tensor2D, w as tf.Tensor2D, false, true),
          );
          expect(part, `${rows} rows of ${k} x ${n}`).toEqual(all.slice(5 * n, (5 + rows) * n));
        }
      }
    });
  });
}

describe("native", () => {
  let engine: NativeEngine;
  beforeAll(async () => {
    await useDevice("native");
    engine = (tf.backend() as EngineBackend).engine as NativeEngine;
  });

  it("gives right results on every instruction set of this machine", () => {
    const best = engine.isa;
    const runs = engine.isas.map((isa) => {
      engine.useIsa(isa);
      return mixture().map((t) => t.dataSync<"float32">());
    });
    engine.useIsa(best);
    for (const run of runs.slice(1)) {
      run.forEach((values, i) => {
        let worst = 0;
        values.forEach((v, j) => {
          worst = Math.max(worst, Math.abs(v - runs[0]![i]![j]!) / (1 + Math.abs(v)));
        });
        // Only the blocking of sums differs: some ulp of sums of up to 300,000 terms.
        expect(worst, `op ${i}`).toBeLessThan(2e-4);
      });
    }
    expect(() => engine.useIsa("z80")).toThrow(/^Cannot use the instruction set z80 as this machine runs /);
  });

  it("multiplies in bf16 where the CPU can, within its stated error", async () => {
    if (!engine.hasBf16) {
      await expect(useDevice("native", { precision: "bf16" })).rejects.toThrow(/^Cannot use precision bf16/);
      return;
    }
    for (const [m, n, k] of [
      [65, 130, 301],
      [3, 50, 1],
      [150, 150, 768],
    ] as const) {
      const a = view(m, k);
      const b = view(n, k);
      const exact = tf.matMul(a, b, false, true).dataSync<"float32">();
      // Each factor is off by at most 2^-8 of itself: a product by 2^-7, a sum by that of its absolute terms.
      const bound = tf.matMul(tf.abs(a), tf.abs(b) as tf.Tensor2D, false, true).dataSync<"float32">();
      await useDevice("native", { precision: "bf16" });
      const rounded = tf.matMul(a, b, false, true).dataSync<"float32">();
      const turned = tf.matMul(tf.transpose(a), tf.transpose(b), true, false).dataSync<"float32">();
      const first = tf.matMul(tf.slice(a, [0, 0], [2, k]), b, false, true).dataSync<"float32">();
      await useDevice("native");
      expect(rounded.some((v, i) => v !== exact[i])).toBe(true);
      rounded.forEach((v, i) => {
        expect(Math.abs(v - exact[i]!)).toBeLessThanOrEqual(bound[i]! * 2 ** -7 + 1e-6);
      });
      expect(turned).toEqual(rounded);
      expect(first).toEqual(rounded.slice(0, 2 * n));
    }
  });

  it("gives the same bits in bf16 on 1, 2 and 4 threads, and float32 again after it", async () => {
    if (!engine.hasBf16) return;
    const step = (): Uint32Array[] =>
      [
        ...mixture(),
        linear(view(300, 192), view(130, 192), view(130), { activation: "gelu" }),
        ...tf.grads((x: Tensor, w: Tensor) => tf.sum(tf.square(linear(x, w))))([
          view(300, 192),
          view(130, 192),
        ]),
        attention(view(2, 96, 96), view(2, 96, 96), view(2, 96, 96), { heads: 3 }),
      ].map(bits);
    const exact = step();
    await useDevice("native", { precision: "bf16" });
    setThreads(1);
    const want = step();
    for (const threads of [2, 4]) {
      setThreads(threads);
      expect(step(), `${threads} threads`).toEqual(want);
    }
    expect(want[0]).not.toEqual(exact[0]);
    await useDevice("native");
    expect(step()).toEqual(exact);
  });

  it("survives NaN, infinities, empty tensors and shapes that do not fit", () => {
    const odd = tf.tensor2d([Number.NaN, 1, Number.POSITIVE_INFINITY, -1], [2, 2]);
    expect([...tf.matMul(odd, odd).dataSync()].every(Number.isNaN)).toBe(false);
    expect(tf.softmax(odd).dataSync()[0]).toBeNaN();
    expect(tf.topk(odd, 2).indices.shape).toEqual([2, 2]);
    expect(tf.matMul(tf.zeros([0, 3]), tf.zeros([3, 0])).shape).toEqual([0, 0]);
    expect([...tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 2])).dataSync()]).toEqual([0, 0, 0, 0]);
    expect(tf.sum(tf.zeros([0])).dataSync()[0]).toBe(0);
    expect(() => tf.add(tf.ones([2, 3]), tf.ones([4]))).toThrow(/broadcast/);
    expect(() => tf.reshape(tf.ones([2, 3]), [4])).toThrow();
  });

  it("says so when memory runs out, and goes on", () => {
    expect(() => tf.fill([1 << 20, 1 << 20], 1)).toThrow(
      /^Cannot make a tensor of shape \[1048576,1048576\] as it must fit into the memory of this machine, .* got 4096 GiB\. /,
    );
    expect(tf.add(1, 2).dataSync()[0]).toBe(3);
  });

  it("runs in several JavaScript threads at once", async () => {
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      const addon = require(workerData);
      const args = new Float64Array(64);
      addon.open(args);
      const op = addon.names().indexOf("fill");
      const buffer = new ArrayBuffer(4 * 10000);
      let bad = 0;
      for (let i = 0; i < 40; i++) {
        args.set([10000, 4, i, addon.address(buffer)]);
        addon.run(op, 2);
        if (new Uint32Array(buffer).some((v) => v !== i)) bad++;
      }
      parentPort.postMessage(bad);
    `;
    const worker = new Worker(code, { eval: true, workerData: addonPath });
    const done = new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    const x = random("shared", 200, 200);
    const want = bits(tf.matMul(x, x));
    for (let i = 0; i < 20; i++) expect(bits(tf.matMul(x, x))).toEqual(want);
    expect(await done).toBe(0);
  });

  it("is built again only when sources change", () => {
    const line = execFileSync(process.execPath, ["src/tensor/native/build.mjs"], {
      cwd: packageRoot,
      encoding: "utf8",
    });
    expect(line).toMatch(/^native engine: build.native.zoetrope\.node is up to date\n$/);
  });
});
