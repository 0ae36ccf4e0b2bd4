/** The gated residual of adaLN blocks (Peebles & Xie 2212.09748): x + gate * y with one gate row per chunk. */
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
