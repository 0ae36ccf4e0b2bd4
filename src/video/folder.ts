/**
 * A folder of a user's videos as a dataset: gif, webp, sub-folders of numbered pictures, and (with ffmpeg) mp4, webm,
 * mov. Captions come from `captions.jsonl` ({"file": "a.gif", "caption": "..."} a line) or from `a.txt` beside `a.gif`.
 * All clips are brought to one size (the middle is kept) and one length; clips that are too short are left out.
 * Nothing is hidden: `notes` says what was resized, cut or left out.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { checkIndex, type Dataset, type Example, stackVideos } from "./dataset.ts";
import { byNumber, decodeVideo, isPicture, isVideoFile } from "./decode.ts";
import { clip as cut, type Video, video } from "./video.ts";

export interface FolderExample extends Example {
  /** File or sub-folder name. */
  readonly file: string;
}

export interface FolderDataset extends Dataset<FolderExample> {
  /** What was done to the files, one sentence each. */
  readonly notes: readonly string[];
}

export interface FolderOptions {
  readonly width?: number;
  readonly height?: number;
  readonly numFrames?: number;
  /** Default: that of the first clip. */
  readonly fps?: number;
  /** Caption for videos without one; by default a missing caption is an error. */
  readonly defaultCaption?: string;
  readonly signal?: AbortSignal;
}

const sidecar = "captions.jsonl";

async function readCaptions(folder: string): Promise<Map<string, string>> {
  const text = await readFile(join(folder, sidecar), "utf8").catch(() => "");
  const captions = new Map<string, string>();
  text.split("\n").forEach((line, i) => {
    if (line.trim() === "") return;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (cause) {
      throw new SyntaxError(
        `Cannot read ${join(folder, sidecar)}, line ${i + 1}: it is not JSON. Write {"file": ..., "caption": ...}.`,
        { cause },
      );
    }
    const { file, caption } = row as { file?: unknown; caption?: unknown };
    if (typeof file !== "string" || typeof caption !== "string") {
      throw new TypeError(
        `Cannot read ${join(folder, sidecar)}, line ${i + 1}: it needs the strings "file" and "caption", got ${line.slice(0, 80)}.`,
      );
    }
    captions.set(file, caption);
  });
  return captions;
}

/** Names of the folder's videos in natural order. */
async function listVideos(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw new Error(
      `Cannot read the folder ${folder}: it does not exist or is not a folder. Check the path.`,
      { cause },
    );
  });
  const names: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) {
      if ((await readdir(join(folder, entry.name))).some(isPicture)) names.push(entry.name);
    } else if (isVideoFile(entry.name)) names.push(entry.name);
  }
  return names.sort(byNumber);
}

/**
 * Reads all videos of a folder into memory.
 * @throws Error for a folder without videos, videos without captions, or none of at least `numFrames` frames.
 */
export async function folderDataset(folder: string, options: FolderOptions = {}): Promise<FolderDataset> {
  const { width = 32, height = 32, numFrames = 16, defaultCaption, signal } = options;
  const names = await listVideos(folder);
  if (names.length === 0) {
    throw new Error(
      `Cannot make a dataset of ${folder}: it holds no videos. Put gif, webp, mp4 or webm files, or sub-folders of numbered png files, there.`,
    );
  }
  const captions = await readCaptions(folder);
  const captionOf = async (name: string): Promise<string | undefined> => {
    const stem = basename(name, extname(name));
    const beside = await readFile(join(folder, `${stem}.txt`), "utf8").catch(() => undefined);
    return captions.get(name) ?? captions.get(stem) ?? beside?.trim() ?? defaultCaption;
  };
  const prompts = await Promise.all(names.map(captionOf));
  const bare = names.filter((_, i) => prompts[i] === undefined);
  if (bare.length > 0) {
    throw new Error(
      `Cannot make a dataset of ${folder}: ${bare.length} of ${names.length} videos have no caption (${bare.slice(0, 5).join(", ")}). ` +
        `Add lines to ${sidecar}, a .txt file beside each, or give defaultCaption.`,
    );
  }
  const notes: string[] = [];
  const sizes = new Map<string, number>();
  const clips: FolderExample[] = [];
  const short: string[] = [];
  for (const [i, name] of names.entries()) {
    signal?.throwIfAborted();
    const whole = await decodeVideo(join(folder, name));
    const size = `${whole.width}x${whole.height}`;
    sizes.set(size, (sizes.get(size) ?? 0) + 1);
    if (whole.numFrames < numFrames) {
      short.push(`${name} (${whole.numFrames})`);
      continue;
    }
    const fits = whole.width === width && whole.height === height;
    const head: Video = fits
      ? cut(whole, 0, numFrames)
      : await decodeVideo(join(folder, name), { width, height, maxFrames: numFrames });
    const prompt = prompts[i]!;
    clips.push({ file: name, prompt, video: video({ ...head, fps: options.fps ?? head.fps, prompt }) });
  }
  if (sizes.size > 1 || !sizes.has(`${width}x${height}`)) {
    const found = [...sizes].map(([size, n]) => `${n} of ${size}`).join(", ");
    notes.push(`Resized to ${width}x${height}, keeping the middle: found ${found}.`);
  }
  if (short.length > 0) notes.push(`Left out, shorter than ${numFrames} frames: ${short.join(", ")}.`);
  const first = clips[0];
  if (!first) {
    throw new Error(
      `Cannot make a dataset of ${folder}: none of its ${names.length} videos has ${numFrames} frames (${short.slice(0, 5).join(", ")}). Ask for fewer frames.`,
    );
  }
  const rates = clips.map((c) => c.video.fps);
  // GIF keeps hundredths of a second: 8 fps come back as 8.3, which nobody sees.
  if (Math.max(...rates) > 1.1 * Math.min(...rates)) {
    const seen = [...new Set(rates.map((r) => r.toFixed(1)))].join(", ");
    notes.push(`Frame rates differ (${seen} fps); frames were not resampled.`);
  }
  const name = `folder(${basename(folder)})`;
  const clip = (index: number): FolderExample => {
    checkIndex(index, clips.length, name);
    return clips[index]!;
  };
  return Object.freeze({
    name,
    length: clips.length,
    numFrames,
    height,
    width,
    fps: first.video.fps,
    notes,
    clip,
    batch(indices: readonly number[]) {
      const chosen = indices.map(clip);
      return { videos: stackVideos(chosen.map((c) => c.video)), prompts: chosen.map((c) => c.prompt) };
    },
  });
}
