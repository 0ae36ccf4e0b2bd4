import { describe, expect, it } from "vitest";
import {
  meanWorldScore,
  scoreSegments,
  type WorldDimension,
  worldDimensions,
  worldScore,
  worldTotals,
} from "../../src/metrics/world-score.ts";
import { video } from "../../src/video/video.ts";
import { type Scene, scenes } from "../../src/video/world/grammar.ts";
import { world, worldClip } from "../../src/video/world/world.ts";
import * as corruptions from "./corruptions.ts";

const perSet = 20;

function table(set: readonly Scene[], spoil: corruptions.Corruption, numFrames = 16, count = perSet) {
  const clips = world({ scenes: set, numClips: count, numFrames, seed: 9 });
  return meanWorldScore(
    Array.from({ length: count }, (_, i) => {
      const example = clips.clip(i);
      return worldScore(spoil(example, i), example.prompt);
    }),
  ).dimensions;
}

const single = ["still", "glide", "bounce"] as const;
const moving = ["glide", "bounce"] as const;

/** Each corruption lowers the named dimensions to below 0.8 and leaves every other above 0.9. */
const rows: readonly [string, readonly Scene[], corruptions.Corruption, readonly WorldDimension[]][] = [
  ["noise", single, corruptions.noise, ["clean_picture", "steady_light"]],
  ["blur", single, corruptions.blur, ["crisp_edges"]],
  [
    "frame shuffle",
    moving,
    corruptions.shuffle,
    ["smooth_motion", "right_motion", "right_pace", "whole_prompt"],
  ],
  ["frozen motion", moving, corruptions.frozen, ["liveliness", "right_motion", "right_pace", "whole_prompt"]],
  ["wrong colour", single, corruptions.wrongColour, ["right_colour", "whole_prompt"]],
  [
    "missing object",
    single,
    corruptions.missingObject,
    worldDimensions.filter(
      (d) => !["scene_stability", "steady_light", "clean_picture", "right_scenery"].includes(d),
    ),
  ],
  ["drift", single, corruptions.drift, ["scene_stability"]],
  ["flicker", single, corruptions.flicker, ["steady_light"]],
  [
    "level drop",
    ["pour"],
    corruptions.levelDrop,
    ["object_permanence", "liveliness", "right_motion", "right_pace", "whole_prompt"],
  ],
];

