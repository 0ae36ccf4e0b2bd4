/** What the oracle says of a model's free rollouts: one row per checkpoint, for the manifest and the log. */

import { type WorldScore, worldScore } from "../../metrics/world-score.ts";
import type { CausalWan } from "../../model/causal-wan.ts";
import { type RolloutOptions, rolloutClip } from "../../sample/rollout.ts";
import type { Codec } from "../../video/codec.ts";
import { clip, type Video } from "../../video/video.ts";
import { trainedChunks, window } from "./mini.ts";

export interface EvaluationOptions
  extends Pick<
    RolloutOptions,
    "steps" | "shift" | "guidanceScale" | "history" | "maxDistance" | "cachePrecision"
  > {
  readonly prompts: readonly string[];
  /** Rollouts per prompt. */
  readonly perPrompt?: number;
  readonly seed?: number;
  /** Length in chunks; cut in segments of the training length. */
  readonly chunks?: number;
  /** Rollouts at once. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

export interface SegmentEvaluation {
  /** From 0. */
  readonly segment: number;
  readonly rollouts: number;
  /** Shares of rollouts. */
  readonly object: number;
  readonly colour: number;
  readonly shape: number;
  readonly motion: number;
  /** Object, colour and motion (and shape) all right. */
  readonly objectColourMotion: number;
  readonly all: number;
  /** Means over rollouts. */
  readonly worldScore: number;
  readonly lostObjectRate: number;
  readonly sceneChange: number;
  readonly sizeDrift: number;
}

export interface Evaluation {
  readonly segments: readonly SegmentEvaluation[];
  /** The clips, prompt by prompt. */
  readonly videos: readonly Video[];
}

export async function evaluateModel(
  model: CausalWan,
  codec: Codec,
  {
    prompts,
    perPrompt = 8,
    seed = 1000,
    chunks = trainedChunks,
    batchSize = 24,
    steps = 10,
    shift = 2,
    guidanceScale = 1,
    history = window,
    maxDistance,
    cachePrecision,
    signal,
  }: EvaluationOptions,
): Promise<Evaluation> {
  const rows = prompts.flatMap((prompt) => Array.from({ length: perPrompt }, () => prompt));
  const videos: Video[] = [];
  for (let from = 0; from < rows.length; from += batchSize) {
    const part = rows.slice(from, from + batchSize);
    const result = await rolloutClip(model, {
      prompts: part,
      chunks,
      seeds: seed + from,
      steps,
      shift,
      guidanceScale,
      history,
      ...(maxDistance !== undefined && { maxDistance }),
      ...(cachePrecision !== undefined && { cachePrecision }),
      codec,
      signal,
    });
    result.latents.dispose();
    videos.push(...result.videos);
  }
  const [frames] = model.chunkShape;
  const length = trainedChunks * frames * codec.frameStride;
  const count = Math.max(1, Math.floor(videos[0]!.numFrames / length));
  const segments = Array.from({ length: count }, (_, segment) => {
    const scores = videos.map((video, i) =>
      worldScore(count === 1 ? video : clip(video, segment * length, (segment + 1) * length), rows[i]!),
    );
    return summary(segment, scores);
  });
  return { segments, videos };
}

function summary(segment: number, scores: readonly WorldScore[]): SegmentEvaluation {
  const share = (test: (score: WorldScore) => boolean) => scores.filter(test).length / scores.length;
  const mean = (value: (score: WorldScore) => number) => {
    const finite = scores.map(value).filter(Number.isFinite);
    return finite.reduce((sum, x) => sum + x, 0) / Math.max(1, finite.length);
  };
  return {
    segment,
    rollouts: scores.length,
    object: share(({ correct }) => correct.object),
    colour: share(({ correct }) => correct.colour),
    shape: share(({ correct }) => correct.shape),
    motion: share(({ correct }) => correct.motion),
    objectColourMotion: share(({ correct }) => correct.object && correct.colour && correct.motion),
    all: share(({ correct }) => correct.all),
    worldScore: mean(({ total }) => total),
    lostObjectRate: mean(({ measures }) => measures.lostObjectRate),
    sceneChange: mean(({ measures }) => measures.sceneChange),
    sizeDrift: mean(({ measures }) => measures.sizeDrift),
  };
}
