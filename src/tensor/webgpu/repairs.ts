/**
 * Kernels of tfjs-backend-webgpu 4.22 that are missing a case or give wrong numbers, mended in terms of the kernel itself
 * and of other ops. What each one mends is said at its place; `test/tensor/contract-webgpu.test.ts` holds them.
 */
import { parseEinsum } from "../kernels/einsum.ts";
import { type Tensor, tf } from "../tf.ts";

export interface KernelCall {
  readonly inputs: Record<string, tf.TensorInfo>;
  readonly attrs: Record<string, unknown>;
  readonly backend: tf.KernelBackend;
}
type Output = tf.TensorInfo | tf.TensorInfo[];

/** Puts `kernel` in the place of webgpu's kernel of that name, which it gets as `original`. */
function mend(
  name: string,
  kernel: (call: KernelCall, original: (call: KernelCall) => Output) => Output,
): void {
  const config = tf.getKernel(name, "webgpu");
  const original = config.kernelFunc as unknown as (call: KernelCall) => Output;
  tf.unregisterKernel(name, "webgpu");
  tf.registerKernel({
    kernelName: name,
    backendName: "webgpu",
    kernelFunc: (call) => kernel(call as unknown as KernelCall, original),
  });
}

const sizeOf = (shape: readonly number[]): number => tf.util.sizeFromShape([...shape]);

/** A tensor over the same data, for ops inside a kernel; the tidy around them gives it back. */
const asTensor = (info: tf.TensorInfo, backend: tf.KernelBackend): Tensor => {
  backend.incRef(info.dataId);
  return tf.engine().makeTensorFromTensorInfo(info);
};

/** The values of a reduction over nothing. */
const OF_NOTHING: Readonly<Record<string, number>> = {
  Sum: 0,
  Prod: 1,
  Mean: Number.NaN,
  Max: Number.NEGATIVE_INFINITY,
  Min: Number.POSITIVE_INFINITY,
  Any: 0,
  All: 1,
};

export function mendKernels(): void {
  // tfjs relabels integers as floats and keeps the integer buffer, which some shaders then read as it is.
  mend("Cast", (call, original) => {
    const x = call.inputs["x"]!;
    const cast = original(call) as tf.TensorInfo;
    if (cast.dtype !== "float32" || x.dtype === "float32" || x.dtype === "complex64") return cast;
    const one = tf.scalar(1);
    const product = tf.getKernel("Multiply", "webgpu").kernelFunc({
      inputs: { a: cast, b: one },
      backend: call.backend,
      attrs: {},
    }) as tf.TensorInfo;
    call.backend.disposeData(cast.dataId);
    return product;
  });

  // Their shaders know four coordinates.
  mend("PadV2", (call, original) => {
    const x = call.inputs["x"]!;
    const paddings = call.attrs["paddings"] as [number, number][];
    if (x.shape.length < 5) return original(call);
    const value = call.attrs["constantValue"] as number;
    return tf.tidy(() => {
      let y = asTensor(x, call.backend);
      // One axis at a time, as [outer, axis, inner].
      let outer = 1;
      for (const [i, n] of x.shape.entries()) {
        const [before, after] = paddings[i]!;
        if (before + after > 0) {
          const sides: [number, number][] = [
            [0, 0],
            [before, after],
            [0, 0],
          ];
          y = y.reshape([outer, n, sizeOf(x.shape.slice(i + 1))]).pad(sides, value);
        }
        outer *= n + before + after;
      }
      return y.reshape(x.shape.map((n, i) => n + paddings[i]![0] + paddings[i]![1]));
    });
  });
  mend("Tile", (call, original) => {
    const x = call.inputs["x"]!;
    const reps = call.attrs["reps"] as number[];
    if (x.shape.length < 5 || x.dtype === "string") return original(call);
    return tf.tidy(() => {
      let y = asTensor(x, call.backend);
      let outer = 1;
      for (const [i, n] of x.shape.entries()) {
        if (reps[i]! !== 1) y = y.reshape([outer, n, sizeOf(x.shape.slice(i + 1))]).tile([1, reps[i]!, 1]);
        outer *= n * reps[i]!;
      }
      return y.reshape(x.shape.map((n, i) => n * reps[i]!));
    });
  });

  // A letter that one tensor alone has, and that the result lacks, is summed before; tfjs gets it wrong.
  mend("Einsum", (call, original) => {
    const equation = call.attrs["equation"] as string;
    const tensors = Object.values(call.inputs);
    const { inputs, output } = parseEinsum(equation, tensors.length);
    const lonely = (letter: string, i: number): boolean =>
      !output.includes(letter) && !inputs.some((other, j) => j !== i && other.includes(letter));
    if (tensors.length === 1 || !inputs.some((mine, i) => mine.some((letter) => lonely(letter, i)))) {
      return original(call);
    }
    return tf.tidy(() => {
      const kept = inputs.map((mine, i) => mine.filter((letter) => !lonely(letter, i)));
      const summed = tensors.map((x, i) =>
        tf.sum(
          asTensor(x, call.backend),
          inputs[i]!.flatMap((letter, axis) => (lonely(letter, i) ? [axis] : [])),
        ),
      );
      return tf.einsum(`${kept.map((letters) => letters.join("")).join(",")}->${output.join("")}`, ...summed);
    });
  });

  // An id out of range adds to the row behind, not to nothing: give those a segment of their own, and cut it off.
  mend("UnsortedSegmentSum", (call, original) => {
    const count = call.attrs["numSegments"] as number;
    return tf.tidy(() => {
      const ids = asTensor(call.inputs["segmentIds"]!, call.backend);
      const isInside = tf.logicalAnd(tf.greaterEqual(ids, 0), tf.less(ids, count));
      const segmentIds = tf.where(isInside, ids, tf.fill(ids.shape, count, "int32"));
      const inputs = { ...call.inputs, segmentIds };
      const sums = original({ ...call, inputs, attrs: { numSegments: count + 1 } }) as tf.TensorInfo;
      const all = tf.engine().makeTensorFromTensorInfo(sums);
      return all.slice([0], [count]);
    });
  });

  // Reductions divide by the number of values to know the number of rows.
  for (const [name, value] of Object.entries(OF_NOTHING)) {
    mend(name, (call, original) => {
      const x = call.inputs["x"]!;
      if (sizeOf(x.shape) > 0) return original(call);
      const axes = tf.util.parseAxisParam(call.attrs["axis"] as number[], x.shape);
      const [out] = tf.backend_util.computeOutAndReduceShapes(x.shape, axes);
      const shape = call.attrs["keepDims"] ? tf.backend_util.expandShapeToKeepDim(out, axes) : out;
      return tf.fill(shape, value, x.dtype === "bool" ? "bool" : (x.dtype as "float32"));
    });
  }
}
