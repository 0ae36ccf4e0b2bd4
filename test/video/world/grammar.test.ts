import { describe, expect, it } from "vitest";
import {
  maxPromptTokens,
  parsePrompt,
  promptsOf,
  scenes,
  tokenize,
  vocabulary,
} from "../../../src/video/world/grammar.ts";

describe("grammar", () => {
  it("parses every prompt it can make into the scene it was made for, and no two alike", () => {
    for (const scene of scenes) {
      const prompts = promptsOf([scene]);
      expect(new Set(prompts).size).toBe(prompts.length);
      for (const prompt of prompts) expect(parsePrompt(prompt).scene, prompt).toBe(scene);
    }
    expect(promptsOf(["still", "glide", "bounce"]).length).toBe(90);
  });

  it("knows every word it uses, within the token limit", () => {
    const warnings: string[] = [];
    for (const prompt of promptsOf()) {
      const ids = tokenize(prompt, { warn: (message) => warnings.push(message) });
      expect(ids.length).toBeLessThanOrEqual(maxPromptTokens);
      expect(ids.every((id) => id >= 2 && id < vocabulary.length)).toBe(true);
    }
    expect(warnings).toEqual([]);
    expect(tokenize("")).toEqual([]);
  });

  it("reads demands: objects, motion, speed, relation, background", () => {
    expect(parsePrompt("A red circle moves left quickly")).toEqual({
      scene: "move",
      objects: [{ colour: "red", shape: "ball", hollow: false, motion: "left", speed: "quickly" }],
      wall: false,
    });
    expect(parsePrompt("a blue box glides up and down, striped background")).toMatchObject({
      scene: "style",
      background: "striped",
      objects: [{ colour: "blue", shape: "square", motion: "vertically" }],
    });
    expect(parsePrompt("a red ball left of a green triangle")).toMatchObject({ relation: "left of" });
    expect(parsePrompt("a red ball")).toMatchObject({ objects: [{ colour: "red", shape: "ball" }] });
    expect(parsePrompt("cyan water pours into a glass slowly").water).toEqual({
      colour: "cyan",
      speed: "slowly",
    });
  });

  it("warns of unknown words and tells the known ones", () => {
    const warnings: string[] = [];
    const ids = tokenize("a red elephant bounces", { warn: (message) => warnings.push(message) });
    expect(ids).toEqual([2, 3, 1, vocabulary.indexOf("bounces")]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("elephant");
    expect(warnings[0]).toContain("magenta");
  });

  it("shows a huge prompt by its beginning", () => {
    const warnings: string[] = [];
    const warn = (message: string) => warnings.push(message);
    const huge = "a red elephant of many names ".repeat(2000);
    tokenize(huge, { warn });
    tokenize(Array.from({ length: 50 }, (_, i) => `name${String.fromCharCode(97 + i)}`).join(" "), { warn });
    expect(warnings).toHaveLength(4);
    for (const warning of warnings) expect(warning.length).toBeLessThan(1000);
    expect(warnings[1]).toContain("(58000 characters) has 12000 words; only the first 16 are read.");
    expect(warnings[2]).toMatch(/and \d+ more\. Known words:/);
    expect(() => parsePrompt(huge)).toThrow("(58000 characters) as a sentence");
  });

  it("refuses sentences outside the grammar with examples", () => {
    expect(() => parsePrompt("a bear climbs a tree")).toThrow(
      /Cannot read the prompt "a bear climbs a tree".*"a red ball stays still"/,
    );
  });
});
