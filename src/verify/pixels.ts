/** Clips of a sampler that went astray: no verdict on them means anything. */
import type { Video } from "../video/video.ts";

/** Whether all pixels are finite. A verifier answers NaN where they are not: a hole in a picture is no motion and no edge. */
export function hasPixels({ data }: Video): boolean {
  // NaN and infinities survive every sum.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i]!;
  return Number.isFinite(sum);
}
