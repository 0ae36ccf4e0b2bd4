/**
 * A metric reports; it never selects (that is a verifier's part). Metrics with networks implement the same interface:
 * they name the weights they need and are refused without them, rather than guessed.
 */
import type { Video } from "../video/video.ts";

export interface MetricInput {
  readonly video: Video;
  readonly prompt: string;
  /** File name or path, where the suite's rules go by it. */
  readonly name?: string;
}

/** How a number was made: whatever would change it belongs here. */
export interface Recipe {
  /** E.g. "world", "vbench", "vbench-i2v", "vbench-2.0", "vbench-competition". */
  readonly source: string;
  /** The code whose definition is followed, e.g. "Vchitect/VBench@45e79ec". */
  readonly mirrors?: string;
  readonly [detail: string]: string | number | boolean | undefined;
}

export interface MetricResult {
  readonly metric: string;
  /** The suite's aggregate in the metric's own unit. */
  readonly value: number;
  /** One value an input, NaN where it could not be measured. */
  readonly perVideo: readonly number[];
  /** Inputs that entered the aggregate. */
  readonly n: number;
  readonly recipe: Recipe;
}

export interface Metric {
  readonly name: string;
  readonly recipe: Recipe;
  /** Files of weights that must be there first; empty for metrics without networks. */
  readonly needs: readonly string[];
  measure(inputs: readonly MetricInput[], options?: { readonly signal?: AbortSignal }): Promise<MetricResult>;
}
