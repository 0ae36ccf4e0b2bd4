/**
 * The oracle as verifier: it reads a clip of the procedural world back to objects and paths and gives the world score.
 * It is the upper bound that Video-T1 has in VBench itself. Where it selects, it must not also be what is reported as
 * quality, or the plot has to say so.
 */
import { type WorldDimension, worldDimensions, worldScore } from "../metrics/world-score.ts";
import { type Video, video } from "../video/video.ts";
import { hasPixels } from "./pixels.ts";
import type { Stage, Verifier, VerifierInput } from "./verifier.ts";

export interface OracleOptions {
  /** What a finished or moving clip is judged by; default "total". */
  readonly by?: "total" | "quality" | "semantic" | readonly WorldDimension[];
}

/** What can be seen in a picture: all that a first chunk is judged by. */
const inPicture: readonly WorldDimension[] = [
  "clean_picture",
  "crisp_edges",
  "right_shape",
  "right_count",
  "right_colour",
  "right_arrangement",
  "right_scenery",
  "right_style",
];

/**
 * Stage "scene" is judged by the eight dimensions of a picture, the others by `by`.
 * @throws RangeError for an unknown dimension; scoring throws for prompts or frames that are not the world's
 */
export function oracle({ by = "total" }: OracleOptions = {}): Verifier {
  const unknown =
    typeof by === "string" ? [] : by.filter((dimension) => !worldDimensions.includes(dimension));
  if (unknown.length > 0 || by.length === 0) {
    throw new RangeError(
      `Cannot judge by [${unknown.join(", ")}]: the dimensions are ${worldDimensions.join(", ")}. Name at least one of them.`,
    );
  }
  const judge = (clip: Video, prompt: string, stage: Stage): number => {
    const score = worldScore(atLeastFour(clip), prompt);
    if (stage !== "scene" && typeof by === "string") return score[by];
    const dimensions = stage === "scene" ? inPicture : (by as readonly WorldDimension[]);
    return dimensions.reduce((sum, dimension) => sum + score.dimensions[dimension], 0) / dimensions.length;
  };
  return Object.freeze({
    name: by === "total" ? "oracle" : `oracle ${typeof by === "string" ? by : by.join(" ")}`,
    score: async (inputs: readonly VerifierInput[]) =>
      inputs.map(({ video, prompt, stage }) => (hasPixels(video) ? judge(video, prompt, stage) : Number.NaN)),
  });
}

/** A partial clip may be shorter than the oracle's four frames: its last frame then stands still. */
function atLeastFour(clip: Video): Video {
  if (clip.numFrames >= 4) return clip;
  const size = clip.height * clip.width * 3;
  const last = clip.data.subarray(clip.data.length - size);
  const data = new Float32Array(4 * size);
  data.set(clip.data);
  for (let frame = clip.numFrames; frame < 4; frame++) data.set(last, frame * size);
  return video({ ...clip, numFrames: 4, data });
}
