/**
 * Leading eigenvectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, "Matrix computations",
 * 8.5). Slow and sure: 192 x 192 takes about a second, once. The sign of each vector is fixed, so that a fit is
 * reproducible to the bit.
 */

export interface Eigen {
  /** The `count` largest eigenvalues, falling. */
  readonly values: Float64Array;
  /** [n, count] row-major; column k belongs to values[k]; its largest entry is positive. */
  readonly vectors: Float64Array;
}

/** `matrix`: [n, n] row-major, symmetric; it is overwritten. */
export function covarianceEigen(matrix: Float64Array, n: number, count: number): Eigen {
  const rotations = new Float64Array(n * n); // row k becomes eigenvector k
  for (let i = 0; i < n; i++) rotations[i * n + i] = 1;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += Math.abs(matrix[i * n + i]!);
  const tiny = 1e-14 * Math.max(trace, Number.MIN_VALUE);
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotated = 0;
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = matrix[p * n + q]!;
        if (Math.abs(off) <= tiny) continue;
        rotated++;
        const theta = (matrix[q * n + q]! - matrix[p * n + p]!) / (2 * off);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        rotate(matrix, rotations, n, p, q, c, t * c);
      }
    }
    if (rotated === 0) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => matrix[b * n + b]! - matrix[a * n + a]! || a - b,
  );
  const values = new Float64Array(count);
  const vectors = new Float64Array(n * count);
  for (let k = 0; k < count; k++) {
    const row = order[k]!;
    values[k] = matrix[row * n + row]!;
    let largest = 0;
    for (let i = 0; i < n; i++) {
      if (Math.abs(rotations[row * n + i]!) > Math.abs(rotations[row * n + largest]!)) largest = i;
    }
    const sign = rotations[row * n + largest]! < 0 ? -1 : 1;
    for (let i = 0; i < n; i++) vectors[i * count + k] = sign * rotations[row * n + i]!;
  }
  return { values, vectors };
}

/** One Jacobi rotation of rows and columns p and q by cosine c and sine s. */
function rotate(
  m: Float64Array,
  v: Float64Array,
  n: number,
  p: number,
  q: number,
  c: number,
  s: number,
): void {
  for (let i = 0; i < n; i++) {
    const mp = m[p * n + i]!;
    const mq = m[q * n + i]!;
    m[p * n + i] = c * mp - s * mq;
    m[q * n + i] = s * mp + c * mq;
    const vp = v[p * n + i]!;
    const vq = v[q * n + i]!;
    v[p * n + i] = c * vp - s * vq;
    v[q * n + i] = s * vp + c * vq;
  }
  for (let i = 0; i < n; i++) {
    const mp = m[i * n + p]!;
    const mq = m[i * n + q]!;
    m[i * n + p] = c * mp - s * mq;
    m[i * n + q] = s * mp + c * mq;
  }
}
