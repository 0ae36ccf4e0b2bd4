import { describe, expect, it } from "vitest";
import { measureSegments, timeSegments } from "../../../src/metrics/segments.ts";
import {
  actionHit,
  actionLabel,
  colorObject,
  colorShare,
  hitRate,
  objectHits,
  sceneHits,
  spatialFrame,
  spatialScore,
  suiteColor,
} from "../../../src/metrics/vbench/detections.ts";
import {
  aestheticQuality,
  consistencyPairs,
  imagingQuality,
  suiteConsistency,
} from "../../../src/metrics/vbench/features.ts";
import { temporalFlickeringMetric } from "../../../src/metrics/vbench/flickering-metric.ts";
import { imageLikeness } from "../../../src/metrics/vbench/image-to-video.ts";
import { preflight } from "../../../src/metrics/vbench/preflight.ts";
import {
  dynamicInterval,
  middleFrames,
  pythonRound,
  resizedShorter,
} from "../../../src/metrics/vbench/rounding.ts";
import {
  dynamicFrames,
  isDynamic,
  isStatic,
  motionSmoothness,
  smoothnessTriples,
  staticFilterPairs,
  temporalFlickering,
  topMean,
} from "../../../src/metrics/vbench/temporal.ts";
import { video } from "../../../src/video/video.ts";

/** A video of flat grey frames with these byte values. */
const flat = (...bytes: number[]) =>
  video({
    numFrames: bytes.length,
    height: 4,
    width: 6,
    data: Float32Array.from(bytes.flatMap((b) => new Array<number>(72).fill(b / 127.5 - 1))),
  });

