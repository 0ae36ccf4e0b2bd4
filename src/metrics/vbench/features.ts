/**
 * VBench dimensions on network features: consistency of frame embeddings (DINO, CLIP), cosine with a text (CLIP,
 * ViCLIP), the linear aesthetic head, imaging quality. The networks are the caller's; the arithmetic is the official one.
 */

type Vector = ArrayLike<number>;

function dot(a: Vector, b: Vector): number {
  if (a.length !== b.length)
    throw new RangeError(`Cannot compare features of lengths ${a.length} and ${b.length}: they must agree.`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export function cosine(a: Vector, b: Vector): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** p_t = (max(0, cos(f_{t-1}, f_t)) + max(0, cos(f_0, f_t))) / 2 for t >= 1, of one video's frame features. */
export function consistencyPairs(features: readonly Vector[]): number[] {
  if (features.length < 2) {
    throw new RangeError(
      `Cannot measure consistency of ${features.length} frame: it compares frames. Give at least 2.`,
    );
  }
  const first = features[0]!;
  return features
    .slice(1)
    .map((f, t) => (Math.max(0, cosine(features[t]!, f)) + Math.max(0, cosine(first, f))) / 2);
}

/**
 * Subject and background consistency of a suite: all pairs of all videos weigh the same (a long video weighs more). The
 * multi-GPU script takes the mean of video means for the subject instead: "video".
 */
export function suiteConsistency(
  perVideo: readonly (readonly number[])[],
  weighting: "pair" | "video" = "pair",
): number {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return weighting === "pair" ? mean(perVideo.flat()) : mean(perVideo.map(mean));
}

/** Linear head on an L2-normalised CLIP ViT-L/14 image embedding, divided by 10; mean over frames. */
export function aestheticQuality(
  features: readonly Vector[],
  head: { weight: Vector; bias: number },
): number {
  const scores = features.map((f) => (dot(f, head.weight) / Math.sqrt(dot(f, f)) + head.bias) / 10);
  return scores.reduce((a, b) => a + b, 0) / scores.length;
}

/** MUSIQ scores 0-100 a frame: a video keeps that scale, the suite's aggregate is divided by 100. */
export function imagingQuality(perVideoFrames: readonly (readonly number[])[]): {
  perVideo: number[];
  value: number;
} {
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const perVideo = perVideoFrames.map(mean);
  return { perVideo, value: mean(perVideo) / 100 };
}

/** appearance_style: cosine of every frame with the style phrase, all frames of the suite weighing the same. */
export function appearanceStyle(perVideoFrames: readonly (readonly number[])[]): number {
  return suiteConsistency(perVideoFrames, "pair");
}
