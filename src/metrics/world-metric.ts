/** The world score as a metric: what is reported beside the verifier that selected. */
import type { Metric, MetricInput, MetricResult } from "./metric.ts";
import { type WorldDimension, worldDimensions, worldScore } from "./world-score.ts";

export type WorldMetricName = WorldDimension | "quality" | "semantic" | "total" | "correct";

/** Mean over clips of a dimension, a total, or the share of clips that are wholly correct. */
export function worldMetric(by: WorldMetricName = "total"): Metric {
  const totals = ["quality", "semantic", "total", "correct"];
  if (!totals.includes(by) && !(worldDimensions as readonly string[]).includes(by)) {
    throw new RangeError(
      `Cannot report "${by}" of the world score. Name one of ${[...totals, ...worldDimensions].join(", ")}.`,
    );
  }
  const recipe = { source: "world", by } as const;
  const measureOne = ({ video, prompt }: MetricInput): number => {
    if (video.numFrames < 4) return Number.NaN;
    const score = worldScore(video, prompt);
    if (by === "correct") return Number(score.correct.all);
    return by === "quality" || by === "semantic" || by === "total" ? score[by] : score.dimensions[by];
  };
  return Object.freeze({
    name: `world_${by}`,
    recipe,
    needs: [],
    async measure(
      inputs: readonly MetricInput[],
      { signal }: { signal?: AbortSignal } = {},
    ): Promise<MetricResult> {
      const perVideo: number[] = [];
      for (const input of inputs) {
        signal?.throwIfAborted();
        perVideo.push(measureOne(input));
      }
      const known = perVideo.filter((v) => !Number.isNaN(v));
      if (known.length === 0) {
        throw new RangeError(
          `Cannot report world_${by}: none of ${inputs.length} clips has the 4 frames that motion needs.`,
        );
      }
      const value = known.reduce((a, b) => a + b, 0) / known.length;
      return {
        metric: `world_${by}`,
        value,
        perVideo,
        n: known.length,
        recipe: { ...recipe, n: known.length },
      };
    },
  });
}