describe("rounding", () => {
  it("is Python's", () => {
    expect([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, 2.4999, 2.5001].map(pythonRound)).toEqual(
      [0, 2, 2, 4, 0, -2, 2, 3].map((v) => (v === 0 ? expect.closeTo(0) : v)),
    );
    expect([20, 24, 30, 8, 4, 12].map(dynamicInterval)).toEqual([2, 3, 4, 1, 1, 2]);
    expect(resizedShorter(832, 480, 224)).toEqual({ width: 388, height: 224 });
    expect(resizedShorter(1920, 1080, 224)).toEqual({ width: 398, height: 224 });
  });

  it("picks the middles of equal intervals and repeats the last when there are too few", () => {
    expect(middleFrames(8, 16)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    expect(middleFrames(4, 10)).toEqual([0, 3, 5, 8]);
    expect(middleFrames(4, 2)).toEqual([0, 1, 1, 1]);
    expect(() => middleFrames(0, 4)).toThrow(/both must be at least 1/);
  });
});

describe("temporal dimensions", () => {
  it("flickering: 1 - mean |difference| / 255 over all neighbours", () => {
    expect(temporalFlickering(flat(10, 10, 10))).toBe(1);
    expect(temporalFlickering(flat(0, 255))).toBe(0);
    expect(temporalFlickering(flat(100, 110, 90))).toBeCloseTo((255 - 15) / 255, 12);
    expect(() => temporalFlickering(flat(1))).toThrow(/at least 2 frames/);
  });

  it("flickering as a metric: mean over videos, single frames left out, stamped with its recipe", async () => {
    const metric = temporalFlickeringMetric({ decoder: "png" });
    const inputs = [flat(0, 255), flat(7, 7), flat(3)].map((v) => ({ video: v, prompt: "" }));
    const result = await metric.measure(inputs);
    expect(result).toMatchObject({ value: 0.5, perVideo: [0, 1, Number.NaN], n: 2 });
    expect(result.recipe).toEqual({
      source: "vbench",
      mirrors: "Vchitect/VBench@45e79ec",
      dimension: "temporal_flickering",
      staticFilter: false,
      decoder: "png",
      n: 2,
    });
    await expect(metric.measure(inputs, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
  });

  it("smoothness: predicted frames are cut, not rounded, to bytes; even lengths leave the last frame", () => {
    expect(smoothnessTriples(6)).toEqual([
      [0, 1, 2],
      [2, 3, 4],
    ]);
    const grey = (v: number) => new Float32Array(72).fill(v);
    expect(motionSmoothness(flat(10, 20, 30), [grey(20.9 / 255)])).toBe(1);
    expect(motionSmoothness(flat(10, 20, 30), [grey(2)])).toBeCloseTo(20 / 255, 12);
    expect(() => smoothnessTriples(2)).toThrow(/at least 3/);
  });

  it("dynamics: threshold by size, count by banker's rounding", () => {
    const size = { width: 512, height: 256 };
    expect(dynamicFrames(10, 24)).toEqual([0, 3, 6, 9]);
    // 16 sampled frames: four pairs must exceed 6 pixels.
    const tops = (n: number) => Array.from({ length: 15 }, (_, i) => (i < n ? 6.1 : 1));
    expect([isDynamic(tops(3), size), isDynamic(tops(4), size)]).toEqual([false, true]);
    // 10 frames: round(2.5) = 2.
    expect(isDynamic([7, 7, 0, 0, 0, 0, 0, 0, 0], size)).toBe(true);
    expect(isDynamic([0], size)).toBe(true);
    expect(topMean([1, 2, 3, 4, 100, 5, 6, 7, 8, 9], 0.2)).toBe(54.5);
  });

  it("static filter: adjacent pairs and both wrap pairs", () => {
    expect(staticFilterPairs(3)).toEqual([
      [0, 1],
      [1, 2],
      [0, 2],
      [2, 0],
    ]);
    const size = { width: 256, height: 256 };
    const quiet = new Array<number>(15).fill(1);
    expect(isStatic([...quiet, 11, 11], size)).toBe(true);
    expect(isStatic([...quiet, 13, 1], size)).toBe(false);
    expect(isStatic([4, 4, 4, ...quiet.slice(3), 1, 1], size)).toBe(false);
    expect(isStatic([4, 4, ...quiet.slice(2), 1, 1], size)).toBe(true);
  });
});

describe("dimensions on features", () => {
  it("consistency: mean of the cosines with the previous and the first frame, negatives cut", () => {
    const e = (x: number, y: number) => [x, y];
    expect(consistencyPairs([e(1, 0), e(0, 2), e(3, 0)])).toEqual([0, 0.5]);
    expect(consistencyPairs([e(1, 0), e(-1, 0), e(-5, 0)])).toEqual([0, 0.5]);
    expect(suiteConsistency([[1, 1, 1], [0]])).toBe(0.75);
    expect(suiteConsistency([[1, 1, 1], [0]], "video")).toBe(0.5);
  });

  it("aesthetics: linear head on the unit vector over 10; imaging: percent a video, fraction a suite", () => {
    expect(aestheticQuality([[3, 4]], { weight: [5, 0], bias: 1 })).toBeCloseTo(0.4, 12);
    expect(imagingQuality([[60, 80], [50]])).toEqual({ perVideo: [70, 50], value: 0.6 });
  });

  it("likeness to an image: 0.4 max + 0.3 mean + 0.3 min", () => {
    expect(imageLikeness([0.5, 0.9], [0.8, 0.6])).toBeCloseTo(0.36 + 0.21 + 0.18, 12);
  });
});

describe("dimensions on detections", () => {
  it("objects and scenes: hits over frames of the whole suite", () => {
    const frames = [new Set(["cat", "dog"]), new Set(["cat"]), new Set<string>()];
    expect(objectHits(frames, "cat")).toEqual({ hits: 2, frames: 3 });
    expect(objectHits(frames, "cat and dog")).toEqual({ hits: 1, frames: 3 });
    expect(
      hitRate([
        { hits: 2, frames: 16 },
        { hits: 8, frames: 8 },
      ]),
    ).toBeCloseTo(10 / 24, 12);
    expect(sceneHits(["a large art gallery", "a gallery"], "art gallery")).toEqual({ hits: 1, frames: 2 });
  });

  it("colour: share among frames where the object shows any colour; never seen = left out", () => {
    const c = (className: string, caption: string) => ({ className, caption });
    const frames = [
      [c("car", "a red car")],
      [c("car", "a blue car")],
      [c("car", "a car")],
      [c("dog", "a red dog")],
    ];
    expect(colorObject("a red car", "red")).toBe("car");
    expect(colorShare(frames, "car", "red")).toBe(0.5);
    expect(colorShare(frames, "cat", "red")).toBeUndefined();
    expect(suiteColor([0.5, undefined, 1])).toBe(0.75);
    expect(() => suiteColor([undefined])).toThrow(/seen in none/);
  });

  it("spatial relationship: axis and overlap only, the sign is not looked at", () => {
    const box = (left: number, top: number, s = 10) => ({ left, top, right: left + s, bottom: top + s });
    expect(spatialScore(box(0, 0), box(30, 5), "left")).toBe(1);
    expect(spatialScore(box(30, 5), box(0, 0), "left")).toBe(1);
    expect(spatialScore(box(0, 0), box(5, 30), "left")).toBe(0);
    expect(spatialScore(box(0, 0), box(5, 0), "right")).toBeCloseTo(0.1 / (50 / 150), 12);
    expect(spatialFrame([box(0, 0), box(2, 0), box(40, 0)], "left")).toBe(1);
    expect(spatialFrame([box(0, 0)], "left")).toBe(0);
  });

  it("actions: label from the file name, top five above 0.85", () => {
    expect(actionLabel("/x/A person is playing guitar-3.mp4")).toBe("playing guitar");
    const classes = [0.99, 0.95, 0.93, 0.9, 0.88, 0.87].map((probability, i) => ({
      label: `c${i}`,
      probability,
    }));
    expect([actionHit(classes, "c4"), actionHit(classes, "c5")]).toEqual([true, false]);
    expect(actionHit([{ label: "c", probability: 0.84 }], "c")).toBe(false);
  });
});

describe("segments and preflight", () => {
  it("cuts 15 seconds in three and measures each", async () => {
    const long = video({ numFrames: 31, height: 4, width: 6, fps: 2, data: new Float32Array(31 * 72) });
    expect(timeSegments(long).map((s) => [s.from, s.to, s.video.numFrames])).toEqual([
      [0, 5, 10],
      [5, 10, 10],
      [10, 15, 10],
    ]);
    const rows = await measureSegments(temporalFlickeringMetric(), [{ video: long, prompt: "" }]);
    expect(rows.map((r) => r.segment)).toEqual(["0-5 s", "5-10 s", "10-15 s"]);
    expect(rows[1]!.recipe).toMatchObject({ segment: "5-10 s", source: "vbench" });
    expect(() => timeSegments(long, 60)).toThrow(/none fits/);
  });

  it("finds missing, misnamed and colliding videos before anything is computed", () => {
    const prompts = [
      { prompt_en: "A fantasy landscape", dimension: ["scene"] },
      { prompt_en: "a fantasy landscape", dimension: ["appearance_style"] },
      { prompt_en: "a lake", dimension: ["temporal_flickering"] },
    ];
    const files = ["A fantasy landscape-0.mp4", "a lake-24.mp4", "a lake-25.mp4", "b.mov"];
    const report = preflight(files, prompts);
    expect([report.expected, report.found]).toEqual([35, 2]);
    expect(report.problems[0]).toMatch(/^33 of 35 videos are missing/);
    expect(report.problems[1]).toMatch(/^2 files are not named.*a lake-25\.mp4, b\.mov/);
    expect(report.problems[2]).toMatch(/collide on file systems that ignore case/);
  });
});
