/**
 * Gradients that tfjs 4.22 lacks, in plain tf ops, so that they serve every backend: Einsum, TopK (values), GatherNd,
 * ScatterNd, StridedSlice; and zero gradients of ops that are constant almost everywhere (comparisons), without which
 * `where(greater(x, 0), ...)` cannot be differentiated.
 */
import { type Tensor, tf } from "../tf.ts";
import { parseEinsum } from "./einsum.ts";

tf.registerGradient({
  kernelName: "Einsum",
  saveAllInputs: true,
  gradFunc: (dy, saved, attrs) => {
    const { inputs, output } = parseEinsum(attrs["equation"] as string, saved.length);
    const gradient = (i: number): Tensor => {
      const mine = inputs[i]!;
      const others = inputs.filter((_, j) => j !== i);
      const reachable = mine.filter(
        (letter) => output.includes(letter) || others.some((o) => o.includes(letter)),
      );
      const equation = `${[output, ...others].map((l) => l.join("")).join(",")}->${reachable.join("")}`;
      const part = tf.einsum(equation, dy as Tensor, ...saved.filter((_, j) => j !== i));
      // A letter that only this input has was summed: its gradient is the same all along it.
      const shape = saved[i]!.shape;
      return tf.broadcastTo(part.reshape(shape.map((d, k) => (reachable.includes(mine[k]!) ? d : 1))), shape);
    };
    return Object.fromEntries(saved.map((_, i) => [i, () => gradient(i)]));
  },
});

tf.registerGradient({
  kernelName: "TopK",
  inputsToSave: ["x"],
  outputsToSave: [false, true],
  gradFunc: (dys, saved) => {
    const [x, indices] = saved as [Tensor, Tensor];
    const dy = (dys as Tensor[])[0]!;
    return {
      x: () => {
        const n = x.shape[x.shape.length - 1]!;
        const k = indices.shape[indices.shape.length - 1]!;
        const rows = x.size / n;
        const flat = tf.add(
          tf.mul(tf.range(0, rows, 1, "int32").reshape([rows, 1]), tf.scalar(n, "int32")),
          indices.reshape([rows, k]),
        );
        return tf
          .unsortedSegmentSum(
            dy.reshape([rows * k]),
            tf.cast(flat, "int32").reshape([rows * k]) as tf.Tensor1D,
            x.size,
          )
          .reshape(x.shape);
      },
    };
  },
});

tf.registerGradient({
  kernelName: "GatherNd",
  inputsToSave: ["params", "indices"],
  gradFunc: (dy, saved) => {
    const [params, indices] = saved as [Tensor, Tensor];
    return {
      params: () => tf.scatterND(indices as tf.Tensor, dy as Tensor, params.shape as number[]),
      indices: () => tf.zeros(indices.shape),
    };
  },
});

tf.registerGradient({
  kernelName: "ScatterNd",
  inputsToSave: ["indices"],
  gradFunc: (dy, saved) => {
    const [indices] = saved as [Tensor];
    return {
      updates: () => tf.gatherND(dy as Tensor, indices),
      indices: () => tf.zeros(indices.shape),
    };
  },
});

tf.registerGradient({
  kernelName: "StridedSlice",
  inputsToSave: ["x"],
  gradFunc: (dy, saved, attrs) => {
    const [x] = saved as [Tensor];
    return {
      x: () => {
        const a = attrs as unknown as Record<string, number[]> & Record<`${string}Mask`, number>;
        // Which element of x each element of the slice is: the same slice of 0, 1, 2, ...
        const positions = tf.stridedSlice(
          tf.range(0, x.size, 1, "int32").reshape(x.shape),
          a["begin"]!,
          a["end"]!,
          a["strides"]!,
          a["beginMask"] as unknown as number,
          a["endMask"] as unknown as number,
          a["ellipsisMask"] as unknown as number,
          a["newAxisMask"] as unknown as number,
          a["shrinkAxisMask"] as unknown as number,
        );
        return tf.unsortedSegmentSum((dy as Tensor).flatten(), positions.flatten(), x.size).reshape(x.shape);
      },
    };
  },
});

