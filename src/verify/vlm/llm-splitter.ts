/**
 * Splits a free-text prompt by a language model into scene, motion and end state (Video-T1's hierarchical prompting).
 * The answer must end in a JSON list of three strings; anything else is asked for again.
 */
import type { PromptSplitter } from "../hierarchical.ts";
import type { VerifyOptions } from "../verifier.ts";
import type { VlmClient } from "./client.ts";
import { VerdictError } from "./vlm-verifier.ts";

const instruction = [
  "Divide a description of a video into three short descriptions:",
  "what the first frame shows, with every object, standing still; what moves and how, for every object; how the video ends.",
  'Answer with a JSON list of three strings and nothing else. For "a dog jumps over a fence" answer',
  '["a dog before a fence", "the dog jumps over the fence", "the dog stands behind the fence"].',
].join(" ");

/** @param maxAsks times the model is asked until it answers in form; default 4 */
export function llmSplitter(
  client: VlmClient,
  { maxAsks = 4 }: { readonly maxAsks?: number } = {},
): PromptSplitter {
  return Object.freeze({
    name: client.model,
    async split(prompt: string, { signal }: VerifyOptions = {}) {
      let last = "";
      for (let attempt = 0; attempt < maxAsks; attempt++) {
        const request = { system: instruction, question: prompt, maxTokens: 512, attempt };
        const { text } = await client.ask(request, signal ? { signal } : {});
        const parts = lastList(text);
        if (parts) return { scene: parts[0], motion: parts[1], end: parts[2] };
        last = text;
      }
      throw new VerdictError(
        `Cannot split "${prompt.slice(0, 80)}" as ${client.model} did not answer with three strings in ${maxAsks} attempts: the last was "${last.slice(0, 200)}". Use another model or ruleSplitter().`,
        last,
      );
    },
  });
}

/** The last bracketed list of exactly three non-empty strings that is not the example of the instruction. */
function lastList(text: string): [string, string, string] | undefined {
  for (const match of [...text.matchAll(/\[[^[\]]*\]/g)].reverse()) {
    try {
      const parsed: unknown = JSON.parse(match[0]);
      const fits =
        Array.isArray(parsed) &&
        parsed.length === 3 &&
        parsed.every((part) => typeof part === "string" && part.trim() !== "");
      if (fits && !parsed[0].startsWith("a dog before a fence")) return parsed as [string, string, string];
    } catch {
      // Not JSON: an earlier bracket may be.
    }
  }
  return undefined;
}
