/** What training and evaluation know of a collection of clips, procedural or from files. */
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Video, video } from "./video.ts";

export interface Example {
  readonly video: Video;
  readonly prompt: string;
}

export interface Batch {
  /** [B, frames, height, width, 3] in [-1, 1]; the caller disposes it. */
  readonly videos: Tensor;
  readonly prompts: readonly string[];
}

/** Clips of one size and length, addressed by index: the same index always gives the same clip. */
export interface Dataset<E extends Example = Example> {
  readonly name: string;
  readonly length: number;
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
  readonly fps: number;
  clip(index: number): E;
  batch(indices: readonly number[]): Batch;
}

/** One tensor [B, frames, height, width, 3] of videos of one shape. */
export function stackVideos(videos: readonly Video[]): Tensor {
  const first = videos[0];
  if (!first) throw new RangeError("Cannot stack videos: got none. Give at least one.");
  const { numFrames, height, width } = first;
  const data = new Float32Array(videos.length * first.data.length);
  for (const [i, v] of videos.entries()) {
    if (v.numFrames !== numFrames || v.height !== height || v.width !== width) {
      throw new RangeError(
        `Cannot stack videos of different shapes: video 0 has ${numFrames} frames of ${height}x${width}, ` +
          `video ${i} has ${v.numFrames} of ${v.height}x${v.width}. Cut or resize them first.`,
      );
    }
    data.set(v.data, i * first.data.length);
  }
  return tf.tensor(data, [videos.length, numFrames, height, width, 3], "float32");
}

export interface UnstackOptions {
  readonly fps?: number;
  /** One prompt a row. */
  readonly prompts?: readonly string[];
}

/** The rows of [B, frames, height, width, 3] as videos, clamped to [-1, 1]. Reads the tensor, does not dispose it. */
export async function unstackVideos(videos: Tensor, options: UnstackOptions = {}): Promise<Video[]> {
  const { fps = 8, prompts } = options;
  const [batch, numFrames, height, width, channels] = videos.shape;
  if (videos.rank !== 5 || channels !== 3) {
    throw new RangeError(
      `Cannot unstack videos: the tensor must be [B, frames, height, width, 3], got [${videos.shape}]. Decode latents first.`,
    );
  }
  const values = (await videos.data()) as Float32Array;
  const size = numFrames! * height! * width! * 3;
  return Array.from({ length: batch! }, (_, row) => {
    const data = values.slice(row * size, (row + 1) * size);
    for (let i = 0; i < data.length; i++) data[i] = Math.min(1, Math.max(-1, data[i]!));
    const prompt = prompts?.[row];
    return video({
      numFrames: numFrames!,
      height: height!,
      width: width!,
      fps,
      data,
      ...(prompt === undefined ? {} : { prompt }),
    });
  });
}

/** @throws RangeError unless `index` addresses one of `length` clips. */
export function checkIndex(index: number, length: number, name: string): void {
  if (!(Number.isInteger(index) && index >= 0 && index < length)) {
    throw new RangeError(
      `Cannot give clip ${index} of ${name}: it has ${length} clips. Ask for 0 to ${length - 1}.`,
    );
  }
}
