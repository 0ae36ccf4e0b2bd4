/** Kernels that re-label memory, convert types and fill: Identity, Reshape, Cast, Fill, Complex, ... */
import { bytesPerElement, type DataType, type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { runOnCpu } from "./fallback.ts";
import { defineKernel } from "./register.ts";

const PREFIX: Partial<Record<DataType, string>> = { float32: "f32", int32: "i32", bool: "u8" };

/** "f32", "i32", "u8": how C++ kernels name the type; undefined for string and complex64. */
export function typePrefix(dtype: DataType): string | undefined {
  return PREFIX[dtype];
}

/** x in another type; a further reference to x itself when the type is the same. */
export function cast(backend: EngineBackend, x: TensorInfo, dtype: DataType): TensorInfo {
  if (x.dtype === dtype) return backend.alias(x);
  if (dtype === "complex64") {
    const imag = fill(backend, x.shape, "float32", 0);
    return backend.outputComplex(x.shape, cast(backend, x, "float32"), imag);
  }
  if (x.dtype === "complex64") return cast(backend, backend.complexParts(x).real, dtype);
  const from = typePrefix(x.dtype);
  const to = typePrefix(dtype);
  if (from === undefined || to === undefined) {
    throw new TypeError(
      `Cannot cast ${x.dtype} to ${dtype} as strings are no numbers. Convert them in JavaScript.`,
    );
  }
  const out = backend.output(x.shape, dtype);
  const n = sizeOf(x.shape);
  if (n > 0) backend.call(`cast_${from}_${to}`, n * 4, n, x, out, 0, 0);
  return out;
}

const word = new DataView(new ArrayBuffer(4));
/** The bits of a value of a type, as an unsigned integer: how C++ kernels take a value whose type they do not know. */
export function bitsOf(value: number, dtype: DataType): number {
  if (dtype === "float32") word.setFloat32(0, value);
  else if (dtype === "int32") word.setInt32(0, value);
  else word.setUint32(0, value ? 1 : 0);
  return word.getUint32(0);
}

/** A tensor of one value. */
export function fill(
  backend: EngineBackend,
  shape: readonly number[],
  dtype: DataType,
  value: number,
): TensorInfo {
  const out = backend.output(shape, dtype);
  const n = sizeOf(shape);
  if (n > 0) backend.call("fill", n, n, bytesPerElement(dtype), bitsOf(value, dtype), out);
  return out;
}

defineKernel<{ x: TensorInfo }>("Identity", (backend, { x }) => backend.alias(x));

defineKernel<{ x: TensorInfo }, { shape: number[] }>("Reshape", (backend, { x }, { shape }) => {
  const size = sizeOf(x.shape);
  const known = shape.reduce((a, b) => (b === -1 ? a : a * b), 1);
  const full = shape.map((d) => (d === -1 ? (known === 0 ? 0 : size / known) : d));
  if (sizeOf(full) !== size) {
    throw new Error(
      `Cannot reshape [${x.shape}] to [${shape}] as the number of elements must stay: got ${size} and ${sizeOf(full)}. ` +
        "Use -1 for one dimension that follows from the others.",
    );
  }
  return backend.alias(x, full);
});

defineKernel<{ input: TensorInfo }, { dim: number }>("ExpandDims", (backend, { input }, { dim }) => {
  const shape = input.shape.slice();
  shape.splice(dim < 0 ? input.shape.length + dim + 1 : dim, 0, 1);
  return backend.alias(input, shape);
});

defineKernel<{ x: TensorInfo }, { dtype: DataType }>("Cast", (backend, { x }, { dtype }) =>
  cast(backend, x, dtype),
);

defineKernel<Record<string, never>, { shape: number[]; value: number | string; dtype?: DataType }>(
  "Fill",
  (backend, inputs, { shape, value, dtype = typeof value === "string" ? "string" : "float32" }) =>
    typeof value === "string" || dtype === "string"
      ? runOnCpu("Fill", backend, inputs, { shape, value, dtype })
      : fill(backend, shape, dtype, value),
);

for (const [name, value] of [
  ["ZerosLike", 0],
  ["OnesLike", 1],
] as const) {
  defineKernel<{ x: TensorInfo }>(name, (backend, { x }) => {
    if (x.dtype === "complex64") {
      const real = fill(backend, x.shape, "float32", value);
      return backend.outputComplex(x.shape, real, fill(backend, x.shape, "float32", 0));
    }
    if (x.dtype === "string") return runOnCpu(name, backend, { x }, {});
    return fill(backend, x.shape, x.dtype, value);
  });
}

defineKernel<{ real: TensorInfo; imag: TensorInfo }>("Complex", (backend, { real, imag }) =>
  backend.outputComplex(real.shape, backend.alias(real), backend.alias(imag)),
);
defineKernel<{ input: TensorInfo }>("Real", (backend, { input }) => {
  const { real } = backend.complexParts(input);
  return backend.alias(real, input.shape);
});
defineKernel<{ input: TensorInfo }>("Imag", (backend, { input }) => {
  const { imag } = backend.complexParts(input);
  return backend.alias(imag, input.shape);
});

defineKernel<{ condition: TensorInfo; t: TensorInfo; e: TensorInfo }>(
  "Select",
  (backend, { condition, t, e }) => {
    const dtype = tf.upcastType(t.dtype, e.dtype);
    if (typePrefix(dtype) === undefined || condition.dtype !== "bool") {
      return runOnCpu("Select", backend, { condition, t, e }, {});
    }
    const n = sizeOf(t.shape);
    const out = backend.output(t.shape, dtype);
    if (n === 0) return out;
    const a = cast(backend, t, dtype);
    const b = cast(backend, e, dtype);
    // A condition of rank 1 chooses whole rows.
    const share = n / sizeOf(condition.shape);
    backend.call("choose", n * 4, n, share, condition, a, b, out, bytesPerElement(dtype));
    backend.free(a, b);
    return out;
  },
);

defineKernel<Record<string, never>, { start: number; stop: number; step: number; dtype: DataType }>(
  "Range",
  (backend, _inputs, { start, stop, step, dtype }) => {
    const length =
      start === stop || (start < stop && step < 0) || (stop < start && step > 1)
        ? 0
        : Math.abs(Math.ceil((stop - start) / step));
    const values = dtype === "int32" ? new Int32Array(length) : new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = start + i * step;
    return backend.output([length], dtype, values);
  },
);
