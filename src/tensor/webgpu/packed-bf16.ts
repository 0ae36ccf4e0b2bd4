/** bf16 words in WGSL: `Fused.PackBf16`, `Fused.UnpackBf16` of `ops/packed-bf16.ts`. */
import { packedShape, unpackedShape } from "../ops/packed-bf16.ts";
import { defineShader } from "./define.ts";
import { program } from "./program.ts";

// NaN is told by its bits: WGSL may assume that there is none.
const PACK = `
  fn half(v : f32) -> u32 {
    let bits = bitcast<u32>(v);
    let rounded = bits + 0x7fffu + ((bits >> 16u) & 1u);
    return select(rounded, bits | 0x400000u, (bits & 0x7fffffffu) > 0x7f800000u) >> 16u;
  }
  fn main(index : i32) {
    if (index < uniforms.size) {
      let first = half(x[2 * index]);
      setOutputAtIndexI32(index, bitcast<i32>(first | (half(x[2 * index + 1]) << 16u)));
    }
  }`;

const UNPACK = `
  fn main(index : i32) {
    if (index < uniforms.size) {
      let word = bitcast<u32>(x[index / 2]);
      setOutputAtIndex(index, bitcast<f32>(select(word & 0xffff0000u, word << 16u, index % 2 == 0)));
    }
  }`;

export function registerPackedBf16(): void {
  defineShader<"x">("Fused.PackBf16", (backend, { x }) =>
    backend.runWebGPUProgram(
      program({ key: "pack bf16", variables: ["x"], outputShape: packedShape(x.shape), code: PACK }),
      [x],
      "int32",
    ),
  );
  defineShader<"x">("Fused.UnpackBf16", (backend, { x }) =>
    backend.runWebGPUProgram(
      program({ key: "unpack bf16", variables: ["x"], outputShape: unpackedShape(x.shape), code: UNPACK }),
      [x],
      "float32",
    ),
  );
}
