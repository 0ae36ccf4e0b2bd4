/** Kernels that move elements: all are plans for the one strided copy of C++. */
import { bytesPerElement, type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { runOnCpu } from "./fallback.ts";
import { defineKernel } from "./register.ts";
import { fill, typePrefix } from "./structure.ts";

/** Element strides of a dense tensor. */
export function strides(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length);
  for (let i = shape.length - 1, step = 1; i >= 0; i--) {
    out[i] = step;
    step *= shape[i]!;
  }
  return out;
}

export interface CopyPlan {
  sizes: readonly number[];
  from: readonly number[];
  to: readonly number[];
  fromOffset?: number;
  toOffset?: number;
}

/** Copies a strided block of x into a strided block of out; strides and offsets in elements. */
export function copy(backend: EngineBackend, x: TensorInfo, out: TensorInfo, plan: CopyPlan): void {
  const sizes: number[] = [];
  const from: number[] = [];
  const to: number[] = [];
  let total = 1;
  for (let i = plan.sizes.length - 1; i >= 0; i--) {
    const size = plan.sizes[i]!;
    total *= size;
    if (size === 1) continue;
    const last = sizes.length - 1;
    // Dimensions that run on in both merge into one.
    if (last >= 0 && plan.from[i] === from[last]! * sizes[last]! && plan.to[i] === to[last]! * sizes[last]!) {
      sizes[last] = sizes[last]! * size;
    } else {
      sizes.push(size);
      from.push(plan.from[i]!);
      to.push(plan.to[i]!);
    }
  }
  if (total === 0) return;
  if (sizes.length === 0) {
    sizes.push(1);
    from.push(1);
    to.push(1);
  }
  backend.call(
    "copy",
    total * 4,
    bytesPerElement(x.dtype),
    sizes.length,
    ...sizes.reverse(),
    ...from.reverse(),
    ...to.reverse(),
    x,
    plan.fromOffset ?? 0,
    out,
    plan.toOffset ?? 0,
  );
}

const plain = (x: TensorInfo): boolean => typePrefix(x.dtype) !== undefined;

export function transpose(backend: EngineBackend, x: TensorInfo, perm: readonly number[]): TensorInfo {
  const shape = perm.map((i) => x.shape[i]!);
  // Moving only dimensions of size 1 moves nothing.
  const moved = perm.filter((i) => x.shape[i] !== 1);
  if (moved.every((d, i) => i === 0 || moved[i - 1]! < d)) return backend.alias(x, shape);
  const out = backend.output(shape, x.dtype);
  const source = strides(x.shape);
  copy(backend, x, out, { sizes: shape, from: perm.map((i) => source[i]!), to: strides(shape) });
  return out;
}
defineKernel<{ x: TensorInfo }, { perm: number[] }>("Transpose", (backend, { x }, { perm }) =>
  plain(x) ? transpose(backend, x, perm) : runOnCpu("Transpose", backend, { x }, { perm }),
);

/** x[begin : begin + size] in every dimension. */
export function slice(
  backend: EngineBackend,
  x: TensorInfo,
  begin: readonly number[],
  size: readonly number[],
): TensorInfo {
  const out = backend.output(size, x.dtype);
  const from = strides(x.shape);
  const fromOffset = begin.reduce((sum, b, i) => sum + b * from[i]!, 0);
  copy(backend, x, out, { sizes: size, from, to: strides(size), fromOffset });
  return out;
}
defineKernel<{ x: TensorInfo }, { begin: number | number[]; size: number | number[] }>(
  "Slice",
  (backend, { x }, { begin, size }) => {
    if (!plain(x)) return runOnCpu("Slice", backend, { x }, { begin, size });
    const [start, length] = tf.slice_util.parseSliceParams(x as tf.Tensor, begin, size) as [
      number[],
      number[],
    ];
    tf.slice_util.assertParamsValid(x as tf.Tensor, start, length);
    return slice(backend, x, start, length);
  },
);

