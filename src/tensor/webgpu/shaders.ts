/** All that we register on tfjs's WebGPU backend: mended kernels, and WGSL under the names that the fused ops ask for. */
import { registerActivation } from "./activation.ts";
import { registerNorm } from "./norm.ts";
import { registerPackedBf16 } from "./packed-bf16.ts";
import { mendKernels } from "./repairs.ts";
import { registerTrigonometry } from "./trigonometry.ts";

export function registerShaders(): void {
  mendKernels();
  registerTrigonometry();
  registerActivation();
  registerNorm();
  registerPackedBf16();
}
