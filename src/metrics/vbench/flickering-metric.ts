/** Temporal flickering as a metric: the one dimension of VBench that needs no network. */
import type { Metric, MetricInput, MetricResult } from "../metric.ts";
import { vbenchCommit } from "./constants.ts";
import { temporalFlickering } from "./temporal.ts";

export interface FlickeringOptions {
  /** The official protocol keeps 5 static videos a prompt, chosen by optical flow; say whether that was done. */
  readonly staticFilter?: boolean;
  /** How the frames were decoded ("generated" when they never were a file). */
  readonly decoder?: string;
}

/** Raw fraction in [0, 1]; suite value = mean over videos. */
export function temporalFlickeringMetric({
  staticFilter = false,
  decoder = "generated",
}: FlickeringOptions = {}): Metric {
  const recipe = {
    source: "vbench",
    mirrors: vbenchCommit,
    dimension: "temporal_flickering",
    staticFilter,
    decoder,
  };
  return Object.freeze({
    name: "temporal_flickering",
    recipe,
    needs: [],
    async measure(
      inputs: readonly MetricInput[],
      { signal }: { signal?: AbortSignal } = {},
    ): Promise<MetricResult> {
      const perVideo: number[] = [];
      for (const { video } of inputs) {
        signal?.throwIfAborted();
        perVideo.push(video.numFrames < 2 ? Number.NaN : temporalFlickering(video));
      }
      const known = perVideo.filter((v) => !Number.isNaN(v));
      if (known.length === 0) {
        throw new RangeError(
          `Cannot measure temporal_flickering: none of ${inputs.length} videos has two frames.`,
        );
      }
      const value = known.reduce((a, b) => a + b, 0) / known.length;
      return {
        metric: "temporal_flickering",
        value,
        perVideo,
        n: known.length,
        recipe: { ...recipe, n: known.length },
      };
    },
  });
}