/** Sums over the dimensions that broadcasting added or stretched. */
function unbroadcast(gradient: Tensor, shape: number[]): Tensor {
  const axes = tf.broadcast_util.getReductionAxes(shape, gradient.shape);
  return (axes.length > 0 ? tf.sum(gradient, axes) : gradient).reshape(shape);
}
// tfjs has these, but they fail where a and b broadcast: the gradient keeps the shape of the result.
const PAIRS: Record<string, (a: Tensor, b: Tensor) => Tensor> = {
  Maximum: (a, b) => tf.greaterEqual(a, b),
  Minimum: (a, b) => tf.lessEqual(a, b),
};
for (const [kernelName, takesA] of Object.entries(PAIRS)) {
  tf.unregisterGradient(kernelName);
  tf.registerGradient({
    kernelName,
    inputsToSave: ["a", "b"],
    gradFunc: (dy, saved) => {
      const [a, b] = saved as [Tensor, Tensor];
      const share = () => tf.cast(takesA(a, b), "float32");
      return {
        a: () => unbroadcast(tf.mul(dy as Tensor, share()), a.shape),
        b: () => unbroadcast(tf.mul(dy as Tensor, tf.sub(1, share())), b.shape),
      };
    },
  });
}
tf.unregisterGradient("SquaredDifference");
tf.registerGradient({
  kernelName: "SquaredDifference",
  inputsToSave: ["a", "b"],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [Tensor, Tensor];
    const slope = () => tf.mul(dy as Tensor, tf.mul(2, tf.sub(a, b)));
    return { a: () => unbroadcast(slope(), a.shape), b: () => unbroadcast(tf.neg(slope()), b.shape) };
  },
});

// tfjs's fails for negative axes.
tf.unregisterGradient("Prod");
tf.registerGradient({
  kernelName: "Prod",
  inputsToSave: ["x"],
  gradFunc: (dy, saved, attrs) => {
    const [x] = saved as [Tensor];
    return {
      x: () => {
        const axes = tf.util.parseAxisParam(attrs["axis"] as number | number[], x.shape);
        const kept = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
        const order = [...kept, ...axes];
        const sizes = order.map((i) => x.shape[i]!);
        const n = axes.reduce((m, i) => m * x.shape[i]!, 1);
        const rows = tf.transpose(x, order).reshape([x.size / Math.max(n, 1), n]);
        // The product of all others: those before times those after.
        const others = tf.mul(tf.cumprod(rows, 1, true, false), tf.cumprod(rows, 1, true, true));
        const back = order.map((_, i) => order.indexOf(i));
        return tf.transpose(tf.mul(others, (dy as Tensor).reshape([-1, 1])).reshape(sizes), back);
      },
    };
  },
});

// tfjs's transposes the result for every axis but the last.
tf.unregisterGradient("Cumsum");
tf.registerGradient({
  kernelName: "Cumsum",
  gradFunc: (dy, _saved, attrs) => ({
    x: () =>
      tf.cumsum(dy as Tensor, attrs["axis"] as number, attrs["exclusive"] as boolean, !attrs["reverse"]),
  }),
});

const CONSTANT: Record<string, string[]> = {
  Equal: ["a", "b"],
  NotEqual: ["a", "b"],
  Greater: ["a", "b"],
  GreaterEqual: ["a", "b"],
  Less: ["a", "b"],
  LessEqual: ["a", "b"],
  LogicalAnd: ["a", "b"],
  LogicalOr: ["a", "b"],
  LogicalNot: ["x"],
  IsNan: ["x"],
  IsInf: ["x"],
  IsFinite: ["x"],
  ArgMax: ["x"],
  ArgMin: ["x"],
  Any: ["x"],
  All: ["x"],
};
for (const [kernelName, inputsToSave] of Object.entries(CONSTANT)) {
  tf.registerGradient({
    kernelName,
    inputsToSave,
    gradFunc: (_dy, saved) =>
      Object.fromEntries(
        inputsToSave.map((name, i) => [name, () => tf.zeros((saved as Tensor[])[i]!.shape)]),
      ),
  });
}
