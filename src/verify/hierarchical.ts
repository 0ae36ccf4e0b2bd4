/**
 * Hierarchical prompting: Video-T1 (2503.18942, section 3.2). A prompt is split into what the first frame must show,
 * what must happen, and how it must end; each stage of a search is judged by its own part. The generator never sees
 * the parts. (The released code uses only the second part for all stages; here all three count.)
 */
import { parsePrompt } from "../video/world/grammar.ts";
import type { Stage, Verifier, VerifierInput, VerifyOptions } from "./verifier.ts";

/** One sub-prompt per stage. */
export type SubPrompts = Readonly<Record<Stage, string>>;

export interface PromptSplitter {
  readonly name: string;
  split(prompt: string, options?: VerifyOptions): Promise<SubPrompts>;
}

/** `verifier`, asked about the sub-prompt of the stage. A prompt is split once. */
export function hierarchical(
  verifier: Verifier,
  { splitter = ruleSplitter() }: { readonly splitter?: PromptSplitter } = {},
): Verifier {
  const splits = new Map<string, Promise<SubPrompts>>();
  const splitOf = (prompt: string, options: VerifyOptions | undefined): Promise<SubPrompts> => {
    const found = splits.get(prompt);
    if (found) return found;
    const made = splitter.split(prompt, options);
    splits.set(prompt, made);
    made.catch(() => splits.delete(prompt));
    return made;
  };
  return Object.freeze({
    name: `${verifier.name} by stage (${splitter.name})`,
    async score(inputs: readonly VerifierInput[], options?: VerifyOptions) {
      const asked = inputs.map(async (input) => ({
        ...input,
        prompt: (await splitOf(input.prompt, options))[input.stage],
      }));
      return verifier.score(await Promise.all(asked), options);
    },
  });
}

/**
 * Splits sentences of the world's grammar, into sentences of the same grammar: the scene without motion, the motion
 * without background, the whole sentence.
 * @throws RangeError for a prompt outside the grammar
 */
export function ruleSplitter(): PromptSplitter {
  return Object.freeze({
    name: "rules",
    async split(prompt: string) {
      const { scene, objects } = parsePrompt(prompt);
      const motion = prompt.replace(/,?\s*(?:on\s+)?(?:a\s+)?\w+\s+background\s*$/i, "");
      const named = objects.map(
        ({ hollow, colour, shape }) => `a ${hollow ? "hollow " : ""}${colour} ${shape}`,
      );
      // Where the first frame already shows the relation, or the thing is not an object, the sentence stays whole.
      const isWhole = scene === "relation" || scene === "pour" || scene === "occlude";
      return { scene: isWhole ? motion : named.join(" and "), motion, end: prompt };
    },
  });
}