describe("world score", () => {
  it.each(scenes)("is near its maximum in every dimension on true clips: %s", (scene) => {
    for (const [numFrames, count] of [
      [16, perSet],
      [48, 8],
    ] as const) {
      const dimensions = table([scene], ({ video: v }) => v, numFrames, count);
      for (const name of worldDimensions)
        expect(dimensions[name], `${name}, ${numFrames} frames`).toBeGreaterThan(0.9);
    }
  });

  it.each(rows)("%s lowers the dimensions it should, and no others", (_, set, spoil, lowered) => {
    const dimensions = table(set, spoil);
    for (const name of worldDimensions) {
      if (lowered.includes(name)) expect(dimensions[name], name).toBeLessThan(0.8);
      else expect(dimensions[name], name).toBeGreaterThan(0.9);
    }
  });

  it("tells object, colour, shape and motion apart", () => {
    const { video: red } = worldClip("a red ball glides sideways", { seed: 1 });
    const correct = (prompt: string) => worldScore(red, prompt).correct;
    expect(correct("a red ball glides sideways")).toEqual({
      object: true,
      colour: true,
      shape: true,
      motion: true,
      all: true,
    });
    expect(correct("a blue ball glides sideways")).toMatchObject({
      colour: false,
      shape: true,
      motion: true,
      all: false,
    });
    expect(correct("a red square glides sideways")).toMatchObject({ colour: true, shape: false, all: false });
    expect(correct("a red ball bounces on the floor")).toMatchObject({
      shape: true,
      motion: false,
      all: false,
    });
    expect(correct("a red ball left of a blue square")).toMatchObject({ object: false, all: false });
  });

  it("knows relations and directions by their sign", () => {
    const { video: v } = worldClip("a red ball left of a blue square", { seed: 3 });
    expect(worldScore(v, "a red ball left of a blue square").dimensions.right_arrangement).toBe(1);
    expect(worldScore(v, "a red ball right of a blue square").dimensions.right_arrangement).toBe(0);
    expect(worldScore(v, "a red ball above a blue square").dimensions.right_arrangement).toBe(0);
    const { video: w } = worldClip("a red ball moves left slowly", { seed: 3 });
    expect(worldScore(w, "a red ball moves right slowly").correct.motion).toBe(false);
    expect(worldScore(w, "a red ball moves left quickly").dimensions.right_pace).toBe(0);
  });

  it("reads speed words on glides too", () => {
    const pace = (made: string, asked: string) =>
      worldScore(worldClip(made, { seed: 6 }).video, asked).dimensions.right_pace;
    expect(pace("a red ball glides sideways slowly", "a red ball glides sideways slowly")).toBe(1);
    expect(
      pace("a red ball glides diagonally quickly", "a red ball glides diagonally quickly"),
    ).toBeGreaterThan(0.9);
    expect(pace("a red ball glides sideways slowly", "a red ball glides sideways quickly")).toBe(0);
    expect(pace("a red ball glides sideways quickly", "a red ball glides sideways slowly")).toBe(0);
  });

  it("excuses the hidden object behind a wall, not the lost one", () => {
    const hidden = worldClip("a green ball passes behind a wall", { seed: 2, numFrames: 32 });
    expect(worldScore(hidden.video, hidden.prompt).measures.lostObjectRate).toBe(0);
    const lost = corruptions.missingObject(hidden, 0);
    expect(worldScore(lost, hidden.prompt).measures.lostObjectRate).toBe(1);
  });

  it("scores segments against the start of the whole clip", () => {
    const clip = worldClip("a cyan square glides diagonally", { seed: 8, numFrames: 48 });
    const steady = scoreSegments(clip.video, clip.prompt, 3);
    expect(steady.map((s) => s.numFrames)).toEqual([16, 16, 16]);
    for (const segment of steady) expect(segment.total).toBeGreaterThan(0.97);
    const walking = scoreSegments(corruptions.drift(clip, 0), clip.prompt, 3).map(
      (s) => s.measures.sceneChange,
    );
    expect(walking[0]!).toBeLessThan(walking[1]!);
    expect(walking[1]!).toBeLessThan(walking[2]!);
  });

  it("weighs liveliness half and quality four to one, and refuses a total with a gap", () => {
    const ones = Object.fromEntries(worldDimensions.map((d) => [d, 1])) as Record<WorldDimension, number>;
    expect(worldTotals(ones)).toEqual({ quality: 1, semantic: 1, total: 1 });
    expect(worldTotals({ ...ones, liveliness: 0 }).quality).toBeCloseTo(6 / 6.5, 12);
    expect(worldTotals({ ...ones, whole_prompt: 0 }).total).toBeCloseTo((4 + 8 / 9) / 5, 12);
    const { right_pace: _, ...gap } = ones;
    expect(() => worldTotals(gap)).toThrow(/right_pace missing\. Measure all 16/);
  });

  it("gives 0, not NaN, for what cannot be seen in black, noise or NaN clips", () => {
    for (const fill of [-1, Number.NaN]) {
      const black = video({
        numFrames: 8,
        height: 32,
        width: 32,
        data: new Float32Array(8 * 32 * 32 * 3).fill(fill),
      });
      const score = worldScore(black, "a red ball glides sideways");
      for (const name of worldDimensions) expect(score.dimensions[name], name).not.toBeNaN();
      expect(score.correct.all).toBe(false);
      expect(score.dimensions.object_permanence).toBe(0);
    }
  });

  it("names the remedy for what it cannot score", () => {
    const { video: v } = worldClip("a red ball stays still", { numFrames: 3 });
    expect(() => worldScore(v, "a red ball stays still")).toThrow(/motion needs at least 4/);
    expect(() => scoreSegments(v, "a red ball stays still", 2)).toThrow(/Give fewer segments/);
    const small = video({ numFrames: 4, height: 8, width: 8, data: new Float32Array(4 * 8 * 8 * 3) });
    expect(() => worldScore(small, "a red ball stays still")).toThrow(/multiple of 32/);
    expect(() => worldScore(v, "an elephant")).toThrow();
  });

  it("reads larger frames as well as the native ones", () => {
    const clip = worldClip("a yellow triangle bounces on the floor", { seed: 4, size: 64 });
    expect(worldScore(clip.video, clip.prompt).total).toBeGreaterThan(0.95);
  });
});
