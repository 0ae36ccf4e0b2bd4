import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { fillNormals, normalsWasmPath, referenceNormals } from "../../src/tensor/normals.ts";
import type { PhiloxKey } from "../../src/tensor/philox.ts";
import { rng } from "../../src/tensor/rng.ts";
import { philoxKeys } from "./philox-keys.ts";
import { expectSameBits } from "./same-bits.ts";

function pair(key: PhiloxKey, length: number): [fast: Float32Array, slow: Float32Array] {
  const [fast, slow] = [new Float32Array(length), new Float32Array(length)];
  fillNormals(key, fast);
  referenceNormals(key, slow);
  return [fast, slow];
}

it("millions of normals have the bits of the reference", () => {
  // Half a percent is in doubt and computed by the reference itself, so both ways are gone thousands of times.
  for (const key of philoxKeys) {
    const [fast, slow] = pair(key, 1_000_003);
    const [a, b] = [new Int32Array(fast.buffer), new Int32Array(slow.buffer)];
    expect(a.findIndex((bits, i) => bits !== b[i])).toBe(-1);
  }
});

it("any length has the bits of the reference, the ends of a draw too", () => {
  const lengths = [
    0, 1, 2, 3, 4, 5, 63, 64, 65, 79, 80, 81, 82, 83, 4095, 4096, 4097, 4111, 4112, 4113, 8192,
  ];
  for (const length of lengths) {
    const [fast, slow] = pair([length, 5], length);
    expectSameBits(fast, slow);
  }
});

it("fills part of an array and leaves the rest", () => {
  const all = new Float32Array(300).fill(9);
  rng(3).at("noise").fillNormal(all.subarray(100, 228));
  expect(all.slice(100, 228)).toEqual(rng(3).at("noise").normal(128));
  expect(new Set([...all.slice(0, 100), ...all.slice(228)])).toEqual(new Set([9]));
});

it("the committed wasm was built from the source as it is", () => {
  const module = new WebAssembly.Module(readFileSync(normalsWasmPath));
  const [section] = WebAssembly.Module.customSections(module, "zoetrope.sources");
  const source = readFileSync(normalsWasmPath.replace(/wasm$/, "cc"), "utf8").replaceAll("\r\n", "\n");
  expect(
    Buffer.from(section!).toString(),
    "the C++ changed: run `node src/tensor/normals/build.mjs` and commit normals.wasm",
  ).toBe(createHash("sha256").update(source).digest("hex"));
});
