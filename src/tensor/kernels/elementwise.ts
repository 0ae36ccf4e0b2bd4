/** Unary and binary operations with broadcasting. Types that C++ does not cover run the tfjs CPU kernel. */
import { type DataType, type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { runOnCpu } from "./fallback.ts";
import { type Attributes, defineKernel } from "./register.ts";
import { cast, typePrefix } from "./structure.ts";

/**
 * Loop plan of a broadcast: sizes and element strides of both operands, neighbouring dimensions merged where both
 * operands run on.
 */
export function broadcastPlan(a: readonly number[], b: readonly number[], out: readonly number[]): number[] {
  const sizes: number[] = [];
  const sa: number[] = [];
  const sb: number[] = [];
  let stepA = 1;
  let stepB = 1;
  for (let i = 1; i <= out.length; i++) {
    const size = out[out.length - i]!;
    const da = a[a.length - i] ?? 1;
    const db = b[b.length - i] ?? 1;
    const strideA = da === 1 ? 0 : stepA;
    const strideB = db === 1 ? 0 : stepB;
    stepA *= da;
    stepB *= db;
    if (size === 1) continue;
    const last = sizes.length - 1;
    if (last >= 0 && strideA === sa[last]! * sizes[last]! && strideB === sb[last]! * sizes[last]!) {
      sizes[last] = sizes[last]! * size;
    } else {
      sizes.push(size);
      sa.push(strideA);
      sb.push(strideB);
    }
  }
  if (sizes.length === 0) return [1, 1, 0, 0];
  return [sizes.length, ...sizes.reverse(), ...sa.reverse(), ...sb.reverse()];
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Runs the C++ op `op` on a and b (types as the op wants them). */
export function binary(
  backend: EngineBackend,
  op: string,
  a: TensorInfo,
  b: TensorInfo,
  dtype: DataType,
  cost = 8,
): TensorInfo {
  if (sameShape(a.shape, b.shape)) {
    const out = backend.output(a.shape, dtype);
    const n = sizeOf(a.shape);
    if (n > 0) backend.call(op, n * cost, 1, n, 1, 1, a, b, out);
    return out;
  }
  const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const out = backend.output(shape, dtype);
  const n = sizeOf(shape);
  if (n > 0) backend.call(op, n * cost, ...broadcastPlan(a.shape, b.shape, shape), a, b, out);
  return out;
}

/** sum += x, both float32 and of one shape. */
export function addInPlace(backend: EngineBackend, sum: TensorInfo, x: TensorInfo): void {
  const n = sizeOf(sum.shape);
  if (n > 0) backend.call("f32_add", n * 8, 1, n, 1, 1, sum, x, sum);
}

type Pair = { a: TensorInfo; b: TensorInfo };

/** Kernels of two tensors of one type, with the types they have C++ for. */
const ARITHMETIC: Record<string, { op: string; types: string[]; cost?: number; out?: DataType }> = {
  Add: { op: "add", types: ["f32", "i32"] },
  Sub: { op: "sub", types: ["f32", "i32"] },
  Multiply: { op: "mul", types: ["f32", "i32"] },
  RealDiv: { op: "div", types: ["f32", "i32"] },
  Maximum: { op: "max", types: ["f32", "i32"] },
  Minimum: { op: "min", types: ["f32", "i32"] },
  SquaredDifference: { op: "sqdiff", types: ["f32", "i32"] },
  Pow: { op: "pow", types: ["f32", "i32"], cost: 100 },
  Mod: { op: "mod", types: ["f32", "i32"], cost: 50 },
  FloorDiv: { op: "floordiv", types: ["f32", "i32"], cost: 20, out: "int32" },
  Atan2: { op: "atan2", types: ["f32"], cost: 100 },
};
for (const [name, { op, types, cost, out }] of Object.entries(ARITHMETIC)) {
  defineKernel<Pair>(name, (backend, { a, b }) => {
    const prefix = typePrefix(a.dtype);
    if (a.dtype !== b.dtype || prefix === undefined || !types.includes(prefix))
      return runOnCpu(name, backend, { a, b }, {});
    return binary(backend, `${prefix}_${op}`, a, b, out ?? a.dtype, cost);
  });
}

for (const [name, op] of Object.entries({
  Equal: "equal",
  NotEqual: "notequal",
  Greater: "greater",
  GreaterEqual: "greaterequal",
  Less: "less",
  LessEqual: "lessequal",
})) {
  defineKernel<Pair>(name, (backend, { a, b }) => {
    const prefix = typePrefix(a.dtype);
    if (a.dtype !== b.dtype || prefix === undefined) return runOnCpu(name, backend, { a, b }, {});
    return binary(backend, `${prefix}_${op}`, a, b, "bool");
  });
}
for (const [name, op] of Object.entries({ LogicalAnd: "u8_and", LogicalOr: "u8_or" })) {
  defineKernel<Pair>(name, (backend, { a, b }) =>
    a.dtype === "bool" && b.dtype === "bool"
      ? binary(backend, op, a, b, "bool")
      : runOnCpu(name, backend, { a, b }, {}),
  );
}
defineKernel<{ x: TensorInfo; alpha: TensorInfo }>("Prelu", (backend, { x, alpha }) =>
  x.dtype === "float32" && alpha.dtype === "float32"
    ? binary(backend, "f32_prelu", x, alpha, "float32")
    : runOnCpu("Prelu", backend, { x, alpha }, {}),
);
defineKernel<{ dy: TensorInfo; y: TensorInfo }>("EluGrad", (backend, { dy, y }) =>
  binary(backend, "f32_elugrad", dy, y, "float32"),
);

/** Runs a unary C++ op with two optional parameters. */
export function unary(
  backend: EngineBackend,
  op: string,
  x: TensorInfo,
  dtype = x.dtype,
  p = 0,
  q = 0,
  cost = 30,
): TensorInfo {
  const out = backend.output(x.shape, dtype);
  const n = sizeOf(x.shape);
  if (n > 0) backend.call(op, n * cost, n, x, out, p, q);
  return out;
}

interface UnaryKernel {
  op: string;
  /** The op for int32, where C++ has one. */
  ints?: string;
  out?: DataType;
  cost?: number;
  parameters?: (attrs: Attributes) => [number, number];
}
const math = (op: string): UnaryKernel => ({ op: `unary_${op}`, cost: 60 });
const UNARY: Record<string, UnaryKernel> = {
  Neg: { op: "unary_neg", ints: "unary_i32_neg", cost: 8 },
  Abs: { op: "unary_abs", ints: "unary_i32_abs", cost: 8 },
  Square: { op: "unary_square", ints: "unary_i32_square", cost: 8 },
  Sign: { op: "unary_sign", ints: "unary_i32_sign", cost: 8 },
  Relu: { op: "unary_relu", ints: "unary_i32_relu", cost: 8 },
  ClipByValue: {
    op: "unary_clip",
    ints: "unary_i32_clip",
    cost: 8,
    parameters: (attrs) => [attrs["clipValueMin"] as number, attrs["clipValueMax"] as number],
  },
  Exp: { op: "unary_exp" },
  Log: { op: "unary_log" },
  Sqrt: { op: "unary_sqrt" },
  Rsqrt: { op: "unary_rsqrt" },
  Tanh: { op: "unary_tanh" },
  Sigmoid: { op: "unary_sigmoid" },
  Erf: { op: "unary_erf" },
  Relu6: { op: "unary_relu6", cost: 8 },
  LeakyRelu: { op: "unary_leakyrelu", cost: 8, parameters: (attrs) => [attrs["alpha"] as number, 0] },
  Elu: { op: "unary_elu" },
  Selu: { op: "unary_selu" },
  Softplus: { op: "unary_softplus" },
  Reciprocal: { op: "unary_reciprocal" },
  Floor: { op: "unary_floor", cost: 8 },
  Ceil: { op: "unary_ceil", cost: 8 },
  Round: { op: "unary_round", cost: 8 },
  Step: { op: "unary_step", cost: 8, parameters: (attrs) => [attrs["alpha"] as number, 0] },
  Sin: math("sin"),
  Cos: math("cos"),
  Tan: math("tan"),
  Asin: math("asin"),
  Acos: math("acos"),
  Atan: math("atan"),
  Sinh: math("sinh"),
  Cosh: math("cosh"),
  Asinh: math("asinh"),
  Acosh: math("acosh"),
  Atanh: math("atanh"),
  Expm1: math("expm1"),
  Log1p: math("log1p"),
  IsNan: { op: "unary_isnan", out: "bool", cost: 8 },
  IsInf: { op: "unary_isinf", out: "bool", cost: 8 },
  IsFinite: { op: "unary_isfinite", out: "bool", cost: 8 },
};
for (const [name, { op, ints, out, cost, parameters }] of Object.entries(UNARY)) {
  defineKernel<{ x: TensorInfo }>(name, (backend, { x }, attrs) => {
    const [p, q] = parameters?.(attrs) ?? [0, 0];
    if (x.dtype === "float32") return unary(backend, op, x, out ?? "float32", p, q, cost);
    if (x.dtype === "int32" && ints !== undefined) return unary(backend, ints, x, "int32", p, q, cost);
    return runOnCpu(name, backend, { x }, attrs);
  });
}
defineKernel<{ x: TensorInfo }>("LogicalNot", (backend, { x }) =>
  x.dtype === "bool"
    ? unary(backend, "unary_not", x, "bool", 0, 0, 4)
    : runOnCpu("LogicalNot", backend, { x }, {}),
);

defineKernel<TensorInfo[]>("AddN", (backend, inputs) => {
  const first = inputs[0]!;
  if (inputs.some((x) => x.dtype !== "float32")) {
    return runOnCpu("AddN", backend, inputs as unknown as Record<string, TensorInfo>, {});
  }
  const n = sizeOf(first.shape);
  const out = backend.output(first.shape, "float32");
  if (n > 0) backend.call("add_n", n * inputs.length * 4, n, inputs.length, out, ...inputs);
  return out;
});

export { cast };
