import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSafetensors, readSafetensors, tf, useDevice, writeSafetensors } from "../../src/index.ts";

let folder: string;
beforeAll(async () => {
  await useDevice("cpu");
  folder = await mkdtemp(join(tmpdir(), "safetensors-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("write and read", () => {
  it("gives back every value, shape, dtype and the metadata", async () => {
    const path = join(folder, "all.safetensors");
    const tensors = {
      b: tf.tensor2d([1.5, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, -3], [2, 3]),
      a: tf.tensor1d([1, -2147483648], "int32"),
      flag: tf.tensor1d([1, 0, 1], "bool"),
      scalar: tf.scalar(7),
      empty: tf.zeros([0, 4]),
      "": tf.scalar(3),
    };
    await writeSafetensors(path, tensors, { metadata: { format: "pt", note: "grün" } });
    const back = await readSafetensors(path);
    expect(back.metadata).toEqual({ format: "pt", note: "grün" });
    expect([...back.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, tensor] of Object.entries(tensors)) {
      const read = back.tensors.get(name)!;
      expect(read.shape).toEqual(tensor.shape);
      expect(read.dtype).toBe(tensor.dtype);
      expect(read.dataSync()).toEqual(tensor.dataSync());
    }
  });

  it("writes the same bytes whatever the order of the tensors, and leaves nothing beside the file", async () => {
    const x = tf.tensor1d([1, 2]);
    const y = tf.tensor1d([1], "int32");
    const inner = await mkdtemp(join(folder, "order-"));
    await writeSafetensors(join(inner, "1"), { x, y });
    await writeSafetensors(
      join(inner, "2"),
      new Map<string, tf.Tensor>([
        ["y", y],
        ["x", x],
      ]),
    );
    expect(await readFile(join(inner, "1"))).toEqual(await readFile(join(inner, "2")));
    await expect(writeSafetensors(join(inner, "3"), { x: tf.tensor(["text"]) })).rejects.toThrow(
      'Cannot write "x" as its dtype must be float32, int32 or bool: got string. Cast it.',
    );
    expect((await readdir(inner)).sort()).toEqual(["1", "2"]);
  });

  it("cuts a block without reading the rest", async () => {
    const path = join(folder, "block.safetensors");
    const x = tf.range(0, 4 * 5 * 6).reshape([4, 5, 6]);
    await writeSafetensors(path, { x, before: tf.zeros([3]) });
    const file = await openSafetensors(path);
    for (const [begin, size] of [
      [
        [1, 0, 0],
        [2, 5, 6],
      ],
      [
        [1, 2, 3],
        [2, 2, 3],
      ],
      [
        [0, 4, 0],
        [4, -1, -1],
      ],
      [
        [4, 0, 0],
        [0, 5, 6],
      ],
    ] as const) {
      const cut = await file.slice("x", begin, size);
      const expected = x.slice(begin as never, size as never);
      expect(cut.shape).toEqual(expected.shape);
      expect(cut.dataSync()).toEqual(expected.dataSync());
    }
    await expect(file.slice("x", [3, 0, 0], [2, 5, 6])).rejects.toThrow(
      'Cannot cut "x" as begin and size must lie within [4,5,6]: got [3,0,0] and [2,5,6].',
    );
    await file.close();
  });
});
