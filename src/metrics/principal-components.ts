/** Coordinates of points along their leading principal components, by the Gram matrix: few points, many dimensions. */
import { covarianceEigen } from "../video/eigen.ts";

/** [n][dims]; column k has variance lambda_k. @throws RangeError for more dimensions than points. */
export function principalComponents(points: readonly ArrayLike<number>[], dims: number): Float64Array[] {
  const n = points.length;
  if (!(Number.isInteger(dims) && dims >= 1 && dims <= n)) {
    throw new RangeError(`Cannot project ${n} points to ${dims} dimensions: give 1 to ${n}.`);
  }
  const width = points[0]!.length;
  const mean = new Float64Array(width);
  for (const p of points) for (let k = 0; k < width; k++) mean[k]! += p[k]! / n;
  const gram = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = i; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (points[i]![k]! - mean[k]!) * (points[j]![k]! - mean[k]!);
      gram[i * n + j] = sum;
      gram[j * n + i] = sum;
    }
  }
  const { values, vectors } = covarianceEigen(gram, n, dims);
  return Array.from({ length: n }, (_, i) =>
    Float64Array.from(
      { length: dims },
      (_, k) => vectors[i * dims + k]! * Math.sqrt(Math.max(0, values[k]!)),
    ),
  );
}
