/** Reductions, softmax and scans: everything that works on [outer, n, inner]. */
import { type DataType, type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { runOnCpu } from "./fallback.ts";
import { transpose } from "./movement.ts";
import { defineKernel } from "./register.ts";
import { cast, fill } from "./structure.ts";

interface Plan {
  /** x, transposed where the axes are not neighbours; free it. */
  x: TensorInfo;
  outer: number;
  n: number;
  inner: number;
  shape: number[];
}

function plan(
  backend: EngineBackend,
  x: TensorInfo,
  axis: number | number[] | null | undefined,
  keepDims: boolean,
): Plan {
  const axes = tf.util.parseAxisParam(axis as number, x.shape).sort((a, b) => a - b);
  const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const shape = keepDims ? x.shape.map((d, i) => (axes.includes(i) ? 1 : d)) : kept.map((i) => x.shape[i]!);
  const n = sizeOf(axes.map((i) => x.shape[i]!));
  const first = axes[0] ?? 0;
  const last = axes[axes.length - 1] ?? -1;
  // Axes of size 1 between the others do not matter.
  const adjacent = kept.every((i) => i < first || i > last || x.shape[i] === 1);
  if (adjacent) {
    const outer = sizeOf(x.shape.slice(0, first));
    return { x: backend.alias(x), outer, n, inner: sizeOf(x.shape.slice(Math.max(last + 1, first))), shape };
  }
  return {
    x: transpose(backend, x, [...kept, ...axes]),
    outer: sizeOf(kept.map((i) => x.shape[i]!)),
    n,
    inner: 1,
    shape,
  };
}

/** Sum (or mean) over axes of a float tensor. */
export function sum(
  backend: EngineBackend,
  x: TensorInfo,
  axis: number | number[] | null | undefined,
  { keepDims = false, mean = false } = {},
): TensorInfo {
  const p = plan(backend, x, axis, keepDims);
  const out = backend.output(p.shape, "float32");
  if (sizeOf(p.shape) > 0) {
    backend.call(
      "reduce_sum",
      p.outer * p.n * p.inner * 4,
      p.outer,
      p.n,
      p.inner,
      p.x,
      out,
      mean ? 1 / p.n : 1,
    );
  }
  backend.free(p.x);
  return out;
}

function fold(
  backend: EngineBackend,
  op: string,
  x: TensorInfo,
  axis: number | number[],
  keepDims: boolean,
  dtype: DataType,
): TensorInfo {
  const p = plan(backend, x, axis, keepDims);
  const out = backend.output(p.shape, dtype);
  if (sizeOf(p.shape) > 0) backend.call(op, p.outer * p.n * p.inner * 8, p.outer, p.n, p.inner, p.x, out);
  backend.free(p.x);
  return out;
}

type Axis = { axis: number | number[]; keepDims: boolean };

defineKernel<{ x: TensorInfo }, Axis>("Sum", (backend, { x }, { axis, keepDims = false }) => {
  if (x.dtype === "float32") return sum(backend, x, axis, { keepDims });
  if (x.dtype === "complex64") return runOnCpu("Sum", backend, { x }, { axis, keepDims });
  const ints = cast(backend, x, "int32");
  const out = fold(backend, "reduce_i32_sum", ints, axis, keepDims, "int32");
  backend.free(ints);
  return out;
});
defineKernel<{ x: TensorInfo }, Axis>("Mean", (backend, { x }, { axis, keepDims = false }) => {
  const floats = cast(backend, x, "float32");
  const out = sum(backend, floats, axis, { keepDims, mean: true });
  backend.free(floats);
  return out;
});
for (const [name, op] of [
  ["Max", "max"],
  ["Min", "min"],
] as const) {
  defineKernel<
    { x: TensorInfo },
    { reductionIndices?: number | number[]; axis?: number | number[]; keepDims: boolean }
  >(name, (backend, { x }, attrs) => {
    const axis = (attrs.reductionIndices ?? attrs.axis) as number | number[];
    if (x.dtype === "float32")
      return fold(backend, `reduce_${op}`, x, axis, attrs.keepDims ?? false, "float32");
    if (x.dtype === "int32")
      return fold(backend, `reduce_i32_${op}`, x, axis, attrs.keepDims ?? false, "int32");
    return runOnCpu(name, backend, { x }, attrs as Record<string, unknown>);
  });
}
defineKernel<{ x: TensorInfo }, Axis>("Prod", (backend, { x }, { axis, keepDims = false }) =>
  x.dtype === "float32"
    ? fold(backend, "reduce_prod", x, axis, keepDims, "float32")
    : runOnCpu("Prod", backend, { x }, { axis, keepDims }),
);
for (const [name, op] of [
  ["Any", "reduce_u8_any"],
  ["All", "reduce_u8_all"],
] as const) {
  defineKernel<{ x: TensorInfo }, Axis>(name, (backend, { x }, { axis, keepDims = false }) =>
    fold(backend, op, x, axis, keepDims, "bool"),
  );
}
for (const [name, op] of [
  ["ArgMax", "max"],
  ["ArgMin", "min"],
] as const) {
  defineKernel<{ x: TensorInfo }, { axis: number }>(name, (backend, { x }, { axis }) => {
    const p = plan(backend, x, axis, false);
    if (p.n === 0 || (x.dtype !== "float32" && x.dtype !== "int32")) {
      backend.free(p.x);
      return runOnCpu(name, backend, { x }, { axis });
    }
    const out = backend.output(p.shape, "int32");
    const kernel = x.dtype === "float32" ? `arg_${op}` : `arg_i32_${op}`;
    if (sizeOf(p.shape) > 0)
      backend.call(kernel, p.outer * p.n * p.inner * 8, p.outer, p.n, p.inner, p.x, out);
    backend.free(p.x);
    return out;
  });
}

function rows(backend: EngineBackend, op: string, x: TensorInfo): TensorInfo {
  const floats = cast(backend, x, "float32");
  const n = x.shape[x.shape.length - 1] ?? 1;
  const size = sizeOf(x.shape);
  const out = backend.output(x.shape, "float32");
  if (size > 0) backend.call(op, size * 40, size / n, n, floats, out);
  backend.free(floats);
  return out;
}
defineKernel<{ logits: TensorInfo }, { dim: number }>("Softmax", (backend, { logits }) =>
  rows(backend, "softmax", logits),
);
defineKernel<{ logits: TensorInfo }, { axis: number }>("LogSoftmax", (backend, { logits }, { axis }) => {
  const rank = logits.shape.length;
  if (axis !== -1 && axis !== rank - 1) return runOnCpu("LogSoftmax", backend, { logits }, { axis });
  return rows(backend, "log_softmax", logits);
});

for (const [name, op] of [
  ["Cumsum", "cumsum"],
  ["Cumprod", "cumprod"],
] as const) {
  defineKernel<{ x: TensorInfo }, { axis: number; exclusive: boolean; reverse: boolean }>(
    name,
    (backend, { x }, { axis, exclusive = false, reverse = false }) => {
      const kernel = x.dtype === "float32" ? op : x.dtype === "int32" ? `i32_${op}` : undefined;
      if (kernel === undefined) return runOnCpu(name, backend, { x }, { axis, exclusive, reverse });
      const at = tf.util.parseAxisParam(axis, x.shape)[0]!;
      const n = x.shape[at]!;
      const inner = sizeOf(x.shape.slice(at + 1));
      const size = sizeOf(x.shape);
      const out = backend.output(x.shape, x.dtype);
      if (size > 0) backend.call(kernel, size * 8, size / n / inner, n, inner, x, out, exclusive, reverse);
      return out;
    },
  );
}

export { fill };
