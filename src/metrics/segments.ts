/** Long clips in pieces of time: what the long-video papers report for 0-5, 5-10 and 10-15 seconds. */
import { clip, type Video } from "../video/video.ts";
import type { Metric, MetricInput, MetricResult } from "./metric.ts";

export interface Segment {
  /** Seconds from the start. */
  readonly from: number;
  readonly to: number;
  readonly video: Video;
}

/** Whole segments of `seconds` each; a shorter rest at the end is left out. @throws RangeError when not one fits. */
export function timeSegments(video: Video, seconds = 5): Segment[] {
  const frames = Math.round(seconds * video.fps);
  const count = Math.floor(video.numFrames / Math.max(1, frames));
  if (!(frames >= 1 && count >= 1)) {
    throw new RangeError(
      `Cannot cut ${video.numFrames} frames at ${video.fps} fps into segments of ${seconds} s: none fits. Give shorter segments.`,
    );
  }
  return Array.from({ length: count }, (_, k) => ({
    from: (k * frames) / video.fps,
    to: ((k + 1) * frames) / video.fps,
    video: clip(video, k * frames, (k + 1) * frames),
  }));
}

export interface SegmentResult extends MetricResult {
  /** "0-5 s" */
  readonly segment: string;
}

/** A metric on each segment of all inputs; videos that end sooner leave the later segments. */
export async function measureSegments(
  metric: Metric,
  inputs: readonly MetricInput[],
  { seconds = 5, signal }: { seconds?: number; signal?: AbortSignal } = {},
): Promise<SegmentResult[]> {
  const cut = inputs.map((input) => ({ input, segments: timeSegments(input.video, seconds) }));
  const longest = Math.max(0, ...cut.map((c) => c.segments.length));
  const results: SegmentResult[] = [];
  for (let k = 0; k < longest; k++) {
    const pieces = cut.filter((c) => c.segments.length > k);
    const result = await metric.measure(
      pieces.map(({ input, segments }) => ({ ...input, video: segments[k]!.video })),
      signal ? { signal } : {},
    );
    const segment = `${k * seconds}-${(k + 1) * seconds} s`;
    results.push({ ...result, segment, recipe: { ...result.recipe, segment } });
  }
  return results;
}
