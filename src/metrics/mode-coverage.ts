/**
 * Which modes of a target do samples reach? Coverage of known modes (the toy of EvoSearch: share of modes with a sample
 * within a radius), and coverage of reference samples where modes are not known (Naeem et al., ICML 2020,
 * 2002.09797: share of reference points whose k-nearest-neighbour ball holds a sample; density beside it).
 */

export type Point = ArrayLike<number>;

function squaredDistance(a: Point, b: Point): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += (a[k]! - b[k]!) ** 2;
  return sum;
}

export interface ModeCoverage {
  /** Share of modes with at least `least` samples within the radius. */
  readonly coverage: number;
  /** Samples within the radius of each mode (of the nearest one, where balls overlap). */
  readonly counts: readonly number[];
  /** Share of samples within the radius of any mode. */
  readonly onTarget: number;
}

/** `least`: samples that a mode needs to count as covered. */
export function modeCoverage(
  samples: readonly Point[],
  modes: readonly Point[],
  radius: number,
  { least = 1 }: { least?: number } = {},
): ModeCoverage {
  if (modes.length === 0)
    throw new RangeError("Cannot measure mode coverage without modes. Give their centres.");
  if (!(radius > 0))
    throw new RangeError(`Cannot measure mode coverage within ${radius}: the radius must be positive.`);
  const counts = new Array<number>(modes.length).fill(0);
  for (const sample of samples) {
    let [nearest, best] = [-1, radius * radius];
    modes.forEach((mode, m) => {
      const distance = squaredDistance(sample, mode);
      if (distance <= best) [nearest, best] = [m, distance];
    });
    if (nearest >= 0) counts[nearest]!++;
  }
  const hits = counts.reduce((a, b) => a + b, 0);
  return {
    coverage: counts.filter((n) => n >= least).length / modes.length,
    counts,
    onTarget: samples.length > 0 ? hits / samples.length : 0,
  };
}

/** Share of reference points that have a sample within their distance to the k-th nearest other reference point. */
export function referenceCoverage(
  samples: readonly Point[],
  reference: readonly Point[],
  { k = 5 }: { k?: number } = {},
): { readonly coverage: number; readonly density: number } {
  if (!(Number.isInteger(k) && k >= 1 && reference.length > k)) {
    throw new RangeError(
      `Cannot measure coverage with ${reference.length} reference points and k = ${k}: it needs more points than neighbours.`,
    );
  }
  const radii = reference.map((point, i) => {
    const distances = reference.filter((_, j) => j !== i).map((other) => squaredDistance(point, other));
    return distances.sort((a, b) => a - b)[k - 1]!;
  });
  let [covered, inside] = [0, 0];
  reference.forEach((point, i) => {
    const within = samples.filter((sample) => squaredDistance(sample, point) <= radii[i]!).length;
    covered += within > 0 ? 1 : 0;
    inside += within;
  });
  return {
    coverage: covered / reference.length,
    density: samples.length > 0 ? inside / (k * samples.length) : 0,
  };
}

/** Distinct labels among samples over the number of possible ones: coverage of a finite set of outcomes. */
export function labelCoverage(labels: readonly string[], possible: readonly string[]): number {
  if (possible.length === 0)
    throw new RangeError("Cannot measure coverage of no outcomes. Give the possible labels.");
  const wanted = new Set(possible);
  return new Set(labels.filter((label) => wanted.has(label))).size / wanted.size;
}
