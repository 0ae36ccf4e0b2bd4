/**
 * WGSL in tfjs: a shader as a program that `runWebGPUProgram` takes. tfjs declares the buffers (`x` for a variable named x),
 * `getX(i, j)` and `getXByOutputIndex(index)` to read them, `setOutputAtIndex(index, value)` to write, and the uniforms
 * `size`, `xShape`, ...; the code here defines the rest and `fn main(index : i32)`.
 */
import { type WebGPUProgram, webgpu_util } from "@tensorflow/tfjs-backend-webgpu";

export interface Shader {
  /** Names the shader in tfjs's cache, with the ranks and types of the inputs: what else changes the code must be in it. */
  readonly key: string;
  readonly variables: readonly string[];
  readonly outputShape: readonly number[];
  /** Declarations of uniforms, "rows : i32,". */
  readonly uniforms?: string;
  readonly code: string;
  /** Invocations of a workgroup; one workgroup makes one value where `perGroup`. Default 64. */
  readonly workgroup?: number;
  /** A whole workgroup for each value of the output. */
  readonly perGroup?: boolean;
}

export function program({
  key,
  variables,
  outputShape,
  uniforms,
  code,
  workgroup = 64,
  perGroup = false,
}: Shader): WebGPUProgram {
  const shape = [...outputShape];
  const layout = webgpu_util.flatDispatchLayout(shape);
  return {
    variableNames: [...variables],
    outputShape: shape,
    shaderKey: `zoetrope ${key}`,
    workgroupSize: [workgroup, 1, 1],
    dispatchLayout: layout,
    dispatch: webgpu_util.computeDispatch(layout, shape, perGroup ? [1, 1, 1] : [workgroup, 1, 1]),
    size: true,
    ...(uniforms !== undefined && { uniforms }),
    getUserCode: () => code,
  };
}

/** A shader that computes each value from the values at the same place: `expression` of a, b, ... (the variables). */
export function elementwise(
  key: string,
  variables: readonly string[],
  outputShape: readonly number[],
  { functions = "", expression }: { functions?: string; expression: string },
): WebGPUProgram {
  const reads = variables.map((name) => {
    const getter = `get${name[0]!.toUpperCase()}${name.slice(1)}ByOutputIndex`;
    return `let ${name}_ = ${getter}(index);`;
  });
  return program({
    key,
    variables,
    outputShape,
    code: `${functions}
      fn main(index : i32) {
        if (index < uniforms.size) {
          ${reads.join("\n          ")}
          setOutputAtIndex(index, ${expression});
        }
      }`,
  });
}