interface StridedSliceAttributes {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}
defineKernel<{ x: TensorInfo }, StridedSliceAttributes>("StridedSlice", (backend, { x }, attrs) => {
  if (!plain(x)) return runOnCpu("StridedSlice", backend, { x }, attrs as unknown as Record<string, unknown>);
  const info = tf.slice_util.sliceInfo(
    x.shape,
    attrs.begin,
    attrs.end,
    attrs.strides,
    attrs.beginMask,
    attrs.endMask,
    attrs.ellipsisMask,
    attrs.newAxisMask,
    attrs.shrinkAxisMask,
  );
  if (info.isIdentity) return backend.alias(x, info.finalShape);
  const sizes = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  const out = backend.output(sizes, x.dtype);
  const source = strides(x.shape);
  copy(backend, x, out, {
    sizes,
    from: source.map((s, i) => s * info.strides[i]!),
    to: strides(sizes),
    fromOffset: source.reduce((sum, s, i) => sum + s * info.begin[i]!, 0),
  });
  const shaped = backend.alias(out, info.finalShape);
  backend.free(out);
  return shaped;
});

/** From so many rows on, all parts go in one call, shared out by rows. */
const LEAST_ROWS = 8;
/** What an engine's call takes of parts. */
const MOST_PARTS = 1024;

/** Copies the whole's slices along an axis to the parts, or the parts into the whole. */
function moveParts(
  backend: EngineBackend,
  whole: TensorInfo,
  at: number,
  parts: readonly TensorInfo[],
  join: boolean,
): void {
  const rows = sizeOf(whole.shape.slice(0, at));
  if (sizeOf(whole.shape) === 0) return;
  const isOneType = parts.every(({ dtype }) => dtype === whole.dtype);
  if (isOneType && rows >= LEAST_ROWS && parts.length <= MOST_PARTS) {
    backend.call(
      "part_rows",
      sizeOf(whole.shape) * 4,
      bytesPerElement(whole.dtype),
      rows,
      parts.length,
      join,
      whole,
      ...parts.flatMap((part) => [sizeOf(part.shape) / rows, part]),
    );
    return;
  }
  const ofWhole = strides(whole.shape);
  let offset = 0;
  for (const part of parts) {
    const ofPart = strides(part.shape);
    if (join) copy(backend, part, whole, { sizes: part.shape, from: ofPart, to: ofWhole, toOffset: offset });
    else copy(backend, whole, part, { sizes: part.shape, from: ofWhole, to: ofPart, fromOffset: offset });
    offset += part.shape[at]! * ofWhole[at]!;
  }
}

defineKernel<TensorInfo[], { axis: number }>("Concat", (backend, inputs, { axis }) => {
  const all = inputs as TensorInfo[];
  if (!all.every(plain))
    return runOnCpu("Concat", backend, all as unknown as Record<string, TensorInfo>, { axis });
  const at = tf.util.parseAxisParam(axis, all[0]!.shape)[0]!;
  tf.backend_util.assertParamsConsistent(
    all.map((t) => t.shape),
    at,
  );
  const shape = tf.backend_util.computeOutShape(
    all.map((t) => t.shape),
    at,
  );
  const parts = all.filter((t) => sizeOf(t.shape) > 0);
  if (parts.length === 1) return backend.alias(parts[0]!, shape);
  const out = backend.output(shape, all[0]!.dtype);
  moveParts(backend, out, at, parts, true);
  return out;
});

defineKernel<{ x: TensorInfo }, { numOrSizeSplits: number | number[]; axis: number }>(
  "SplitV",
  (backend, { x }, { numOrSizeSplits, axis }) => {
    const at = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, numOrSizeSplits, at);
    if (sizes.some((size) => size < 0)) {
      throw new RangeError(
        `Cannot split axis ${at} of [${x.shape}] as no part may be smaller than 0: got [${sizes}]. Give sizes that add up to ${x.shape[at]}.`,
      );
    }
    const shapes = sizes.map((size) => [...x.shape.slice(0, at), size, ...x.shape.slice(at + 1)]);
    if (plain(x)) {
      const parts = shapes.map((shape) => backend.output(shape, x.dtype));
      moveParts(backend, x, at, parts, false);
      return parts;
    }
    const begin = new Array<number>(x.shape.length).fill(0);
    return shapes.map((size) => {
      const part = runOnCpu("Slice", backend, { x }, { begin: begin.slice(), size }) as TensorInfo;
      begin[at] = begin[at]! + size[at]!;
      return part;
    });
  },
);

