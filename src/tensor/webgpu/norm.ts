/**
 * LayerNorm with modulation per chunk in WGSL: `Fused.LayerNormModulate` and its gradient, as `ops/norm.ts` asks for them.
 * A workgroup adds up a row; the two numbers per row (mean and reciprocal deviation) are all that the backward pass keeps.
 */
import type { tf } from "../tf.ts";
import type { RepairedWebgpuBackend } from "./backend.ts";
import { defineShader } from "./define.ts";
import { program } from "./program.ts";

const GROUP = 64;

/** Two sums over each row of `rows`: `first` and then `second` (which may use \`one\`, the first) as [rows, 2]. */
function rowSums(
  key: string,
  variables: readonly string[],
  rows: number,
  { first, second, finish, uniforms }: Readonly<Record<"first" | "second" | "finish" | "uniforms", string>>,
) {
  const total = (name: string, value: string): string => `
      var ${name}_part = 0.0;
      for (var k = local; k < uniforms.width; k = k + ${GROUP}) {
        let at = row * uniforms.width + k;
        ${name}_part = ${name}_part + ${value};
      }
      parts[local] = ${name}_part;
      workgroupBarrier();
      for (var half = ${GROUP / 2}; half > 0; half = half / 2) {
        if (local < half) { parts[local] = parts[local] + parts[local + half]; }
        workgroupBarrier();
      }
      let ${name} = parts[0];
      workgroupBarrier();`;
  return program({
    key,
    variables,
    outputShape: [rows, 2],
    uniforms,
    workgroup: GROUP,
    perGroup: true,
    code: `
    var<workgroup> parts : array<f32, ${GROUP}>;
    fn main(index : i32) {
      let value = index / ${GROUP};
      // Groups beyond the last row go along to the barriers, over a row that is there.
      let row = min(value / 2, uniforms.size / 2 - 1);
      let local = i32(localId.x);
      ${total("one", first)}
      ${total("two", second)}
      if (local == 0 && value < uniforms.size) {
        setOutputAtIndex(value, select(${finish}, (value & 1) == 1));
      }
    }`,
  });
}

interface Sizes {
  readonly rows: number;
  readonly width: number;
  /** Rows that share a row of scale and shift. */
  readonly per: number;
}

function sizesOf(x: tf.TensorInfo, scale: tf.TensorInfo): Sizes {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return { rows: batch * tokens, width, per: Math.max(tokens / Math.max(scale.shape[1]!, 1), 1) };
}

const int = (value: number) => ({ type: "int32", data: [value] });
const float = (value: number) => ({ type: "float32", data: [value] });

function forward(
  backend: RepairedWebgpuBackend,
  [x, shift, scale]: readonly [tf.TensorInfo, tf.TensorInfo, tf.TensorInfo],
  eps: number,
): tf.TensorInfo[] {
  const { rows, width, per } = sizesOf(x, scale);
  const stats = backend.runWebGPUProgram(
    rowSums("layerNorm stats", ["x"], rows, {
      uniforms: "width : i32, eps : f32,",
      first: "x[at]",
      second: "(x[at] - one / f32(uniforms.width)) * (x[at] - one / f32(uniforms.width))",
      finish: "one / f32(uniforms.width), inverseSqrt(two / f32(uniforms.width) + uniforms.eps)",
    }),
    [x],
    "float32",
    [int(width), float(eps)],
  );
  const y = backend.runWebGPUProgram(
    program({
      key: "layerNorm modulate",
      variables: ["x", "stats", "shift", "scale"],
      outputShape: x.shape,
      uniforms: "width : i32, per : i32,",
      code: `
      fn main(index : i32) {
        if (index < uniforms.size) {
          let row = index / uniforms.width;
          let p = (row / uniforms.per) * uniforms.width + index % uniforms.width;
          let standard = (x[index] - stats[2 * row]) * stats[2 * row + 1];
          setOutputAtIndex(index, standard * (1.0 + scale[p]) + shift[p]);
        }
      }`,
    }),
    [x, stats, shift, scale],
    "float32",
    [int(width), int(per)],
  );
  return [y, stats];
}

function backward(
  backend: RepairedWebgpuBackend,
  [x, stats, scale, dy]: readonly [tf.TensorInfo, tf.TensorInfo, tf.TensorInfo, tf.TensorInfo],
): tf.TensorInfo[] {
  const { rows, width, per } = sizesOf(x, scale);
  const modulated = "dy[at] * (1.0 + scale[(row / uniforms.per) * uniforms.width + at % uniforms.width])";
  const sums = backend.runWebGPUProgram(
    rowSums("layerNorm sums", ["x", "stats", "scale", "dy"], rows, {
      uniforms: "width : i32, per : i32,",
      first: modulated,
      second: `${modulated} * (x[at] - stats[2 * row]) * stats[2 * row + 1]`,
      finish: "one / f32(uniforms.width), two / f32(uniforms.width)",
    }),
    [x, stats, scale, dy],
    "float32",
    [int(width), int(per)],
  );
  const dx = backend.runWebGPUProgram(
    program({
      key: "layerNorm dx",
      variables: ["x", "stats", "scale", "dy", "sums"],
      outputShape: x.shape,
      uniforms: "width : i32, per : i32,",
      code: `
      fn main(index : i32) {
        if (index < uniforms.size) {
          let at = index;
          let row = index / uniforms.width;
          let standard = (x[at] - stats[2 * row]) * stats[2 * row + 1];
          let g = ${modulated};
          setOutputAtIndex(index, stats[2 * row + 1] * (g - sums[2 * row] - standard * sums[2 * row + 1]));
        }
      }`,
    }),
    [x, stats, scale, dy, sums],
    "float32",
    [int(width), int(per)],
  );
  backend.disposeData(sums.dataId);
  // A shader must use every buffer that it is given.
  const [dShift, dScale] = (
    [
      ["1.0", { dy }],
      ["(x[at] - stats[2 * row]) * stats[2 * row + 1]", { dy, x, stats }],
    ] as const
  ).map(([factor, inputs]) =>
    backend.runWebGPUProgram(
      program({
        key: `layerNorm parameters ${Object.keys(inputs)}`,
        variables: Object.keys(inputs),
        outputShape: scale.shape,
        uniforms: "width : i32, per : i32,",
        code: `
        fn main(index : i32) {
          if (index < uniforms.size) {
            var total = 0.0;
            for (var i = 0; i < uniforms.per; i = i + 1) {
              let row = (index / uniforms.width) * uniforms.per + i;
              let at = row * uniforms.width + index % uniforms.width;
              total = total + dy[at] * ${factor};
            }
            setOutputAtIndex(index, total);
          }
        }`,
      }),
      Object.values(inputs),
      "float32",
      [int(width), int(per)],
    ),
  );
  return [dx, dShift!, dScale!];
}

export function registerNorm(): void {
  defineShader<"x" | "shift" | "scale", { eps: number }>(
    "Fused.LayerNormModulate",
    (backend, { x, shift, scale }, { eps }) => forward(backend, [x, shift, scale], eps),
  );
  defineShader<"x" | "stats" | "scale" | "dy">(
    "Fused.LayerNormModulateGrad",
    (backend, { x, stats, scale, dy }) => backward(backend, [x, stats, scale, dy]),
  );
}
