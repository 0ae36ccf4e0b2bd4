/** VBench-I2V: likeness of a clip to the image it was made from, on the features of a network (DINO, DreamSim). */

/** 0.4 max(similarity to the image) + 0.3 mean(consecutive similarity) + 0.3 min(consecutive similarity). */
export function imageLikeness(toImage: readonly number[], consecutive: readonly number[]): number {
  if (toImage.length === 0 || consecutive.length === 0) {
    throw new RangeError("Cannot score likeness to an image without frames: give at least two.");
  }
  const mean = consecutive.reduce((a, b) => a + b, 0) / consecutive.length;
  return 0.4 * Math.max(...toImage) + 0.3 * mean + 0.3 * Math.min(...consecutive);
}
