/** Kernels that follow an index tensor: gather, scatter, segments, one-hot, top-k. */
import { bytesPerElement, type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { runOnCpu } from "./fallback.ts";
import { strides } from "./movement.ts";
import { defineKernel } from "./register.ts";
import { bitsOf, cast, fill, typePrefix } from "./structure.ts";

/** Index tensors may come as float (tfjs allows it): int32 of them, to be freed. */
const indices = (backend: EngineBackend, x: TensorInfo): TensorInfo => cast(backend, x, "int32");

defineKernel<{ x: TensorInfo; indices: TensorInfo }, { axis: number; batchDims: number }>(
  "GatherV2",
  (backend, inputs, { axis, batchDims = 0 }) => {
    const { x } = inputs;
    if (typePrefix(x.dtype) === undefined) return runOnCpu("GatherV2", backend, inputs, { axis, batchDims });
    const at = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const ids = indices(backend, inputs.indices);
    const limit = x.shape[at]!;
    for (const id of backend.peek(ids)) {
      if (id < 0 || id >= limit) {
        backend.free(ids);
        throw new RangeError(
          `Cannot gather as indices must be in [0, ${limit - 1}]: got ${id}. Clip or check them first.`,
        );
      }
    }
    const info = tf.backend_util.segment_util.collectGatherOpShapeInfo(
      x as tf.Tensor,
      inputs.indices as tf.Tensor,
      at,
      batchDims,
    );
    const out = backend.output(info.outputShape, x.dtype);
    const size = sizeOf(info.outputShape);
    const count = sizeOf(inputs.indices.shape) / info.batchSize;
    if (size > 0) {
      backend.call(
        "gather",
        size * 4,
        bytesPerElement(x.dtype),
        info.batchSize,
        info.outerSize,
        limit,
        info.sliceSize,
        count,
        x,
        ids,
        out,
      );
    }
    backend.free(ids);
    return out;
  },
);

defineKernel<{ x: TensorInfo; segmentIds: TensorInfo }, { numSegments: number }>(
  "UnsortedSegmentSum",
  (backend, { x, segmentIds }, { numSegments }) => {
    const op = x.dtype === "float32" ? "segment_sum" : x.dtype === "int32" ? "i32_segment_sum" : undefined;
    if (op === undefined) return runOnCpu("UnsortedSegmentSum", backend, { x, segmentIds }, { numSegments });
    const rows = sizeOf(segmentIds.shape);
    const inner = sizeOf(x.shape.slice(segmentIds.shape.length));
    const out = backend.output([numSegments, ...x.shape.slice(segmentIds.shape.length)], x.dtype);
    const ids = indices(backend, segmentIds);
    if (sizeOf(out.shape) > 0) {
      backend.call(op, rows * inner * 4, rows, inner, numSegments, x, ids, out);
    }
    backend.free(ids);
    return out;
  },
);

defineKernel<
  { indices: TensorInfo },
  { dtype: tf.DataType; depth: number; onValue: number; offValue: number }
>("OneHot", (backend, inputs, { dtype = "int32", depth, onValue, offValue }) => {
  const out = backend.output([...inputs.indices.shape, depth], dtype);
  const n = sizeOf(inputs.indices.shape);
  const ids = indices(backend, inputs.indices);
  if (n * depth > 0) {
    backend.call(
      "one_hot",
      n * depth * 4,
      n,
      depth,
      bitsOf(onValue, dtype),
      bitsOf(offValue, dtype),
      ids,
      out,
      bytesPerElement(dtype),
    );
  }
  backend.free(ids);
  return out;
});

defineKernel<{ x: TensorInfo }, { k: number; sorted: boolean }>("TopK", (backend, { x }, { k, sorted }) => {
  if (x.dtype !== "float32" && x.dtype !== "int32") return runOnCpu("TopK", backend, { x }, { k, sorted });
  const n = x.shape[x.shape.length - 1]!;
  const shape = [...x.shape.slice(0, -1), k];
  const values = backend.output(shape, x.dtype);
  const ids = backend.output(shape, "int32");
  const rows = sizeOf(x.shape.slice(0, -1));
  if (rows * k > 0) {
    backend.call(x.dtype === "float32" ? "top_k" : "i32_top_k", rows * n * 20, rows, n, k, x, values, ids);
  }
  return [values, ids];
});

defineKernel<{ params: TensorInfo; indices: TensorInfo }>(
  "GatherNd",
  (backend, { params, indices: index }) => {
    if (bytesPerElement(params.dtype) !== 4 || typePrefix(params.dtype) === undefined) {
      return runOnCpu("GatherNd", backend, { params, indices: index }, {});
    }
    const depth = index.shape[index.shape.length - 1]!;
    const inner = sizeOf(params.shape.slice(depth));
    const rows = sizeOf(index.shape.slice(0, -1));
    const out = backend.output([...index.shape.slice(0, -1), ...params.shape.slice(depth)], params.dtype);
    const steps = Int32Array.from(strides(params.shape.slice(0, depth)));
    const ids = indices(backend, index);
    checkRows(backend, "gather", ids, params.shape.slice(0, depth));
    const limit = sizeOf(params.shape.slice(0, depth));
    if (rows * inner > 0)
      backend.call("gather_nd", rows * inner * 4, rows, depth, inner, limit, ids, steps, params, out);
    backend.free(ids);
    return out;
  },
);

defineKernel<{ indices: TensorInfo; updates: TensorInfo }, { shape: number[] }>(
  "ScatterNd",
  (backend, { indices: index, updates }, { shape }) => {
    const op =
      updates.dtype === "float32" ? "scatter_nd" : updates.dtype === "int32" ? "i32_scatter_nd" : undefined;
    const depth = index.shape.length < 1 ? 1 : index.shape[index.shape.length - 1]!;
    if (op === undefined || depth > shape.length || index.shape.length < 2) {
      return runOnCpu("ScatterNd", backend, { indices: index, updates }, { shape });
    }
    const inner = sizeOf(shape.slice(depth));
    const rows = sizeOf(index.shape.slice(0, -1));
    const ids = indices(backend, index);
    checkRows(backend, "scatter", ids, shape.slice(0, depth));
    const out = fill(backend, shape, updates.dtype, 0);
    const steps = Int32Array.from(strides(shape.slice(0, depth)));
    const limit = sizeOf(shape.slice(0, depth));
    if (rows * inner > 0)
      backend.call(op, rows * inner * 4, rows, depth, inner, limit, ids, steps, updates, out);
    backend.free(ids);
    return out;
  },
);

/** Every index of every row must lie in its dimension. */
function checkRows(backend: EngineBackend, verb: string, ids: TensorInfo, limits: readonly number[]): void {
  const values = backend.peek(ids);
  for (let i = 0; i < values.length; i++) {
    const d = i % limits.length;
    if (values[i]! < 0 || values[i]! >= limits[d]!) {
      const bad = values[i]!;
      backend.free(ids);
      throw new RangeError(
        `Cannot ${verb} as index ${d} of a row must be in [0, ${limits[d]! - 1}]: got ${bad}. Clip or check the indices first.`,
      );
    }
  }
}
