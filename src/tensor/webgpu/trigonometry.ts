/**
 * Sine and cosine in WGSL. The language promises an absolute error of 2^-11 within [-pi, pi] and nothing beyond, where the
 * embedding of time goes (angles up to 1000). Here as in Cephes' sinf: the angle is reduced to [-pi/4, pi/4] in three steps
 * (Cody & Waite), then a polynomial; error below 2e-7 up to angles of 8192.
 */
import { tf } from "../tf.ts";
import { defineShader } from "./define.ts";
import { elementwise } from "./program.ts";

const FUNCTIONS = `
  fn sineOf(r : f32) -> f32 {
    let z = r * r;
    return ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * r + r;
  }
  fn cosineOf(r : f32) -> f32 {
    let z = r * r;
    return ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
  }
  // The sine of x + quarters * pi / 2.
  fn turned(x : f32, quarters : i32) -> f32 {
    let n = round(x * 0.6366197723675814);
    let r = ((x - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.54978995489188216e-8;
    let q = (i32(n) + quarters) & 3;
    let value = select(sineOf(r), cosineOf(r), (q & 1) == 1);
    return select(value, -value, q > 1);
  }`;

export function registerTrigonometry(): void {
  for (const [kernelName, quarters] of [
    ["Sin", 0],
    ["Cos", 1],
  ] as const) {
    tf.unregisterKernel(kernelName, "webgpu");
    defineShader<"x">(kernelName, (backend, { x }) => {
      const shader = elementwise(`trigonometry ${quarters}`, ["x"], x.shape, {
        functions: FUNCTIONS,
        expression: `turned(x_, ${quarters})`,
      });
      return backend.runWebGPUProgram(shader, [x], "float32");
    });
  }
}
