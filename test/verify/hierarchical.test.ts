import { expect, test } from "vitest";
import { hierarchical, type PromptSplitter, ruleSplitter } from "../../src/verify/hierarchical.ts";
import type { Verifier } from "../../src/verify/verifier.ts";
import { video } from "../../src/video/video.ts";
import { parsePrompt, promptsOf, scenes } from "../../src/video/world/grammar.ts";

test("rules split every sentence of the grammar into sentences of the grammar", async () => {
  for (const scene of scenes) {
    for (const prompt of promptsOf([scene]).slice(0, 12)) {
      const { scene: first, motion, end } = await ruleSplitter().split(prompt);
      expect(end).toBe(prompt);
      const [whole, start, action] = [prompt, first, motion].map(parsePrompt);
      expect(start!.objects.map(({ colour, shape }) => [colour, shape])).toEqual(
        whole!.objects.map(({ colour, shape }) => [colour, shape]),
      );
      expect(action!.objects.map((object) => object.motion)).toEqual(
        whole!.objects.map((object) => object.motion),
      );
    }
  }
});

test("the scene says nothing of motion, the motion nothing of the background", async () => {
  const split = await ruleSplitter().split("a hollow red ball bounces on the floor");
  expect(split).toEqual({
    scene: "a hollow red ball",
    motion: "a hollow red ball bounces on the floor",
    end: "a hollow red ball bounces on the floor",
  });
  const styled = await ruleSplitter().split("a red ball stays still, striped background");
  expect(styled.motion).toBe("a red ball stays still");
});

test("each stage is asked about its own part, and a prompt is split once; a failed split is tried again", async () => {
  const asked: string[] = [];
  const verifier: Verifier = {
    name: "noting",
    score: async (inputs) => inputs.map(({ prompt, stage }) => asked.push(`${stage}: ${prompt}`)),
  };
  let splits = 0;
  const splitter: PromptSplitter = {
    name: "counting",
    async split() {
      if (++splits === 1) throw new Error("busy");
      return { scene: "A", motion: "B", end: "C" };
    },
  };
  const clip = video({ numFrames: 1, height: 1, width: 1, data: new Float32Array(3) });
  const inputs = (["scene", "motion", "end"] as const).map((stage) => ({ video: clip, prompt: "P", stage }));
  const staged = hierarchical(verifier, { splitter });
  await expect(staged.score(inputs)).rejects.toThrow("busy");
  await staged.score(inputs);
  await staged.score(inputs.slice(2));
  expect(splits).toBe(2);
  expect(asked).toEqual(["scene: A", "motion: B", "end: C", "end: C"]);
});
