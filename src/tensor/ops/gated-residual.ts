/** The gated residual of adaLN blocks (Peebles & Xie 2212.09748): x + gate * y with one gate row per chunk. */
import { sizeOf, type TensorInfo } from "../backend.ts";
import { defineKernel } from "../kernels/register.ts";
import type { Tensor } from "../tf.ts";
import { hasKernel, require, runFused, together, withGradient } from "./fused.ts";
import { perChunk, requirePerChunk } from "./per-chunk.ts";

/** The residual in plain tf ops. */
export function gatedResidualComposition(x: Tensor, y: Tensor, gate: Tensor): Tensor {
  return x.add(perChunk(y, gate.shape[1]!).mul(gate.expandDims(2)).reshape(x.shape));
}

/**
 * x + gate * y.
 * @param x [B, S, D]
 * @param y [B, S, D]
 * @param gate [B, C, D]: row c serves the S/C tokens of chunk c
 */
export function gatedResidual(x: Tensor, y: Tensor, gate: Tensor): Tensor {
  requirePerChunk("gate", x, { gate });
  require(y.rank === 3 && y.shape.every((n, i) => n === x.shape[i]), () =>
    `Cannot add a gated residual as y must have the shape of x [${x.shape}]: got [${y.shape}].`);
  if (!hasKernel("Fused.GatedResidual")) return gatedResidualComposition(x, y, gate);
  return withGradient(
    { x, y, gate },
    (save) => {
      save([y, gate]);
      return runFused("Fused.GatedResidual", { x, y, gate })[0]!;
    },
    (dy, [y0, gate0]) => {
      const both = together(() => runFused("Fused.GatedResidualGrad", { y: y0!, gate: gate0!, dy }));
      return { x: () => dy.clone(), y: both(0), gate: both(1) };
    },
  );
}

function rowsOf(x: TensorInfo, gate: TensorInfo): [rows: number, width: number, per: number] {
  const width = x.shape[2]!;
  const rows = x.shape[0]! * x.shape[1]!;
  return [rows, width, rows / (gate.shape[0]! * gate.shape[1]!)];
}

defineKernel<{ x: TensorInfo; y: TensorInfo; gate: TensorInfo }>(
  "Fused.GatedResidual",
  (backend, { x, y, gate }) => {
    const out = backend.output(x.shape, "float32");
    const size = sizeOf(x.shape);
    if (size > 0) backend.call("gated_residual", 8 * size, ...rowsOf(x, gate), x, y, gate, out);
    return out;
  },
);

defineKernel<{ y: TensorInfo; gate: TensorInfo; dy: TensorInfo }>(
  "Fused.GatedResidualGrad",
  (backend, { y, gate, dy }) => {
    const out = backend.output(y.shape, "float32");
    const dGate = backend.output(gate.shape, "float32");
    const size = sizeOf(y.shape);
    if (size > 0) backend.call("gated_residual_grad", 12 * size, ...rowsOf(y, gate), y, gate, dy, out, dGate);
    return [out, dGate];
  },
);
