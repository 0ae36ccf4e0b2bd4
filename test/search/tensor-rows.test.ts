import { afterAll, describe, expect, test } from "vitest";
import { rowsOf, tensorFromRows } from "../../src/search/tensor-rows.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

afterAll(async () => {
  await useDevice("auto");
});

describe.each(["cpu", "native", "wasm"] as const)("rows on %s", (device) => {
  test("make a tensor, and come back from it", async () => {
    await useDevice(device);
    const before = tf.memory().numTensors;
    const x = tensorFromRows([3, 2, 2], (row, values) => values.set([row, 1, 2, 3]));
    expect([x.shape, x.dtype, [...x.dataSync()]]).toEqual([
      [3, 2, 2],
      "float32",
      [0, 1, 2, 3, 1, 1, 2, 3, 2, 1, 2, 3],
    ]);
    const rows = await rowsOf(x.reshape([3, 4]));
    expect(rows.map((row) => [...row])).toEqual([
      [0, 1, 2, 3],
      [1, 1, 2, 3],
      [2, 1, 2, 3],
    ]);
    expect(tf.memory().numTensors).toBe(before + 2);
  });

  test("are in memory of their own", async () => {
    await useDevice(device);
    const x = tensorFromRows([2, 3], (row, values) => values.fill(row));
    const rows = await rowsOf(x);
    expect(rows.map(({ buffer }) => buffer.byteLength)).toEqual([12, 12]);
    rows[0]!.fill(7);
    expect([...x.dataSync()]).toEqual([0, 0, 0, 1, 1, 1]);
    x.dispose();
    tf.fill([2, 3], 9).dispose();
    expect([...rows[1]!]).toEqual([1, 1, 1]);
  });
});

test("a tensor made on another device is read where it is", async () => {
  await useDevice("cpu");
  const x: Tensor = tf.tensor2d([
    [1, 2],
    [3, 4],
  ]);
  await useDevice("native");
  expect((await rowsOf(x)).map((row) => [...row])).toEqual([
    [1, 2],
    [3, 4],
  ]);
});
