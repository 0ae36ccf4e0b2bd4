/** Spearman's rank correlation with Fisher's interval (Bonett and Wright 2000) and the t-approximation of its p-value. */
import type { Interval } from "./bootstrap.ts";
import { normalQuantile, studentCdf } from "./distributions.ts";
import { mean, requireSample } from "./summary.ts";
import { averageRanks } from "./tests.ts";

function requirePairs(x: readonly number[], y: readonly number[]): void {
  if (x.length === y.length) return;
  throw new RangeError(
    `Cannot correlate samples of ${x.length} and ${y.length}: they must have equal length.`,
  );
}

/** Pearson's r; NaN where one side is constant. @throws RangeError for unequal lengths */
export function pearson(x: readonly number[], y: readonly number[]): number {
  requirePairs(x, y);
  const meanX = mean(x);
  const meanY = mean(y);
  let xy = 0;
  let xx = 0;
  let yy = 0;
  for (const [i, value] of x.entries()) {
    xy += (value - meanX) * (y[i]! - meanY);
    xx += (value - meanX) ** 2;
    yy += (y[i]! - meanY) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
}

/** @throws RangeError below four pairs or for unequal lengths */
export function spearman(
  x: readonly number[],
  y: readonly number[],
  { level = 0.95 }: { level?: number } = {},
): Interval & { readonly p: number } {
  requirePairs(x, y);
  requireSample("a rank correlation", x, 4);
  requireSample("a rank correlation", y, 4);
  const n = x.length;
  const estimate = pearson(averageRanks(x), averageRanks(y));
  const half = normalQuantile(1 - (1 - level) / 2) * Math.sqrt((1 + estimate ** 2 / 2) / (n - 3));
  const z = Math.atanh(estimate);
  const t = estimate * Math.sqrt((n - 2) / Math.max(0, 1 - estimate ** 2));
  return {
    estimate,
    low: Math.tanh(z - half),
    high: Math.tanh(z + half),
    level,
    p: 2 * studentCdf(-Math.abs(t), n - 2),
  };
}
