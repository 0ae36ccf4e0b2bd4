/** Kernels that only re-label memory. */
import type { TensorInfo } from "../backend.ts";
import { defineKernel } from "./register.ts";

defineKernel<{ x: TensorInfo }>("Identity", (backend, { x }) => backend.alias(x));
defineKernel<{ x: TensorInfo }, { shape: number[] }>("Reshape", (backend, { x }, { shape }) => {
  const size = x.shape.reduce((a, b) => a * b, 1);
  const known = shape.reduce((a, b) => (b === -1 ? a : a * b), 1);
  return backend.alias(
    x,
    shape.map((d) => (d === -1 ? size / known : d)),
  );
});
