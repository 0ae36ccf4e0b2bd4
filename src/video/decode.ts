/**
 * Video files to values. GIF, WebP, PNG and folders of pictures are read by sharp; MP4, WebM, MOV and the like by the
 * `ffmpeg` program when there is one on PATH (its raw frames come through a pipe).
 */
import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import sharp from "sharp";
import { type Video, video } from "./video.ts";

const run = promisify(execFile);

export const pictureExtensions = [".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"] as const;
export const animationExtensions = [".gif", ".webp"] as const;
export const movieExtensions = [".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v"] as const;

export interface DecodeOptions {
  /** Resize to these (cover: the middle is kept, nothing is distorted). Default: as stored. */
  readonly width?: number;
  readonly height?: number;
  /** Default: the file's own, 8 for a folder of pictures. Movies are not resampled. */
  readonly fps?: number;
  /** At most this many frames from the start. */
  readonly maxFrames?: number;
  readonly prompt?: string;
}

const has = (list: readonly string[], name: string): boolean => list.includes(extname(name).toLowerCase());

/** A name that can be read as one video: a file, or (for folders) a sequence of pictures. */
export function isVideoFile(name: string): boolean {
  return has(animationExtensions, name) || has(movieExtensions, name);
}
export const isPicture = (name: string): boolean => has(pictureExtensions, name);

/** frame2 follows frame1 and frame10 follows frame9. */
export const byNumber = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });

interface Pictures {
  readonly width: number;
  readonly height: number;
  readonly frames: readonly Uint8Array[];
  readonly fps: number;
}

function toVideo({ width, height, frames, fps }: Pictures, options: DecodeOptions): Video {
  const kept = frames.slice(0, options.maxFrames);
  const size = width * height * 3;
  const data = new Float32Array(kept.length * size);
  kept.forEach((frame, f) => {
    for (let i = 0; i < size; i++) data[f * size + i] = frame[i]! / 127.5 - 1;
  });
  const { prompt } = options;
  return video({
    numFrames: kept.length,
    height,
    width,
    fps: options.fps ?? fps,
    data,
    ...(prompt === undefined ? {} : { prompt }),
  });
}

const resizing = ({ width, height }: DecodeOptions) =>
  width || height ? ({ width, height, fit: "cover", kernel: "lanczos3" } as const) : undefined;

async function picture(input: string | Buffer, options: DecodeOptions, page?: number) {
  const image = sharp(input, page === undefined ? {} : { page })
    .removeAlpha()
    .toColourspace("srgb");
  const resize = resizing(options);
  const { data, info } = await (resize ? image.resize(resize) : image)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data: new Uint8Array(data), width: info.width, height: info.height };
}

async function fromAnimation(path: string, options: DecodeOptions): Promise<Pictures> {
  const { pages = 1, delay } = await sharp(path, { animated: true }).metadata();
  const count = Math.min(pages, options.maxFrames ?? pages);
  const shots: Awaited<ReturnType<typeof picture>>[] = [];
  for (let page = 0; page < count; page++) shots.push(await picture(path, options, page));
  // Encoders merge equal frames into one that lasts longer: they are taken apart again in units of the shortest.
  const lasts = shots.map((_, f) => (delay?.[f] && delay[f]! > 0 ? delay[f]! : 125));
  const unit = options.fps ? 1000 / options.fps : Math.min(...lasts);
  const frames = shots.flatMap((shot, f) =>
    new Array<Uint8Array>(Math.max(1, Math.round(lasts[f]! / unit))).fill(shot.data),
  );
  return { ...shots[0]!, frames, fps: 1000 / unit };
}

async function fromPictures(
  folder: string,
  names: readonly string[],
  options: DecodeOptions,
): Promise<Pictures> {
  const shots: Awaited<ReturnType<typeof picture>>[] = [];
  for (const name of names.slice(0, options.maxFrames))
    shots.push(await picture(join(folder, name), options));
  const odd = shots.findIndex((s) => s.width !== shots[0]!.width || s.height !== shots[0]!.height);
  if (odd >= 0) {
    throw new RangeError(
      `Cannot read ${folder} as one video: ${names[0]} is ${shots[0]!.width}x${shots[0]!.height}, ${names[odd]} is ` +
        `${shots[odd]!.width}x${shots[odd]!.height}. Give width and height to resize them.`,
    );
  }
  return { ...shots[0]!, frames: shots.map((s) => s.data), fps: 8 };
}

async function fromMovie(path: string, options: DecodeOptions): Promise<Pictures> {
  const probe = [
    "-v",
    "error",
    "-select_streams",
    "v:0",
    "-show_entries",
    "stream=width,height,avg_frame_rate",
    "-of",
    "json",
  ];
  let stream: { width: number; height: number; avg_frame_rate: string };
  try {
    const { stdout } = await run("ffprobe", [...probe, path]);
    stream = (JSON.parse(stdout) as { streams: (typeof stream)[] }).streams[0]!;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") {
      throw new Error(
        `Cannot read ${path} as there is no ffmpeg on PATH. Install ffmpeg, or convert the video to gif, webp or a folder of png files.`,
        { cause },
      );
    }
    throw new Error(`Cannot read ${path}: ffprobe finds no video in it. Check the file.`, { cause });
  }
  if (!stream) throw new Error(`Cannot read ${path}: it has no video stream. Check the file.`);
  const [width, height] = [options.width ?? stream.width, options.height ?? stream.height];
  const scale = `scale=${width}:${height}:force_original_aspect_ratio=increase:flags=lanczos,crop=${width}:${height}`;
  const limit = options.maxFrames === undefined ? [] : ["-frames:v", String(options.maxFrames)];
  const resized = options.width || options.height ? ["-vf", scale] : [];
  const { stdout } = await run(
    "ffmpeg",
    ["-v", "error", "-i", path, ...resized, ...limit, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
    { encoding: "buffer", maxBuffer: 2 ** 31 - 1 },
  );
  const size = width * height * 3;
  const frames = Array.from({ length: Math.floor(stdout.length / size) }, (_, f) =>
    stdout.subarray(f * size, (f + 1) * size),
  );
  const [above = 8, below = 1] = stream.avg_frame_rate.split("/").map(Number);
  return { width, height, frames, fps: above > 0 && below > 0 ? above / below : 8 };
}

/**
 * Reads a gif, webp or png, a folder of numbered pictures, or (by ffmpeg) mp4, webm, mov, mkv, avi.
 * @throws Error naming the file and the remedy when it cannot be read.
 */
export async function decodeVideo(path: string, options: DecodeOptions = {}): Promise<Video> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Error(`Cannot read ${path}: there is no such file or folder. Check the path.`);
  if (found.isDirectory()) {
    const names = (await readdir(path)).filter(isPicture).sort(byNumber);
    if (names.length === 0) {
      throw new Error(
        `Cannot read the folder ${path} as a video: it holds no pictures (${pictureExtensions.join(" ")}). Add numbered frames.`,
      );
    }
    return toVideo(await fromPictures(path, names, options), options);
  }
  if (has(movieExtensions, path)) return toVideo(await fromMovie(path, options), options);
  if (has(animationExtensions, path) || isPicture(path)) {
    return toVideo(
      await fromAnimation(path, options).catch((cause) => {
        throw new Error(`Cannot read ${path}: it is not a readable picture or animation. Check the file.`, {
          cause,
        });
      }),
      options,
    );
  }
  const known = [...animationExtensions, ...movieExtensions, ".png"].join(" ");
  throw new Error(
    `Cannot read ${path}: "${extname(path)}" is not a known video format. Known: ${known}, or a folder of pictures.`,
  );
}
