/**
 * How a clip changes from its start to its end. `lookDrift` needs no prompt and no oracle (any video); `worldDrift`
 * follows the oracle's measures through segments of a world clip. Both are read against the clip's own start, and give a
 * curve, its slope, and the difference of late to early.
 */
import { clip, type Video } from "../video/video.ts";
import { scoreSegments, type WorldScore } from "./world-score.ts";

export interface DriftCurve {
  /** One value a segment; 0 or the starting level first. */
  readonly values: readonly number[];
  /** Least-squares change from one segment to the next. */
  readonly slope: number;
  /** Last minus first. */
  readonly change: number;
}

/** Slope and change of a curve. @throws RangeError for fewer than two values. */
export function driftCurve(values: readonly number[]): DriftCurve {
  const n = values.length;
  if (n < 2)
    throw new RangeError(
      `Cannot measure drift over ${n} segment: it needs at least two. Cut the clip in more parts.`,
    );
  const middle = (n - 1) / 2;
  let [along, spread] = [0, 0];
  values.forEach((value, k) => {
    along += (k - middle) * value;
    spread += (k - middle) ** 2;
  });
  return { values, slope: along / spread, change: values[n - 1]! - values[0]! };
}

interface Look {
  readonly mean: readonly [number, number, number];
  readonly contrast: number;
  readonly saturation: number;
}

/** Mean colour, contrast (standard deviation of luma) and saturation of all pixels, in [0, 1]. */
function look(video: Video): Look {
  const mean: [number, number, number] = [0, 0, 0];
  let [luma, squares, saturation] = [0, 0, 0];
  const pixels = video.data.length / 3;
  for (let p = 0; p < pixels; p++) {
    const [r, g, b] = [0, 1, 2].map((c) => (video.data[p * 3 + c]! + 1) / 2) as [number, number, number];
    mean[0] += r / pixels;
    mean[1] += g / pixels;
    mean[2] += b / pixels;
    const y = 0.299 * r + 0.587 * g + 0.114 * b;
    luma += y / pixels;
    squares += (y * y) / pixels;
    saturation += (Math.max(r, g, b) - Math.min(r, g, b)) / pixels;
  }
  return { mean, contrast: Math.sqrt(Math.max(0, squares - luma * luma)), saturation };
}

export interface LookDrift {
  /** Mean absolute change of the mean colour against the first segment. */
  readonly colour: DriftCurve;
  /** Contrast and saturation themselves: long rollouts typically over- or undershoot one of them. */
  readonly contrast: DriftCurve;
  readonly saturation: DriftCurve;
}

function cut(video: Video, parts: number): Video[] {
  if (!(Number.isInteger(parts) && parts >= 2 && video.numFrames >= parts)) {
    throw new RangeError(
      `Cannot cut ${video.numFrames} frames into ${parts} parts: give 2 to ${video.numFrames}.`,
    );
  }
  const length = Math.floor(video.numFrames / parts);
  return Array.from({ length: parts }, (_, k) =>
    clip(video, k * length, k === parts - 1 ? video.numFrames : (k + 1) * length),
  );
}

/** Colour, contrast and saturation over `parts` equal segments of any video. */
export function lookDrift(video: Video, parts = 3): LookDrift {
  const looks = cut(video, parts).map(look);
  const first = looks[0]!.mean;
  const distance = (l: Look) => l.mean.reduce((sum, v, c) => sum + Math.abs(v - first[c]!) / 3, 0);
  return {
    colour: driftCurve(looks.map(distance)),
    contrast: driftCurve(looks.map((l) => l.contrast)),
    saturation: driftCurve(looks.map((l) => l.saturation)),
  };
}

export interface WorldDrift {
  readonly source: "world";
  readonly segments: readonly WorldScore[];
  readonly total: DriftCurve;
  readonly sceneChange: DriftCurve;
  readonly sizeDrift: DriftCurve;
  readonly lostObjectRate: DriftCurve;
  readonly jerk: DriftCurve;
  /** (first - last) / first of the total: the share of the score that is lost. */
  readonly relativeLoss: number;
}

/** The oracle's measures over `parts` equal segments of a world clip, each against the clip's start. */
export function worldDrift(video: Video, prompt: string, parts = 3): WorldDrift {
  const segments = scoreSegments(video, prompt, parts);
  const curve = (pick: (score: WorldScore) => number) => driftCurve(segments.map(pick));
  const total = curve((s) => s.total);
  return {
    source: "world",
    segments,
    total,
    sceneChange: curve((s) => s.measures.sceneChange),
    sizeDrift: curve((s) => s.measures.sizeDrift),
    lostObjectRate: curve((s) => s.measures.lostObjectRate),
    jerk: curve((s) => s.measures.jerk),
    relativeLoss: total.values[0]! > 0 ? -total.change / total.values[0]! : Number.NaN,
  };
}
