import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type VbenchKey,
  vbench2Groups,
  vbenchDimensions,
  vbenchKeys,
} from "../../../src/metrics/vbench/constants.ts";
import { readLeaderboard } from "../../../src/metrics/vbench/leaderboard.ts";
import { roundingTolerance } from "../../../src/metrics/vbench/lint.ts";
import {
  competitionScores,
  normalize,
  sensitivity,
  totalOf,
  vbench2Totals,
  vbenchI2vTotals,
  vbenchTotals,
} from "../../../src/metrics/vbench/totals.ts";
import { packageRoot } from "../../../src/tensor/package-root.ts";

const published = readLeaderboard(readFileSync(join(packageRoot, "data/vbench/published.csv"), "utf8"));
const all = (value: number) =>
  Object.fromEntries(vbenchKeys.map((key) => [key, value])) as Record<VbenchKey, number>;

describe("VBench totals", () => {
  it("reproduce every published row to rounding", () => {
    expect(published.length).toBeGreaterThanOrEqual(13);
    const tolerance = roundingTolerance(0.00005);
    for (const { model, raw, printed } of published) {
      const totals = vbenchTotals(raw);
      for (const name of ["quality", "semantic", "total"] as const) {
        expect(Math.abs(totals[name] - printed[name]!), `${model} ${name}`).toBeLessThanOrEqual(
          tolerance[name],
        );
      }
    }
    // The worst rounding of 2-decimal percents is 0.0136 points of a group score.
    expect(100 * tolerance.quality).toBeLessThan(0.0137);
  });

  // Video-T1 (2503.18942) table 2, base and +TTS: total, quality, semantic.
  it.each([
    [81.61, 82.75, 77.04],
    [84.42, 84.32, 84.83],
    [80.91, 82.18, 75.83],
    [83.89, 85.27, 78.39],
    [79.76, 81.35, 73.39],
    [81.65, 81.9, 80.63],
    [81.72, 84.74, 69.62],
    [85.31, 86.84, 79.21],
    [81.61, 84.11, 71.61],
    [86.51, 87.5, 82.56],
    [78.56, 83.79, 57.63],
    [79.8, 84.99, 59.03],
    // Self Forcing, CausVid, Wan2.1-1.3B, LongLive, HunyuanVideo, Veo 3, Wan2.1-14B.
    [84.31, 85.07, 81.28],
    [81.2, 84.05, 69.8],
    [84.26, 85.3, 80.09],
    [84.87, 86.97, 76.47],
    [83.24, 85.09, 75.82],
    [85.06, 85.7, 82.49],
    [83.69, 85.59, 76.11],
  ])("weigh quality four to one: %f from %f and %f", (total, quality, semantic) => {
    expect(Math.abs(totalOf(quality, semantic) - total)).toBeLessThan(0.0105);
  });

  it("give the known total of an all-zero file, which is why a gap is refused", () => {
    expect(100 * vbenchTotals(all(0)).total).toBeCloseTo(-57.17, 2);
    const { scene: _, ...gap } = all(0.5);
    expect(() => vbenchTotals(gap)).toThrow(/1 of 16 dimensions missing \(scene\)/);
    expect(() => vbenchTotals({ ...all(0.5), color: Number.NaN })).toThrow(/missing \(color\)/);
  });

  it("do not clamp", () => {
    expect(normalize("motion_smoothness", 1)).toBeGreaterThan(1);
    expect(normalize("temporal_style", -0.01)).toBeLessThan(0);
    expect(normalize("subject_consistency", 0.1462)).toBe(0);
  });

  it("have the published sensitivities (points of total per point of raw)", () => {
    const expected = {
      subject_consistency: 0.144,
      background_consistency: 0.167,
      temporal_flickering: 0.332,
    } as const;
    for (const [key, value] of Object.entries(expected)) {
      expect(sensitivity(key as VbenchKey).total).toBeCloseTo(value, 3);
    }
    expect(sensitivity("motion_smoothness").total).toBeCloseTo(0.422, 3);
    expect(sensitivity("dynamic_degree").total).toBeCloseTo(0.062, 3);
    expect(sensitivity("scene").total).toBeCloseTo(0.027, 3);
    expect(sensitivity("appearance_style").total).toBeCloseTo(0.078, 3);
    expect(sensitivity("overall_consistency").total).toBeCloseTo(0.061, 3);
  });

  it("are linear: each dimension moves them by its sensitivity, whatever the row", () => {
    const row = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(row, fc.nat(15), fc.double({ min: -0.5, max: 0.5, noNaN: true }), (values, index, step) => {
        const raw = Object.fromEntries(vbenchKeys.map((key, i) => [key, values[i]!])) as Record<
          VbenchKey,
          number
        >;
        const key = vbenchKeys[index]!;
        const moved = vbenchTotals({ ...raw, [key]: raw[key] + step });
        expect(moved.total - vbenchTotals(raw).total).toBeCloseTo(sensitivity(key).total * step, 9);
      }),
    );
    expect(
      vbenchTotals(
        Object.fromEntries(vbenchKeys.map((k) => [k, vbenchDimensions[k].max])) as Record<VbenchKey, number>,
      ).total,
    ).toBeCloseTo(1, 12);
  });
});

