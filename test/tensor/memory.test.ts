import { beforeEach, describe, expect, it } from "vitest";
import type { EngineBackend } from "../../src/tensor/backend.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { tf } from "../../src/tensor/tf.ts";

describe("memory of the native engine", () => {
  beforeEach(async () => {
    await useDevice("native");
  });

  it("is given back by itself: tensors of 12 GB in total stay under 600 MB without dispose", () => {
    // The same loop over 100 GB peaked at 200 to 350 MB; 12 GB is 20 times the bound and takes a second or two.
    const start = process.memoryUsage.rss();
    let peak = 0;
    let x: tf.Tensor = tf.ones([1 << 18]);
    for (let i = 0; i < 12_000; i++) {
      x = tf.neg(x);
      if (i % 200 === 0) peak = Math.max(peak, process.memoryUsage.rss() - start);
    }
    expect(x.dataSync()[0]).toBe(1);
    expect(peak).toBeLessThan(600 * 2 ** 20);
  });

  it("is used again after dispose and tidy", () => {
    const backend = tf.backend() as EngineBackend;
    const shape = [333, 77];
    const first = tf.ones(shape);
    const pooledBefore = backend.engine.memory().pooled;
    first.dispose();
    const pooled = backend.engine.memory().pooled;
    expect(pooled - pooledBefore).toBeGreaterThanOrEqual(333 * 77 * 4);
    const second = tf.zeros(shape);
    expect(backend.engine.memory().pooled).toBe(pooledBefore);
    second.dispose();
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      tf.ones(shape).add(1).mul(2);
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it("does not change under an array that was read before dispose", () => {
    const x = tf.fill([1000], 7);
    const data = x.dataSync();
    x.dispose();
    const y = tf.fill([1000], 8);
    expect(data.every((v) => v === 7)).toBe(true);
    y.dispose();
  });

  it("is not shared with the array a tensor was made of", () => {
    const values = new Float32Array([1, 2, 3]);
    const x = tf.tensor1d(values);
    values[0] = 9;
    expect([...x.dataSync()]).toEqual([1, 2, 3]);
  });

  it("counts references: a reshaped tensor outlives its source", () => {
    const x = tf.tensor1d([1, 2, 3, 4]);
    const y = x.reshape([2, 2]);
    x.dispose();
    tf.fill([4], 5);
    expect([...y.dataSync()]).toEqual([1, 2, 3, 4]);
  });

  it("counts truthfully", () => {
    const before = tf.memory();
    const x = tf.ones([100, 10]);
    const y = x.reshape([10, 100]);
    const after = tf.memory();
    expect(after.numTensors - before.numTensors).toBe(2);
    expect(after.numDataBuffers - before.numDataBuffers).toBe(1);
    // As tfjs counts: per tensor, shared or not.
    expect(after.numBytes - before.numBytes).toBe(8000);
    expect(after.unreliable).toBe(true);
    tf.dispose([x, y]);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
  });

  it("moves tensors between backends and back", async () => {
    const float = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const flag = tf.tensor1d([1, 0], "bool");
    const words = tf.tensor1d(["a", "b"]);
    for (const name of ["cpu", "wasm", "native", "cpu", "native"] as const) {
      await useDevice(name);
      expect([...float.add(1).dataSync()], name).toEqual([2, 3, 4, 5]);
      expect([...tf.logicalNot(flag).dataSync()], name).toEqual([0, 1]);
      expect([...tf.concat([words, words]).dataSync()], name).toEqual(["a", "b", "a", "b"]);
    }
  });

  it("moves complex tensors between the engines (tfjs itself cannot move them to cpu)", async () => {
    const pair = tf.complex([1, 2], [3, 4]);
    for (const name of ["wasm", "native"] as const) {
      await useDevice(name);
      expect([...tf.imag(pair).dataSync()], name).toEqual([3, 4]);
    }
  });
});
