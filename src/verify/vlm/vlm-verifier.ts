/**
 * A vision-language model as verifier: yes/no questions about a few frames, or a number.
 *
 *   probability   P(yes) / (P(yes) + P(no)) of the first token where the endpoint gives log-probabilities, else 0 or 1
 *   answers       +1 for yes, -1 for no: what VisionReward and Video-T1 count
 *   rating        one number from 0 to 10, as 0 to 1; the question set is not used
 *
 * An answer that is neither yes nor no (nor a number) is asked for again; after `maxAsks` it is a `VerdictError` that
 * keeps the raw answer. The search marks that candidate and goes on.
 */
import type { Verifier, VerifierInput, VerifyOptions } from "../verifier.ts";
import type { VlmAnswer, VlmClient, VlmRequest } from "./client.ts";
import { type QuestionSet, stageQuestions } from "./questions.ts";
import { type SampleOptions, sampledFrames } from "./sampled-frames.ts";

/** The model answered, but not the question. */
export class VerdictError extends Error {
  override readonly name = "VerdictError";
  readonly rawAnswer: string;
  constructor(message: string, rawAnswer: string) {
    super(message);
    this.rawAnswer = rawAnswer;
  }
}

export interface VlmVerifierOptions extends SampleOptions {
  /** Default: Video-T1's stage questions. */
  readonly questions?: QuestionSet;
  /** Default "probability". */
  readonly scoring?: "probability" | "answers" | "rating";
  /** Times a question is asked until the answer is usable; default 3. */
  readonly maxAsks?: number;
}

const instruction = "You judge short video clips, given as frames in order. Answer with a bare yes or no.";
const ratingInstruction =
  "You judge short video clips, given as frames in order. Answer with a bare number from 0 to 10.";

export function vlmVerifier(client: VlmClient, options: VlmVerifierOptions = {}): Verifier {
  const { questions = stageQuestions(), scoring = "probability", maxAsks = 3, ...sample } = options;

  async function verdict<T>(
    request: VlmRequest,
    read: (answer: VlmAnswer) => T | undefined,
    wanted: string,
    signal?: AbortSignal,
  ): Promise<T> {
    let last = "";
    for (let attempt = 0; attempt < maxAsks; attempt++) {
      const answer = await client.ask({ ...request, attempt }, signal ? { signal } : {});
      const found = read(answer);
      if (found !== undefined) return found;
      last = answer.text;
    }
    throw new VerdictError(
      `Cannot read ${wanted} from ${client.model}'s answer to "${request.question}" in ${maxAsks} attempts: the last was "${last.slice(0, 200)}". Use a model that follows the instruction, or another "scoring".`,
      last,
    );
  }

  async function judge({ video, prompt, stage }: VerifierInput, signal?: AbortSignal): Promise<number> {
    const frames = sampledFrames(video, sample);
    if (scoring === "rating") {
      const question = `How well does the clip show "${prompt}", from 0 (not at all) to 10 (perfectly)?`;
      return verdict(
        { system: ratingInstruction, question, frames },
        readRating,
        "a number from 0 to 10",
        signal,
      );
    }
    const asked = questions.of(stage).map(async ({ text, weight }) => {
      const request = {
        system: instruction,
        question: text.replaceAll("{prompt}", prompt),
        frames,
        logprobs: scoring === "probability",
      };
      const yes = await verdict(
        request,
        scoring === "probability" ? yesProbability : yesOrNo,
        "yes or no",
        signal,
      );
      return weight * (scoring === "probability" ? yes : 2 * yes - 1);
    });
    const parts = await Promise.all(asked);
    const sum = parts.reduce((total, part) => total + part, 0);
    const weights = questions.of(stage).reduce((total, { weight }) => total + weight, 0);
    return scoring === "probability" ? sum / weights : sum / parts.length;
  }

  return Object.freeze({
    name: scoring === "rating" ? `${client.model} rating` : `${client.model} ${questions.name} (${scoring})`,
    score: (inputs: readonly VerifierInput[], { signal }: VerifyOptions = {}) =>
      Promise.all(inputs.map((input) => judge(input, signal))),
  });
}

/** 1 for yes, 0 for no, undefined for anything else: the first word decides. */
function yesOrNo({ text }: VlmAnswer): number | undefined {
  const word = /[a-z]+/i.exec(text)?.[0].toLowerCase();
  return word === "yes" ? 1 : word === "no" ? 0 : undefined;
}

function yesProbability(answer: VlmAnswer): number | undefined {
  const mass = (wanted: string): number =>
    (answer.alternatives ?? [])
      .filter(({ token }) => token.trim().toLowerCase() === wanted)
      .reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
  const [yes, no] = [mass("yes"), mass("no")];
  return yes + no > 0 ? yes / (yes + no) : yesOrNo(answer);
}

function readRating({ text }: VlmAnswer): number | undefined {
  const value = Number.parseFloat(/\d+(\.\d+)?/.exec(text)?.[0] ?? "");
  return value >= 0 && value <= 10 ? value / 10 : undefined;
}