describe("sibling suites", () => {
  it("VBench-I2V: camera motion weighs a tenth, dynamics a half, total is the plain mean", () => {
    const raw = {
      camera_motion: 0.4,
      i2v_subject: 0.97,
      i2v_background: 0.98,
      subject_consistency: 0.95,
      background_consistency: 0.96,
      motion_smoothness: 0.98,
      dynamic_degree: 0.5,
      aesthetic_quality: 0.6,
      imaging_quality: 0.7,
    };
    const { i2v, quality, total } = vbenchI2vTotals(raw);
    const n = (v: number, min: number, max: number) => (v - min) / (max - min);
    expect(i2v).toBeCloseTo((0.04 + n(0.97, 0.1462, 1) + n(0.98, 0.2615, 1)) / 2.1, 12);
    expect(quality).toBeCloseTo(
      (n(0.95, 0.1462, 1) + n(0.96, 0.2615, 1) + n(0.98, 0.706, 0.9975) + 0.25 + 0.6 + 0.7) / 5.5,
      12,
    );
    expect(total).toBeCloseTo((i2v + quality) / 2, 12);
    expect(() => vbenchI2vTotals({ camera_motion: 1 })).toThrow(/VBench-I2V row: 8 of 9/);
  });

  it("VBench-2.0: means of five group means, 18 dimensions", () => {
    const keys = Object.values(vbench2Groups).flat();
    expect(keys).toHaveLength(18);
    const raw = Object.fromEntries(keys.map((key) => [key, 0.5])) as Record<(typeof keys)[number], number>;
    const { groups, total } = vbench2Totals({ ...raw, Diversity: 0.9 });
    expect(groups.Creativity).toBeCloseTo(0.7, 12);
    expect(total).toBeCloseTo(0.54, 12);
    expect(() => vbench2Totals({})).toThrow(/18 of 18/);
  });

  it("competition composites: raw values, dynamics at half weight; alternatives carry their name", () => {
    const raw = {
      subject_consistency: 0.9,
      background_consistency: 0.92,
      motion_smoothness: 0.98,
      dynamic_degree: 0.6,
      aesthetic_quality: 0.6,
      imaging_quality: 0.7,
      overall_consistency: 0.2,
      clip_score: 0.3,
    };
    const scores = competitionScores(raw);
    expect(scores).toEqual({
      recipe: "competition",
      temporal: expect.closeTo(3.1 / 3.5, 12),
      frameWise: expect.closeTo(0.65, 12),
      text: expect.closeTo(0.25, 12),
    });
    expect(competitionScores(raw, "equal4")).toMatchObject({
      recipe: "equal4",
      temporal: expect.closeTo(0.85, 12),
    });
    expect(competitionScores(raw, "equal5")).not.toHaveProperty("temporal");
    expect(competitionScores({})).toEqual({ recipe: "competition" });
  });
});
