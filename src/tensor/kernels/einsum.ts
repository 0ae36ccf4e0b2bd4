/**
 * Einsum of one or two tensors as transpositions around one batched matrix product. (The tfjs CPU kernel multiplies
 * elementwise over all indices: memory grows with their product.)
 */
import { type EngineBackend, sizeOf, type TensorInfo } from "../backend.ts";
import { tf } from "../tf.ts";
import { matMul } from "./matmul.ts";
import { transpose } from "./movement.ts";
import { sum } from "./reduce.ts";
import { defineKernel } from "./register.ts";
import { cast } from "./structure.ts";

/** "ab,bc->ac" as lists of letters. */
export interface Subscripts {
  inputs: string[][];
  output: string[];
}

export function parseEinsum(equation: string, count: number): Subscripts {
  // Throws what tfjs throws for a bad equation.
  tf.backend_util.decodeEinsumEquation(equation, count);
  const [left, right] = equation.replace(/\s/g, "").split("->") as [string, string];
  return { inputs: left.split(",").map((part) => [...part]), output: [...right] };
}

/** A tensor whose dimensions carry letters; owned, to be freed. */
interface Lettered {
  x: TensorInfo;
  letters: string[];
}

/** Sums over letters that are not in `keep`. */
function sumOthers(
  backend: EngineBackend,
  { x, letters }: Lettered,
  keep: (letter: string) => boolean,
): Lettered {
  const axes = letters.flatMap((letter, i) => (keep(letter) ? [] : [i]));
  if (axes.length === 0) return { x, letters };
  const summed = sum(backend, x, axes);
  backend.free(x);
  return { x: summed, letters: letters.filter(keep) };
}

function order(backend: EngineBackend, { x, letters }: Lettered, wanted: string[]): TensorInfo {
  const moved = transpose(
    backend,
    x,
    wanted.map((letter) => letters.indexOf(letter)),
  );
  backend.free(x);
  return moved;
}

function reshape(backend: EngineBackend, x: TensorInfo, shape: number[]): TensorInfo {
  const shaped = backend.alias(x, shape);
  backend.free(x);
  return shaped;
}

defineKernel<TensorInfo[], { equation: string }>("Einsum", (backend, inputs, { equation }) => {
  const tensors = inputs as TensorInfo[];
  const { inputs: subscripts, output } = parseEinsum(equation, tensors.length);
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
  const parts = tensors.map((t, i) => ({ x: cast(backend, t, "float32"), letters: subscripts[i]! }));
  if (parts.length === 1) {
    const rest = sumOthers(backend, parts[0]!, (letter) => output.includes(letter));
    return order(backend, rest, output);
  }
  const a = sumOthers(backend, parts[0]!, (l) => output.includes(l) || subscripts[1]!.includes(l));
  const b = sumOthers(backend, parts[1]!, (l) => output.includes(l) || subscripts[0]!.includes(l));
  const both = a.letters.filter((l) => b.letters.includes(l));
  const batch = both.filter((l) => output.includes(l));
  const inner = both.filter((l) => !output.includes(l));
  const rows = a.letters.filter((l) => !both.includes(l));
  const columns = b.letters.filter((l) => !both.includes(l));
  const size = new Map<string, number>();
  for (const part of [a, b]) {
    part.letters.forEach((letter, i) => {
      size.set(letter, part.x.shape[i]!);
    });
  }
  const product = (letters: string[]) => sizeOf(letters.map((l) => size.get(l)!));
  const left = reshape(backend, order(backend, a, [...batch, ...rows, ...inner]), [
    product(batch),
    product(rows),
    product(inner),
  ]);
  const right = reshape(backend, order(backend, b, [...batch, ...inner, ...columns]), [
    product(batch),
    product(inner),
    product(columns),
  ]);
  const out = matMul(backend, left, right);
  backend.free(left, right);
  const letters = [...batch, ...rows, ...columns];
  const full = reshape(
    backend,
    out,
    letters.map((l) => size.get(l)!),
  );
  return order(backend, { x: full, letters }, output);
});
