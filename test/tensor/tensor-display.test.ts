import sharp from "sharp";
import { beforeAll, describe, expect, it } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { encodePng, summarize } from "../../src/tensor/tensor-display.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";

const show = (x: Tensor): Record<string, string> =>
  (x as unknown as Record<symbol, () => Record<string, string>>)[Symbol.for("Jupyter.display")]!();

describe("a tensor in a notebook", () => {
  beforeAll(async () => {
    await useDevice("native");
  });

  it("tells shape, type, device, statistics and few values", () => {
    const bundle = show(tf.tensor2d([1, 2, Number.NaN, 5], [2, 2]));
    expect(bundle["text/plain"]).toBe(
      "Tensor float32 [2, 2] on native: min 1, mean 2.667, max 5, std 1.7, NaN 1\n    [[1  , 2],\n     [NaN, 5]]",
    );
    expect(bundle["image/png"]).toBeUndefined();
  });

  it("shows a picture of matrices, images and batches of images", async () => {
    const grey = tf.range(0, 200).reshape([10, 20]);
    const png = Buffer.from(show(grey)["image/png"]!, "base64");
    const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([60, 30]);
    expect(data[0]).toBe(0);
    expect(data[data.length - 1]).toBe(255);
    const batch = tf.ones([3, 32, 32, 3]).mul(tf.tensor1d([0, 0.5, 1]));
    const colors = await sharp(Buffer.from(show(batch)["image/png"]!, "base64"))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([colors.info.width, colors.info.height, colors.info.channels]).toEqual([3 * 64 + 2, 64, 3]);
    expect([...colors.data.subarray(0, 3)]).toEqual([0, 128, 255]);
  });

  it("makes do with empty, disposed, boolean, string and constant tensors", () => {
    expect(show(tf.zeros([0, 3]))["text/plain"]).toMatch(/^Tensor float32 \[0, 3\] on native\n/);
    const gone = tf.zeros([2]);
    gone.dispose();
    expect(show(gone)["text/plain"]).toBe("Tensor float32 [2], disposed");
    expect(show(tf.tensor1d([1, 0], "bool"))["text/plain"]).toContain("mean 0.5");
    expect(show(tf.tensor1d(["a"]))["text/plain"]).toContain("string [1]");
    expect(show(tf.ones([20, 20]))["image/png"]).toBeDefined();
    expect(show(tf.fill([20, 20], Number.NaN))["image/png"]).toBeUndefined();
    expect(show(tf.variable(tf.ones([1])))["text/plain"]).toMatch(/^Variable float32/);
  });

  it("knows its statistics and PNG", async () => {
    expect(summarize([1, 3])).toEqual({ min: 1, max: 3, mean: 2, std: 1, nans: 0 });
    const { info } = await sharp(encodePng(new Uint8Array([0, 255]), 2, 1, 1))
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([2, 1]);
  });

  it("says what it holds, to the kernel's memory()", () => {
    const held = (x: Tensor): unknown =>
      (x as unknown as Record<symbol, () => unknown>)[Symbol.for("Jupyter.memory")]!();
    const x = tf.zeros([10, 20]);
    expect(held(x)).toEqual({ bytes: 800, tensors: 1 });
    expect(held(tf.zeros([7], "bool"))).toEqual({ bytes: 7, tensors: 1 });
    expect(held(tf.variable(tf.ones([3])))).toEqual({ bytes: 12, tensors: 1 });
    x.dispose();
    expect(held(x)).toEqual({ bytes: 0, tensors: 0 });
  });
});
