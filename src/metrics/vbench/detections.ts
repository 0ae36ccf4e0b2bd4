/**
 * VBench dimensions on the output of detectors, captioners and classifiers: what counts as a hit and how hits become
 * a score, quirks included (spatial_relationship does not look at the sign; color skips videos without the object).
 */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Hits {
  readonly hits: number;
  readonly frames: number;
}

/** object_class, multiple_objects, scene: hits over frames of the whole suite, not a mean of videos. */
export function hitRate(perVideo: readonly Hits[]): number {
  const hits = perVideo.reduce((sum, v) => sum + v.hits, 0);
  return hits / perVideo.reduce((sum, v) => sum + v.frames, 0);
}

/** Frames whose detected classes include all of "a and b" (or the one class). */
export function objectHits(frames: readonly ReadonlySet<string>[], object: string): Hits {
  const wanted = object.split(" and ").map((name) => name.trim());
  return {
    hits: frames.filter((classes) => wanted.every((name) => classes.has(name))).length,
    frames: frames.length,
  };
}

/** Frames whose caption holds every word of the scene key as a substring. */
export function sceneHits(captions: readonly string[], scene: string): Hits {
  const words = scene.split(" ");
  return {
    hits: captions.filter((caption) => words.every((word) => caption.includes(word))).length,
    frames: captions.length,
  };
}

const colors = [
  "white",
  "red",
  "pink",
  "blue",
  "silver",
  "purple",
  "orange",
  "green",
  "gray",
  "yellow",
  "black",
  "grey",
];

/** The object word of a color prompt: articles and the colour taken out. */
export function colorObject(prompt: string, color: string): string {
  return prompt.replaceAll("a ", "").replaceAll("an ", "").replaceAll(color, "").trim();
}

/** One caption of a frame with the class the frame reports for it. */
export interface DenseCaption {
  readonly className: string;
  readonly caption: string;
}

/**
 * Share of colour frames among object frames; undefined for a video in which the object was never seen with a colour: such
 * videos are left out of the suite's mean, so a model that fails to draw the object is not penalised here.
 */
export function colorShare(
  frames: readonly (readonly DenseCaption[])[],
  object: string,
  color: string,
): number | undefined {
  const mine = frames.map((captions) => captions.filter((c) => c.className === object).map((c) => c.caption));
  const objectFrames = mine.filter((captions) =>
    captions.some((text) => colors.some((name) => text.includes(name))),
  );
  if (objectFrames.length === 0) return undefined;
  return (
    objectFrames.filter((captions) => captions.some((text) => text.includes(color))).length /
    objectFrames.length
  );
}

/** Mean over the videos in which the object was seen. @throws RangeError when it was seen in none. */
export function suiteColor(perVideo: readonly (number | undefined)[]): number {
  const seen = perVideo.filter((v) => v !== undefined);
  if (seen.length === 0)
    throw new RangeError(
      "Cannot score color: the object was seen in none of the videos. Report it as missing.",
    );
  return seen.reduce((a, b) => a + b, 0) / seen.length;
}

export function intersectionOverUnion(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box) => (box.right - box.left) * (box.bottom - box.top);
  return (width * height) / (area(a) + area(b) - width * height);
}

export type SpatialRelation = "left" | "right" | "top" | "bottom";

/** Score of one pair of boxes: 1 when the asked axis dominates and they hardly overlap, less with overlap, else 0. */
export function spatialScore(a: Box, b: Box, relation: SpatialRelation): number {
  const dx = Math.abs(a.left + a.right - b.left - b.right) / 2;
  const dy = Math.abs(a.top + a.bottom - b.top - b.bottom) / 2;
  const along = relation === "left" || relation === "right" ? dx > dy : dy > dx;
  if (!along) return 0;
  const overlap = intersectionOverUnion(a, b);
  return overlap < 0.1 ? 1 : 0.1 / overlap;
}

/** The best pair of a frame's boxes of either class; 0 with fewer than two. */
export function spatialFrame(boxes: readonly Box[], relation: SpatialRelation): number {
  let best = 0;
  boxes.forEach((a, i) => {
    for (const b of boxes.slice(i + 1)) best = Math.max(best, spatialScore(a, b, relation));
  });
  return best;
}

/** The action a file name asks for: lower case, before the first "-", after "person is ", up to the first "_". */
export function actionLabel(fileName: string): string {
  const base = fileName.split(/[/\\]/).at(-1)!.toLowerCase().split("-")[0]!;
  return base
    .split("person is ")
    .at(-1)!
    .split("_")[0]!
    .replace(/\.(mp4|gif)$/, "");
}

/** Right when the label is among the five most probable classes of at least 0.85. */
export function actionHit(
  classes: readonly { label: string; probability: number }[],
  label: string,
): boolean {
  return [...classes]
    .sort((a, b) => b.probability - a.probability)
    .slice(0, 5)
    .some((c) => c.probability >= 0.85 && c.label === label);
}
