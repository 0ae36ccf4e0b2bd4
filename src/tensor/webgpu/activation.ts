/** GELU (tanh form) and SiLU in WGSL, with their gradients: `Fused.Activation`, `Fused.ActivationGrad` of `ops/activation.ts`. */
import type { Activation } from "../ops/activation.ts";
import { defineShader } from "./define.ts";
import { elementwise } from "./program.ts";

/** Arguments are held where the functions are constant in float32: WGSL may assume that nothing overflows. */
const FUNCTIONS: Readonly<Record<Activation, string>> = {
  gelu: `
  fn inner(x : f32) -> f32 {
    return tanh(clamp(0.7978845608028654 * (x + 0.044715 * x * x * x), -10.0, 10.0));
  }
  fn act(x : f32) -> f32 { return 0.5 * x * (1.0 + inner(clamp(x, -1e6, 1e6))); }
  fn slope(x : f32) -> f32 {
    let v = clamp(x, -1e6, 1e6);
    let t = inner(v);
    return 0.5 * (1.0 + t) + 0.5 * v * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * v * v);
  }`,
  silu: `
  fn gate(x : f32) -> f32 { return 1.0 / (1.0 + exp(clamp(-x, -80.0, 80.0))); }
  fn act(x : f32) -> f32 { return x * gate(x); }
  fn slope(x : f32) -> f32 {
    let s = gate(x);
    return s * (1.0 + x * (1.0 - s));
  }`,
};

export function registerActivation(): void {
  defineShader<"x", { activation: Activation }>("Fused.Activation", (backend, { x }, { activation }) =>
    backend.runWebGPUProgram(
      elementwise(activation, ["x"], x.shape, { functions: FUNCTIONS[activation], expression: "act(x_)" }),
      [x],
      "float32",
    ),
  );
  defineShader<"x" | "dy", { activation: Activation }>(
    "Fused.ActivationGrad",
    (backend, { x, dy }, { activation }) =>
      backend.runWebGPUProgram(
        elementwise(`${activation} slope`, ["x", "dy"], x.shape, {
          functions: FUNCTIONS[activation],
          expression: "dy_ * slope(x_)",
        }),
        [x, dy],
        "float32",
      ),
  );
}
