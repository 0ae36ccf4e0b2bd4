/** Where Python and JavaScript disagree about numbers, and VBench's frame picking that depends on it. */

/** Python 3's `round(x)`: halves go to the even neighbour (2.5 -> 2, 3.5 -> 4). */
export function pythonRound(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** `get_frame_indices(n, length, "middle")`: the middles of n equal intervals; the last index repeats when length < n. */
export function middleFrames(n: number, length: number): number[] {
  if (!(n >= 1 && length >= 1)) {
    throw new RangeError(`Cannot pick ${n} of ${length} frames: both must be at least 1.`);
  }
  const count = Math.min(n, length);
  const bound = (k: number) => Math.trunc((k * length) / count);
  const picked = Array.from({ length: count }, (_, k) => Math.floor((bound(k) + bound(k + 1) - 1) / 2));
  while (picked.length < n) picked.push(picked.at(-1)!);
  return picked;
}

/** Size after "shorter side to `side`": the longer one is cut, not rounded. */
export function resizedShorter(
  width: number,
  height: number,
  side: number,
): { width: number; height: number } {
  return width <= height
    ? { width: side, height: Math.trunc((side * height) / width) }
    : { width: Math.trunc((side * width) / height), height: side };
}

/** Every how many frames the dynamic degree looks: about 8 a second. */
export function dynamicInterval(fps: number): number {
  if (!(fps > 0)) throw new RangeError(`Cannot sample a video of ${fps} fps: the rate must be positive.`);
  return Math.max(1, pythonRound(fps / 8));
}
