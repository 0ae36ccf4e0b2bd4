/**
 * Scaling laws with intervals. A power law y = a x^b by least squares in logarithms, with Student intervals; a
 * saturating law y = limit - a x^-b by least squares (linear in limit and a for each b, b by a search over its
 * logarithm), with intervals by resampling the points.
 */
import { rng } from "../../tensor/rng.ts";
import { type BootstrapOptions, type Interval, interval } from "./bootstrap.ts";
import { studentQuantile } from "./distributions.ts";
import { mean, requireResamples, requireSample } from "./summary.ts";

/** Least-squares line with standard errors. */
export function linearFit(
  x: readonly number[],
  y: readonly number[],
  { level = 0.95 }: { level?: number } = {},
) {
  if (x.length !== y.length) {
    throw new RangeError(`Cannot fit ${x.length} x values to ${y.length} y values: they must pair up.`);
  }
  requireSample("a fit", x, 3);
  requireSample("a fit", y, 3);
  const n = x.length;
  const meanX = mean(x);
  const meanY = mean(y);
  let xx = 0;
  let xy = 0;
  for (const [i, value] of x.entries()) {
    xx += (value - meanX) ** 2;
    xy += (value - meanX) * (y[i]! - meanY);
  }
  if (xx === 0)
    throw new RangeError("Cannot fit a line as all x values are equal. Measure at two budgets or more.");
  const slope = xy / xx;
  const intercept = meanY - slope * meanX;
  const residual = x.reduce((sum, value, i) => sum + (y[i]! - intercept - slope * value) ** 2, 0);
  const error = Math.sqrt(residual / (n - 2) / xx);
  const interceptError = error * Math.sqrt(xx / n + meanX ** 2);
  const t = studentQuantile(1 - (1 - level) / 2, n - 2);
  const total = y.reduce((sum, value) => sum + (value - meanY) ** 2, 0);
  const around = (estimate: number, half: number): Interval => ({
    estimate,
    low: estimate - half,
    high: estimate + half,
    level,
  });
  return {
    slope: around(slope, t * error),
    intercept: around(intercept, t * interceptError),
    r2: total === 0 ? 1 : 1 - residual / total,
  };
}

export interface PowerLaw {
  /** y = scale * x^exponent */
  readonly scale: Interval;
  readonly exponent: Interval;
  /** Of the line in logarithms. */
  readonly r2: number;
  predict(x: number): number;
}

/** @throws RangeError unless all values are positive */
export function powerLawFit(
  x: readonly number[],
  y: readonly number[],
  options: { level?: number } = {},
): PowerLaw {
  const bad = [...x, ...y].find((value) => !(value > 0));
  if (bad !== undefined) {
    throw new RangeError(
      `Cannot fit a power law as all values must be positive: got ${bad}. Fit a saturating law.`,
    );
  }
  const line = linearFit(x.map(Math.log), y.map(Math.log), options);
  const { estimate, low, high, level } = line.intercept;
  return {
    scale: { estimate: Math.exp(estimate), low: Math.exp(low), high: Math.exp(high), level },
    exponent: line.slope,
    r2: line.r2,
    predict: (at: number) => Math.exp(estimate) * at ** line.slope.estimate,
  };
}

export interface SaturatingLaw {
  /** y = limit - amplitude * x^-exponent */
  readonly limit: Interval;
  readonly amplitude: Interval;
  readonly exponent: Interval;
  readonly r2: number;
  predict(x: number): number;
}

interface Triple {
  readonly limit: number;
  readonly amplitude: number;
  readonly exponent: number;
  readonly residual: number;
}

const slowest = 0.01;
const fastest = 10;

/** For fixed b the law is a line in x^-b; b minimises what is left, by a grid over log b refined by golden section. */
function solveSaturating(x: readonly number[], y: readonly number[]): Triple {
  const at = (logExponent: number): Triple => {
    const exponent = Math.exp(logExponent);
    const u = x.map((value) => value ** -exponent);
    const meanU = mean(u);
    const meanY = mean(y);
    let uu = 0;
    let uy = 0;
    for (const [i, value] of u.entries()) {
      uu += (value - meanU) ** 2;
      uy += (value - meanU) * (y[i]! - meanY);
    }
    const slope = uu > 0 ? uy / uu : 0;
    const limit = meanY - slope * meanU;
    const residual = u.reduce((sum, value, i) => sum + (y[i]! - limit - slope * value) ** 2, 0);
    return { limit, amplitude: -slope, exponent, residual };
  };
  const low = Math.log(slowest);
  const high = Math.log(fastest);
  const steps = 48;
  let best = 0;
  let bestResidual = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= steps; i++) {
    const { residual } = at(low + ((high - low) * i) / steps);
    if (residual < bestResidual) {
      bestResidual = residual;
      best = i;
    }
  }
  let a = low + ((high - low) * Math.max(0, best - 1)) / steps;
  let b = low + ((high - low) * Math.min(steps, best + 1)) / steps;
  const golden = (Math.sqrt(5) - 1) / 2;
  for (let i = 0; i < 60; i++) {
    const left = b - golden * (b - a);
    const right = a + golden * (b - a);
    if (at(left).residual < at(right).residual) b = right;
    else a = left;
  }
  return at((a + b) / 2);
}

/**
 * @throws RangeError below four points or for x <= 0. Intervals at the ends of the searched exponents [0.01, 10] say that
 * the data do not bend enough to tell.
 */
export function saturatingFit(
  x: readonly number[],
  y: readonly number[],
  options: Pick<BootstrapOptions, "level" | "resamples" | "seed"> = {},
): SaturatingLaw {
  const { resamples = 400, seed = 0 } = options;
  requireSample("a saturating fit", x, 4);
  requireSample("a saturating fit", y, 4);
  requireResamples("a saturating fit", resamples);
  if (x.length !== y.length || x.some((value) => value <= 0)) {
    throw new RangeError(
      `Cannot fit a saturating law as it needs pairs with x > 0: got ${x.length} x and ${y.length} y values, smallest x ${Math.min(...x)}.`,
    );
  }
  const fit = solveSaturating(x, y);
  const source = rng(seed).at("saturating");
  const draws: Triple[] = [];
  for (let b = 0; b < resamples; b++) {
    const picked = [...source.at(b).ints(x.length, x.length)];
    const xs = picked.map((i) => x[i]!);
    if (new Set(xs).size < 3) continue;
    draws.push(
      solveSaturating(
        xs,
        picked.map((i) => y[i]!),
      ),
    );
  }
  const around = (key: "limit" | "amplitude" | "exponent") =>
    interval(
      fit[key],
      draws.map((draw) => draw[key]),
      undefined,
      options,
    );
  const meanY = mean(y);
  const total = y.reduce((sum, value) => sum + (value - meanY) ** 2, 0);
  return {
    limit: around("limit"),
    amplitude: around("amplitude"),
    exponent: around("exponent"),
    r2: total === 0 ? 1 : 1 - fit.residual / total,
    predict: (at: number) => fit.limit - fit.amplitude * at ** -fit.exponent,
  };
}
