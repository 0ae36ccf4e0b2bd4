/**
 * A verifier grades a (partial) video for a prompt; search selects by it. It never reports: what is reported is a
 * metric (src/metrics), and a plot where the two coincide says so.
 */
import type { Video } from "../video/video.ts";

/** What is judged: the first frame(s), the motion so far, or the finished clip (Video-T1's three stages). */
export type Stage = "scene" | "motion" | "end";

export interface VerifierInput {
  readonly video: Video;
  readonly prompt: string;
  /** "end" unless the search judges a partial video. */
  readonly stage: Stage;
}

export interface VerifyOptions {
  readonly signal?: AbortSignal;
}

export interface Verifier {
  readonly name: string;
  /** One score per input, higher is better; NaN marks an input that could not be judged. */
  score(inputs: readonly VerifierInput[], options?: VerifyOptions): Promise<readonly number[]>;
  /**
   * Of an ensemble whose verdict depends on whom a video is compared with (ranks): its members and how their scores
   * become verdicts. Search keeps the members' scores and combines them over all who compete.
   */
  readonly ensemble?: EnsembleRule;
}

export interface EnsembleRule {
  readonly members: readonly Verifier[];
  /** @param scores [member][candidate], NaN = not judged; returns one verdict per candidate, NaN if nobody judged it */
  combine(scores: readonly (readonly number[])[]): readonly number[];
}
