import { expect, test } from "vitest";
import { worldScore } from "../../src/metrics/world-score.ts";
import { oracle } from "../../src/verify/oracle.ts";
import { clip } from "../../src/video/video.ts";
import { worldClip } from "../../src/video/world/world.ts";

const prompt = "a red ball bounces on the floor";
const { video } = worldClip(prompt, { seed: 1 });
const ask = async (
  options: Parameters<typeof oracle>[0],
  input: Partial<{ prompt: string; stage: "scene" | "end"; frames: number }> = {},
) =>
  (
    await oracle(options).score([
      {
        video: clip(video, 0, input.frames ?? video.numFrames),
        prompt: input.prompt ?? prompt,
        stage: input.stage ?? "end",
      },
    ])
  )[0]!;

test("it is the world score, whole or in parts", async () => {
  const score = worldScore(video, prompt);
  expect(await ask({})).toBe(score.total);
  expect(await ask({ by: "semantic" })).toBe(score.semantic);
  expect(await ask({ by: ["right_colour", "right_shape"] })).toBe(
    (score.dimensions.right_colour + score.dimensions.right_shape) / 2,
  );
});

test("a first chunk of two frames is judged as a picture: colour counts, motion does not", async () => {
  const own = await ask({}, { stage: "scene", frames: 2 });
  expect(own).toBeGreaterThan(0.9);
  expect(
    await ask({}, { stage: "scene", frames: 2, prompt: "a blue ball bounces on the floor" }),
  ).toBeLessThan(own - 0.05);
  expect(await ask({}, { stage: "scene", frames: 2, prompt: "a red ball stays still" })).toBeCloseTo(own, 1);
});

test("true clips score high, wrong prompts lower; an unknown dimension is refused", async () => {
  expect(await ask({})).toBeGreaterThan(0.9);
  expect(await ask({ by: "semantic" }, { prompt: "a green square stays still" })).toBeLessThan(0.8);
  expect(() => oracle({ by: ["beauty" as "right_colour"] })).toThrow("Cannot judge by [beauty]");
  expect(() => oracle({ by: [] })).toThrow("Name at least one");
});
