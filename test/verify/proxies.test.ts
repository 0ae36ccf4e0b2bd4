import { describe, expect, test } from "vitest";
import { rng } from "../../src/tensor/rng.ts";
import { oracle } from "../../src/verify/oracle.ts";
import {
  colorProxy,
  motionProxy,
  shapeProxy,
  sharpnessProxy,
  smoothnessProxy,
  vividProxy,
} from "../../src/verify/proxies.ts";
import type { Verifier } from "../../src/verify/verifier.ts";
import { type Video, video } from "../../src/video/video.ts";
import { worldClip } from "../../src/video/world/world.ts";

const prompt = "a red ball glides sideways";
const seeds = [0, 1, 2, 3, 4, 5, 6, 7];
const clips = (text: string) => seeds.map((seed) => worldClip(text, { seed }).video);
const average = async (verifier: Verifier, videos: readonly Video[], text = prompt) => {
  const scores = await verifier.score(
    videos.map((clip) => ({ video: clip, prompt: text, stage: "end" as const })),
  );
  return scores.reduce((a, b) => a + b, 0) / scores.length;
};
const change = (videos: readonly Video[], edit: (data: Float32Array, seed: number) => Float32Array) =>
  videos.map((clip, seed) => video({ ...clip, data: edit(clip.data, seed) }));
const frozen = change(clips(prompt), (data) => data.map((_, i) => data[i % (32 * 32 * 3)]!));
const cluttered = change(clips(prompt), (data, seed) => {
  const noise = rng(seed).normal(data.length);
  return data.map((value, i) => Math.max(-1, Math.min(1, value + 0.5 * noise[i]!)));
});
const saturated = change(clips(prompt), (data) => data.map((_, i) => (i % 3 === 0 ? 1 : -1)));

describe("each proxy goes up with what it measures and is blind to the rest", () => {
  test("color", async () => {
    expect(await average(colorProxy(), clips(prompt))).toBeGreaterThan(0.9);
    expect(await average(colorProxy(), clips("a blue ball glides sideways"))).toBeLessThan(0.2);
    expect(await average(colorProxy(), clips("a red square stays still"))).toBeGreaterThan(0.9);
  });
  test("shape", async () => {
    const own = await average(shapeProxy(), clips(prompt));
    expect(own).toBeGreaterThan(
      (await average(shapeProxy(), clips("a red triangle glides sideways"))) + 0.15,
    );
    expect(await average(shapeProxy(), clips("a blue ball stays still"))).toBeGreaterThan(own - 0.15);
  });
  test("motion", async () => {
    const own = await average(motionProxy(), clips(prompt));
    expect(own).toBeGreaterThan((await average(motionProxy(), clips("a red ball glides vertically"))) + 0.3);
    expect(own).toBeGreaterThan((await average(motionProxy(), frozen)) + 0.3);
    expect(await average(motionProxy(), clips("a blue square glides sideways"))).toBeGreaterThan(own - 0.15);
  });
  test("smoothness", async () => {
    const own = await average(smoothnessProxy(), clips(prompt));
    expect(await average(smoothnessProxy(), frozen)).toBe(1);
    expect(await average(smoothnessProxy(), cluttered)).toBeLessThan(own - 0.1);
    expect(await average(smoothnessProxy(), clips("a blue square glides sideways"))).toBeCloseTo(own, 1);
  });
  test("sharpness", async () => {
    const own = await average(sharpnessProxy(), clips(prompt));
    expect(await average(sharpnessProxy(), cluttered)).toBeGreaterThan(2 * own);
    expect(await average(sharpnessProxy(), saturated)).toBe(0);
  });
});

test("the vivid proxy is hacked by a picture that is all colour and no ball", async () => {
  const own = await average(vividProxy(), clips(prompt));
  expect(own).toBeGreaterThan(await average(vividProxy(), clips("a blue ball glides sideways")));
  expect(await average(vividProxy(), saturated)).toBeGreaterThan(own + 1);
  expect(await average(motionProxy(), saturated)).toBeLessThan(0.1);
});

test("scores do not depend on what is judged together, and a prompt outside the grammar names the grammar", async () => {
  const inputs = clips(prompt).map((clip) => ({ video: clip, prompt, stage: "end" as const }));
  for (const verifier of [
    colorProxy(),
    shapeProxy(),
    motionProxy(),
    smoothnessProxy(),
    sharpnessProxy(),
    vividProxy(),
  ]) {
    expect((await verifier.score(inputs.slice(3, 4)))[0]).toBe((await verifier.score(inputs))[3]);
  }
  await expect(average(colorProxy(), clips(prompt), "a dog")).rejects.toThrow("grammar");
});

test.each([Number.NaN, Number.POSITIVE_INFINITY])(
  "no verdict on a clip with a pixel of %d, and none the less on the clip beside it",
  async (broken) => {
    const [whole, other] = clips(prompt);
    const data = new Float32Array(whole!.data);
    data[5_000] = broken;
    const inputs = [video({ ...whole!, data }), other!].map((clip) => ({
      video: clip,
      prompt,
      stage: "end" as const,
    }));
    for (const verifier of [
      oracle(),
      colorProxy(),
      shapeProxy(),
      motionProxy(),
      smoothnessProxy(),
      sharpnessProxy(),
      vividProxy(),
    ]) {
      const [bad, good] = await verifier.score(inputs);
      expect(bad, verifier.name).toBeNaN();
      expect(Number.isFinite(good), verifier.name).toBe(true);
    }
  },
);
