/**
 * Moran's I (Moran, Biometrika 1950): are neighbours alike? EvoSearch (2505.17618, section 3) uses it to show that
 * samples of similar reward lie close together in latent space at every noise level.
 *
 *   I = n / W * sum_ij w_ij (r_i - m)(r_j - m) / sum_i (r_i - m)^2,   W = sum_ij w_ij
 *
 * Weights: 1 for the k nearest neighbours of i, 0 else (the sum is the same when they are made symmetric). Without structure the expectation
 * is -1 / (n - 1). The p-value is one-sided (more alike than by chance) over random relabellings.
 */
import type { Rng } from "../tensor/rng.ts";

export interface MoranOptions {
  /** Neighbours of each point. */
  readonly neighbours?: number;
  /** Relabellings for the p-value; 0 = none (p is NaN). */
  readonly permutations?: number;
  /** Needed when permutations > 0. */
  readonly rng?: Rng;
}

export interface MoranResult {
  readonly i: number;
  /** -1 / (n - 1). */
  readonly expected: number;
  readonly p: number;
  readonly n: number;
}

/** Indices of the k nearest neighbours of each point, by Euclidean distance, ties by index. */
export function nearestNeighbours(points: readonly ArrayLike<number>[], k: number): Int32Array[] {
  return points.map((a, i) => {
    const distances = points.map((b) => {
      let sum = 0;
      for (let d = 0; d < a.length; d++) sum += (a[d]! - b[d]!) ** 2;
      return sum;
    });
    const order = Array.from({ length: points.length }, (_, j) => j).filter((j) => j !== i);
    order.sort((x, y) => distances[x]! - distances[y]! || x - y);
    return Int32Array.from(order.slice(0, k));
  });
}

/** Moran's I for a given neighbour list (each list the same length). */
export function moranStatistic(values: ArrayLike<number>, neighbours: readonly Int32Array[]): number {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i]! / n;
  let [cross, links, spread] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const own = values[i]! - mean;
    spread += own * own;
    for (const j of neighbours[i]!) {
      cross += own * (values[j]! - mean);
      links++;
    }
  }
  return spread > 0 ? ((n / links) * cross) / spread : Number.NaN;
}

/**
 * Moran's I of `values` (rewards) over `points` (latents, or an embedding of them).
 * @throws RangeError for fewer points than neighbours + 2, lengths that differ, or values that are all equal.
 */
export function moransI(
  values: ArrayLike<number>,
  points: readonly ArrayLike<number>[],
  options: MoranOptions = {},
): MoranResult {
  const { neighbours = 8, permutations = 999, rng } = options;
  const n = values.length;
  if (points.length !== n) {
    throw new RangeError(
      `Cannot compute Moran's I: ${n} values for ${points.length} points. Give one value a point.`,
    );
  }
  if (!(Number.isInteger(neighbours) && neighbours >= 1 && n >= neighbours + 2)) {
    throw new RangeError(
      `Cannot compute Moran's I of ${n} points with ${neighbours} neighbours: it needs at least ${neighbours + 2} points.`,
    );
  }
  const near = nearestNeighbours(points, neighbours);
  const i = moranStatistic(values, near);
  if (Number.isNaN(i)) {
    throw new RangeError(
      "Cannot compute Moran's I: the values are all equal or not numbers. It needs some that differ.",
    );
  }
  const expected = -1 / (n - 1);
  if (permutations === 0) return { i, expected, p: Number.NaN, n };
  if (!rng) throw new TypeError("Cannot relabel without randomness: give rng, or permutations: 0.");
  let asLarge = 0;
  for (let k = 0; k < permutations; k++) {
    const order = rng.at("relabel", k).permutation(n);
    if (
      moranStatistic(
        Float64Array.from(order, (j) => values[j]!),
        near,
      ) >=
      i - 1e-12
    )
      asLarge++;
  }
  return { i, expected, p: (asLarge + 1) / (permutations + 1), n };
}
