/** Plain summaries: mean, quantile, interquartile mean, and the unbiased expected maximum of N. */

export function requireSample(what: string, values: readonly number[], least = 1): void {
  if (values.length < least) {
    throw new RangeError(
      `Cannot compute ${what} as it needs at least ${least} ${least === 1 ? "value" : "values"}: got ${values.length}. Add seeds or prompts.`,
    );
  }
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot compute ${what} as every value must be finite: value ${bad} is ${values[bad]}. Drop it and report how many were dropped.`,
    );
  }
}

/** An interval or a p-value of too few resamples would be a number without meaning. */
export function requireResamples(what: string, resamples: number): void {
  if (Number.isInteger(resamples) && resamples >= 10) return;
  throw new RangeError(
    `Cannot compute ${what} as "resamples" must be an integer of at least 10: got ${resamples}. Leave it out for the default.`,
  );
}

export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Sample variance (n - 1). */
export function variance(values: readonly number[]): number {
  const center = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - center) ** 2;
  return sum / (values.length - 1);
}

/** The p-quantile by linear interpolation (type 7 of Hyndman and Fan, the default of NumPy and R). */
export function quantile(values: readonly number[], p: number): number {
  requireSample("a quantile", values);
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * p;
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (at - below) * (high - low);
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/**
 * Interquartile mean: the mean of the middle half, with fractional weights at both cuts, so that it is exact for any n
 * (Agarwal et al., "Deep RL at the edge of the statistical precipice", 2108.13264, who drop floor(n/4) at each end).
 */
export function interquartileMean(values: readonly number[]): number {
  requireSample("an interquartile mean", values);
  const sorted = [...values].sort((a, b) => a - b);
  const cut = sorted.length / 4;
  let sum = 0;
  let weight = 0;
  for (const [i, value] of sorted.entries()) {
    const inside = Math.max(0, Math.min(i + 1, sorted.length - cut) - Math.max(i, cut));
    sum += inside * value;
    weight += inside;
  }
  return sum / weight;
}

/**
 * Unbiased estimate of E[max of n draws] from m >= n scores: the mean of the maximum over all subsets of size n, in
 * closed form (the estimator behind pass@k, Chen et al., 2107.03374, for real-valued scores).
 * @throws RangeError when n exceeds the number of scores: without replacement it cannot be estimated.
 */
export function expectedMaximum(scores: readonly number[], n: number): number {
  return expectedChoice(scores, scores, n);
}

/**
 * The same for what a verifier chooses: the mean, over all subsets of size n, of `values` at the highest of `scores` (the
 * first of equal ones). Best-of-n's true score from one pool, without the luck of a single draw of n.
 * @throws RangeError when n exceeds the number of scores, or the two differ in length
 */
export function expectedChoice(scores: readonly number[], values: readonly number[], n: number): number {
  requireSample("an expected maximum", scores);
  requireSample("an expected maximum", values);
  if (!(Number.isInteger(n) && n >= 1 && n <= scores.length && values.length === scores.length)) {
    throw new RangeError(
      `Cannot estimate the expected maximum of ${n} draws as n must be an integer from 1 to the number of scores: got ${scores.length} scores. Draw more, or ask for fewer.`,
    );
  }
  const order = scores.map((_, i) => i).sort((a, b) => scores[b]! - scores[a]! || a - b);
  // Weight of the i-th largest: C(m - 1 - i, n - 1) / C(m, n), by recurrence from i = 0, where it is n / m.
  let weight = n / order.length;
  let sum = 0;
  for (let i = 0; i <= order.length - n; i++) {
    sum += weight * values[order[i]!]!;
    weight *= (order.length - n - i) / (order.length - 1 - i);
  }
  return sum;
}
