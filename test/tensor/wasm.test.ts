import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { wasmPath } from "../../src/tensor/backend-wasm.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { SECTION, wasmSourceHash } from "../../src/tensor/native/build-wasm.mjs";
import { tf } from "../../src/tensor/tf.ts";

describe("the committed wasm", () => {
  it("was built from the sources as they are", () => {
    const module = new WebAssembly.Module(readFileSync(wasmPath));
    const [section] = WebAssembly.Module.customSections(module, SECTION);
    expect(
      Buffer.from(section!).toString(),
      "the C++ changed: run `node src/tensor/native/build-wasm.mjs` and commit zoetrope.wasm",
    ).toBe(wasmSourceHash());
  });

  it("says so when its memory runs out, and goes on", async () => {
    await useDevice("wasm");
    expect(() => tf.fill([1 << 16, 20_000], 1)).toThrow(
      /^Cannot make a tensor as WebAssembly has 4 GiB at most, of which [\d.]+ GiB are taken: got [\d.]+ GiB more\./,
    );
    expect(tf.add(1, 2).dataSync()[0]).toBe(3);
  });
});
