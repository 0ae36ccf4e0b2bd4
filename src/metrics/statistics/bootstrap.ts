/**
 * Bootstrap intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): percentile, and BCa, which
 * corrects for bias and skew. `hierarchicalBootstrap` resamples prompts, and seeds within prompts, because scores of one
 * prompt are not independent. Resampling is seeded: the same data and seed give the same interval.
 */
import { rng } from "../../tensor/rng.ts";
import { normalCdf, normalQuantile } from "./distributions.ts";
import { mean, requireResamples, requireSample } from "./summary.ts";

export interface Interval {
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  /** Coverage, e.g. 0.95. */
  readonly level: number;
}

export interface BootstrapOptions {
  readonly level?: number;
  readonly resamples?: number;
  readonly seed?: number;
  readonly method?: "bca" | "percentile";
}

/** Any statistic of a sample; default: the mean. */
export function bootstrap(
  values: readonly number[],
  options: BootstrapOptions & { statistic?: (values: readonly number[]) => number } = {},
): Interval {
  const { statistic = mean, method = "bca", resamples = 4000, seed = 0 } = options;
  requireSample("a bootstrap interval", values, 2);
  requireResamples("a bootstrap interval", resamples);
  const n = values.length;
  const source = rng(seed).at("bootstrap");
  const draws: number[] = [];
  for (let b = 0; b < resamples; b++) {
    draws.push(statistic(Array.from(source.at(b).ints(n, n), (i) => values[i]!)));
  }
  const estimate = statistic(values);
  const jackknife = () => values.map((_, i) => statistic(values.filter((_, j) => j !== i)));
  return interval(estimate, draws, method === "bca" ? jackknife() : undefined, options);
}

/**
 * The mean of a - b over pairs.
 * @throws RangeError when the samples differ in length or a value is not finite
 */
export function pairedBootstrap(
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): Interval {
  return bootstrap(differences(a, b), options);
}

/** a - b. @throws RangeError when the samples differ in length. */
export function differences(a: readonly number[], b: readonly number[]): number[] {
  if (a.length !== b.length) {
    throw new RangeError(
      `Cannot pair samples as they must have equal length: got ${a.length} and ${b.length}. Keep the prompts and seeds that both have.`,
    );
  }
  return a.map((value, i) => value - b[i]!);
}

/** One measured value of a prompt (or any group) under a seed. */
export interface Cell {
  readonly prompt: string | number;
  readonly seed: string | number;
  readonly value: number;
}

/**
 * Mean over prompts of the mean over seeds, with prompts and, within each drawn prompt, seeds resampled. BCa's
 * acceleration comes from leaving out one prompt at a time.
 */
export function hierarchicalBootstrap(cells: readonly Cell[], options: BootstrapOptions = {}): Interval {
  const { method = "bca", resamples = 4000, seed = 0 } = options;
  requireSample(
    "a hierarchical bootstrap interval",
    cells.map((cell) => cell.value),
    2,
  );
  requireResamples("a hierarchical bootstrap interval", resamples);
  const groups = new Map<string, number[]>();
  for (const cell of cells) {
    const key = `${typeof cell.prompt}:${cell.prompt}`;
    groups.set(key, [...(groups.get(key) ?? []), cell.value]);
  }
  const prompts = [...groups.values()];
  const means = prompts.map(mean);
  const source = rng(seed).at("hierarchical");
  const draws: number[] = [];
  for (let b = 0; b < resamples; b++) {
    const picked = source.at(b, "prompts").ints(prompts.length, prompts.length);
    let sum = 0;
    for (const [slot, which] of picked.entries()) {
      const seeds = prompts[which]!;
      const drawn = source.at(b, "seeds", slot).ints(seeds.length, seeds.length);
      let total = 0;
      for (const i of drawn) total += seeds[i]!;
      sum += total / seeds.length;
    }
    draws.push(sum / prompts.length);
  }
  const jackknife =
    method === "bca" && prompts.length > 1
      ? means.map((_, i) => mean(means.filter((_, j) => j !== i)))
      : undefined;
  return interval(mean(means), draws, jackknife, options);
}

/** Percentile interval of the draws, or BCa where the jackknife values are given. */
export function interval(
  estimate: number,
  draws: readonly number[],
  jackknife: readonly number[] | undefined,
  { level = 0.95 }: { level?: number } = {},
): Interval {
  if (!(level > 0 && level < 1)) {
    throw new RangeError(`Cannot make an interval of level ${level}: it must lie between 0 and 1. Use 0.95.`);
  }
  const sorted = [...draws].sort((a, b) => a - b);
  const tail = (1 - level) / 2;
  let lowAt = tail;
  let highAt = 1 - tail;
  if (jackknife) {
    // Ties count half, so that discrete statistics are not taken as biased.
    const below =
      sorted.filter((draw) => draw < estimate).length +
      0.5 * sorted.filter((draw) => draw === estimate).length;
    const bias = normalQuantile(Math.min(Math.max(below / sorted.length, 1e-9), 1 - 1e-9));
    const center = mean(jackknife);
    let squares = 0;
    let cubes = 0;
    for (const value of jackknife) {
      squares += (center - value) ** 2;
      cubes += (center - value) ** 3;
    }
    const acceleration = squares > 0 ? cubes / (6 * squares ** 1.5) : 0;
    const adjusted = (p: number) => {
      const z = bias + normalQuantile(p);
      return normalCdf(bias + z / (1 - acceleration * z));
    };
    lowAt = adjusted(tail);
    highAt = adjusted(1 - tail);
  }
  const pick = (p: number) => {
    const at = (sorted.length - 1) * Math.min(Math.max(p, 0), 1);
    const below = Math.floor(at);
    const value = sorted[below]!;
    const next = sorted[below + 1] ?? value;
    // Infinite draws (a score never reached) stay infinite instead of becoming NaN.
    return value === next || at === below ? value : value + (at - below) * (next - value);
  };
  return { estimate, low: pick(lowAt), high: pick(highAt), level };
}
