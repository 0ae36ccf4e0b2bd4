/** Asking a verifier so that one bad verdict, or a verifier that throws, never ends a search. */
import type { Stage, Verifier } from "../verify/verifier.ts";
import type { Video } from "../video/video.ts";

export interface Verdict {
  /** null where it failed, or where only `parts` count. */
  readonly score: number | null;
  readonly parts?: readonly (number | null)[];
  readonly failure?: string;
}

/** The verdict on each video: one score, or one part per member of an ensemble. */
export async function judge(
  verifier: Verifier,
  videos: readonly Video[],
  prompt: string,
  stage: Stage,
  signal?: AbortSignal,
): Promise<Verdict[]> {
  if (!verifier.ensemble) return judgeAlone(verifier, videos, prompt, stage, signal);
  const { members } = verifier.ensemble;
  const verdicts = await Promise.all(
    members.map((member) => judgeAlone(member, videos, prompt, stage, signal)),
  );
  return videos.map((_, i) => {
    const parts = verdicts.map((member) => member[i]!.score);
    const failure = verdicts.map((member) => member[i]!.failure).find((reason) => reason !== undefined);
    const allFailed = failure !== undefined && parts.every((part) => part === null);
    return { score: null, parts, ...(allFailed && { failure }) };
  });
}

/** One that throws takes nothing else down: where a batch fails, its videos are asked about one by one. */
async function judgeAlone(
  verifier: Verifier,
  videos: readonly Video[],
  prompt: string,
  stage: Stage,
  signal?: AbortSignal,
): Promise<Verdict[]> {
  try {
    const inputs = videos.map((video) => ({ video, prompt, stage }));
    const scores = await verifier.score(inputs, signal ? { signal } : {});
    if (scores.length !== inputs.length) {
      throw new Error(`${verifier.name} returned ${scores.length} scores for ${inputs.length} videos`);
    }
    return scores.map((score) =>
      Number.isFinite(score) ? { score } : { score: null, failure: `${verifier.name} returned ${score}` },
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (videos.length === 1)
      return [{ score: null, failure: error instanceof Error ? error.message : String(error) }];
    const verdicts: Verdict[] = [];
    for (const video of videos)
      verdicts.push(...(await judgeAlone(verifier, [video], prompt, stage, signal)));
    return verdicts;
  }
}