defineKernel<TensorInfo[], { axis: number }>("Pack", (backend, inputs, { axis }) => {
  const all = inputs as TensorInfo[];
  if (!all.every(plain))
    return runOnCpu("Pack", backend, all as unknown as Record<string, TensorInfo>, { axis });
  const first = all[0]!;
  for (const t of all) {
    tf.util.assertShapesMatch(first.shape, t.shape, "All tensors passed to stack must have matching shapes");
    if (t.dtype !== first.dtype) throw new Error("All tensors passed to stack must have matching dtypes");
  }
  const at = axis < 0 ? first.shape.length + 1 + axis : axis;
  const shape = [...first.shape.slice(0, at), all.length, ...first.shape.slice(at)];
  const out = backend.output(shape, first.dtype);
  const to = strides(shape);
  const rest = to.filter((_, i) => i !== at);
  all.forEach((t, i) => {
    copy(backend, t, out, { sizes: t.shape, from: strides(t.shape), to: rest, toOffset: i * to[at]! });
  });
  return out;
});

defineKernel<{ value: TensorInfo }, { axis: number }>("Unpack", (backend, { value }, { axis }) => {
  if (!plain(value)) return runOnCpu("Unpack", backend, { value }, { axis });
  const at = axis < 0 ? value.shape.length + axis : axis;
  const shape = value.shape.filter((_, i) => i !== at);
  const source = strides(value.shape);
  const from = source.filter((_, i) => i !== at);
  return Array.from({ length: value.shape[at]! }, (_, i) => {
    const out = backend.output(shape, value.dtype);
    copy(backend, value, out, { sizes: shape, from, to: strides(shape), fromOffset: i * source[at]! });
    return out;
  });
});

defineKernel<{ x: TensorInfo }, { paddings: [number, number][]; constantValue: number }>(
  "PadV2",
  (backend, { x }, { paddings, constantValue = 0 }) => {
    if (!plain(x)) return runOnCpu("PadV2", backend, { x }, { paddings, constantValue });
    const shape = x.shape.map((d, i) => d + paddings[i]![0] + paddings[i]![1]);
    const out = fill(backend, shape, x.dtype, constantValue);
    const to = strides(shape);
    const toOffset = paddings.reduce((sum, [before], i) => sum + before * to[i]!, 0);
    copy(backend, x, out, { sizes: x.shape, from: strides(x.shape), to, toOffset });
    return out;
  },
);

defineKernel<{ x: TensorInfo }, { reps: number[] }>("Tile", (backend, { x }, { reps }) => {
  if (!plain(x)) return runOnCpu("Tile", backend, { x }, { reps });
  const shape = x.shape.map((d, i) => d * reps[i]!);
  const out = backend.output(shape, x.dtype);
  const source = strides(x.shape);
  const target = strides(shape);
  // Every dimension becomes (repetition, position); a repetition does not move the source.
  copy(backend, x, out, {
    sizes: x.shape.flatMap((d, i) => [reps[i]!, d]),
    from: source.flatMap((s) => [0, s]),
    to: target.flatMap((s, i) => [s * x.shape[i]!, s]),
  });
  return out;
});

defineKernel<{ x: TensorInfo }, { dims: number[] }>("Reverse", (backend, { x }, { dims }) => {
  if (!plain(x)) return runOnCpu("Reverse", backend, { x }, { dims });
  const axes = tf.util.parseAxisParam(dims, x.shape);
  const source = strides(x.shape);
  const out = backend.output(x.shape, x.dtype);
  const turned = (i: number) => axes.includes(i);
  copy(backend, x, out, {
    sizes: x.shape,
    from: source.map((s, i) => (turned(i) ? -s : s)),
    to: source,
    fromOffset: source.reduce((sum, s, i) => sum + (turned(i) ? s * (x.shape[i]! - 1) : 0), 0),
  });
  return out;
});

/** x repeated to `shape` as broadcasting would. */
export function broadcastTo(backend: EngineBackend, x: TensorInfo, shape: readonly number[]): TensorInfo {
  const out = backend.output(shape, x.dtype);
  const source = strides(x.shape);
  const lead = shape.length - x.shape.length;
  const from = shape.map((_, i) => (i < lead || x.shape[i - lead] === 1 ? 0 : source[i - lead]!));
  copy(backend, x, out, { sizes: shape, from, to: strides(shape) });
  return out;
}
