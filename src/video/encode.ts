/** A video as the bytes of a file: WebM, animated WebP, GIF or PNG, or all frames side by side in one PNG. */
import sharp, { type Sharp } from "sharp";
import { writeApng } from "./apng.ts";
import { type Reel, reelOf } from "./reel.ts";
import type { Video } from "./video.ts";
import { writeWebm } from "./webm.ts";

export const videoFormats = ["webm", "webp", "apng", "gif", "png-strip"] as const;
export type VideoFormat = (typeof videoFormats)[number];

export interface EncodeOptions {
  /** Whole enlargement (pixels repeated) or 1 / n. Default: near 256 pixels. */
  readonly scale?: number;
}

/** Frames below each other, as sharp wants an animation. */
function stacked({ width, height, frames }: Reel): Sharp {
  return sharp(Buffer.concat(frames), {
    raw: { width, height: height * frames.length, channels: 3, pageHeight: height },
  });
}

/** All frames of a reel in one row, `gap` white pixels between them. */
export function strip({ width, height, frames }: Reel, gap = 2): Reel {
  const wide = frames.length * (width + gap) - gap;
  const out = new Uint8Array(wide * height * 3).fill(255);
  frames.forEach((frame, f) => {
    for (let i = 0; i < height; i++) {
      out.set(frame.subarray(i * width * 3, (i + 1) * width * 3), (i * wide + f * (width + gap)) * 3);
    }
  });
  return { width: wide, height, fps: 1, frames: [out] };
}

/** File bytes of a reel. */
export async function encodeReel(reel: Reel, format: VideoFormat): Promise<Uint8Array> {
  const delay = reel.frames.map(() => Math.round(1000 / reel.fps));
  switch (format) {
    case "webm":
      return writeWebm(reel);
    case "webp":
      return stacked(reel).webp({ quality: 85, effort: 1, loop: 0, delay }).toBuffer();
    case "gif":
      return stacked(reel).gif({ loop: 0, delay, effort: 3 }).toBuffer();
    case "apng":
      return writeApng(reel);
    case "png-strip":
      return writeApng(strip(reel));
    default:
      format satisfies never;
      throw new RangeError(
        `Cannot encode a video as "${format as string}". Formats: ${videoFormats.join(", ")}.`,
      );
  }
}

/**
 * File bytes of a video. WebM and PNG bytes are the same on every run.
 * @example await writeFile("clip.webm", await encodeVideo(clip, "webm"));
 */
export function encodeVideo(
  source: Video,
  format: VideoFormat,
  options: EncodeOptions = {},
): Promise<Uint8Array> {
  return encodeReel(options.scale === undefined ? reelOf(source) : reelOf(source, options.scale), format);
}
