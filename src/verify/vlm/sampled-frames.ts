/** A few frames of a clip as a language model gets to see them: spread evenly, enlarged, as JPEG. */
import { createHash } from "node:crypto";
import type { Video } from "../../video/video.ts";

export interface SampledFrames {
  readonly numFrames: number;
  /** SHA-256 of the pixels as sent (8 bit, before JPEG). */
  readonly hash: string;
  /** Base64 JPEGs; made when asked for, so that a replayed question costs nothing. */
  jpegs(): Promise<readonly string[]>;
}

export interface SampleOptions {
  /** Frames at most; default 8, spread from the first to the last. */
  readonly count?: number;
  /** The shorter side is enlarged (by whole factors, without smoothing) to at least this; default 256. */
  readonly size?: number;
}

export function sampledFrames(video: Video, { count = 8, size = 256 }: SampleOptions = {}): SampledFrames {
  const { numFrames, height, width, data } = video;
  const taken = Math.min(count, numFrames);
  const indices = Array.from({ length: taken }, (_, i) =>
    taken === 1 ? 0 : Math.round((i * (numFrames - 1)) / (taken - 1)),
  );
  const perFrame = height * width * 3;
  const frames = indices.map((index) =>
    Uint8Array.from(data.subarray(index * perFrame, (index + 1) * perFrame), (value) =>
      Math.round(127.5 * (Math.min(1, Math.max(-1, value)) + 1)),
    ),
  );
  const hash = createHash("sha256").update(`${height}x${width} ${size}`);
  for (const frame of frames) hash.update(frame);
  const scale = Math.max(1, Math.ceil(size / Math.min(height, width)));
  return Object.freeze({
    numFrames: taken,
    hash: hash.digest("hex"),
    async jpegs() {
      const { default: sharp } = await import("sharp");
      return Promise.all(
        frames.map(async (frame) => {
          const picture = sharp(frame, { raw: { width, height, channels: 3 } });
          const larger = picture.resize(width * scale, height * scale, { kernel: "nearest" });
          return (await larger.jpeg({ quality: 90 }).toBuffer()).toString("base64");
        }),
      );
    },
  });
}
