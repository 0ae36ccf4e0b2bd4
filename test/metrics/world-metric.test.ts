import { describe, expect, it } from "vitest";
import { measureSegments } from "../../src/metrics/segments.ts";
import { type WorldMetricName, worldMetric } from "../../src/metrics/world-metric.ts";
import { clip } from "../../src/video/video.ts";
import { worldClip } from "../../src/video/world/world.ts";

const prompt = "a red ball glides sideways";
const right = { video: worldClip(prompt, { seed: 1, numFrames: 16 }).video, prompt };
const wrong = { ...right, prompt: "a blue ball glides sideways" };

describe("the world score as a metric", () => {
  it("reports a mean over clips with its source", async () => {
    const result = await worldMetric("right_colour").measure([right, wrong]);
    expect(result).toEqual({
      metric: "world_right_colour",
      value: 0.5,
      perVideo: [1, 0],
      n: 2,
      recipe: { source: "world", by: "right_colour", n: 2 },
    });
    expect((await worldMetric("correct").measure([right, wrong])).value).toBe(0.5);
    expect((await worldMetric().measure([right])).value).toBeGreaterThan(0.98);
  });

  it("leaves out clips that are too short, and works on segments", async () => {
    const short = { ...right, video: clip(right.video, 0, 3) };
    expect(await worldMetric().measure([right, short])).toMatchObject({
      n: 1,
      perVideo: [expect.any(Number), Number.NaN],
    });
    await expect(worldMetric().measure([short])).rejects.toThrow(/none of 1 clips has the 4 frames/);
    const rows = await measureSegments(worldMetric("right_motion"), [right], { seconds: 1 });
    expect(rows.map((row) => [row.segment, row.value])).toEqual([
      ["0-1 s", 1],
      ["1-2 s", 1],
    ]);
  });

  it("knows its names", () => {
    expect(() => worldMetric("beauty" as WorldMetricName)).toThrow(
      /Name one of quality, semantic, total, correct, object_permanence/,
    );
  });
});
