/**
 * How videos show in a notebook: `text/html` with a WebM that plays in a loop (and a still inside it for viewers
 * without video), `image/png` with fewer frames as an animated PNG for everything that drops HTML, and a line of text.
 * A saved notebook holds both, so each is bounded: frames are thinned, the picture keeps its size.
 */
import { writeApng } from "./apng.ts";
import { caption, captionHeight, captionLayout } from "./caption.ts";
import { encodeReel, strip } from "./encode.ts";
import { fittingScale, type Reel, reelOf, thinned } from "./reel.ts";
import type { Video } from "./video.ts";
import { writeWebm } from "./webm.ts";

/** Media types to contents, as a notebook wants it. */
export type MediaBundle = { readonly [type: string]: string };

const display: unique symbol = Symbol.for("Jupyter.display") as never;

/** Something that draws itself in a notebook cell. */
export interface Displayable {
  [display](): Promise<MediaBundle>;
}

/** The most that the parts of one output may weigh in a saved notebook, in characters. */
const mostHtml = 1_500_000;
const mostPng = 30_000;
const mostStill = 12_000;
const aimedWebm = 24_000;
const mostFrames = 240;

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Evenly fewer frames until the animated PNG fits. */
function smallApng(reel: Reel): Uint8Array {
  let fewer = thinned(reel, 48);
  let png = writeApng(fewer);
  while (png.length * 1.34 > mostPng && fewer.frames.length > 1) {
    const share = Math.max(0.4, Math.min(0.9, mostPng / (png.length * 1.34)));
    fewer = thinned(fewer, Math.max(1, Math.floor(fewer.frames.length * share)));
    png = writeApng(fewer);
  }
  return png;
}

/** The bit rate that comes out near the aimed size, coarser than a saved file's where the picture is busy. */
function smallWebm(reel: Reel): Promise<Uint8Array> {
  const bitRate = Math.round((aimedWebm * 8 * reel.fps) / reel.frames.length);
  return writeWebm(reel, { bitRate: Math.min(bitRate, 4_000_000), coarsest: 44 });
}

async function reelBundle(reel: Reel, text: string): Promise<MediaBundle> {
  const { width, height, frames } = reel;
  const middle = { ...reel, frames: [frames[frames.length >> 1]!] };
  const [webm, still] = await Promise.all([smallWebm(thinned(reel, mostFrames)), encodeReel(middle, "webp")]);
  const image = `<img width="${width}" height="${height}" alt="${escaped(text)}" src="data:image/webp;base64,${base64(still)}">`;
  const inner = image.length < mostStill ? image : escaped(text);
  const source = base64(webm);
  const html =
    `<video controls loop muted autoplay playsinline width="${width}" height="${height}" ` +
    `src="data:video/webm;base64,${source}">${inner}</video>`;
  return {
    ...(html.length < mostHtml && { "text/html": html }),
    "image/png": base64(smallApng(reel)),
    "text/plain": text,
  };
}

const seconds = (v: Video): string => `${(v.numFrames / v.fps).toFixed(1)} s`;

/** One line: size, length, prompt. */
export function describe(v: Video): string {
  const prompt = v.prompt ? `: ${v.prompt}` : "";
  return `Video ${v.width}x${v.height}, ${v.numFrames} frames, ${seconds(v)} at ${v.fps} fps${prompt}`;
}

/** What a cell shows for a video. */
export function videoBundle(v: Video): Promise<MediaBundle> {
  if (v.numFrames === 0) return Promise.resolve({ "text/plain": describe(v) });
  return reelBundle(reelOf(v), describe(v));
}

function displayable(make: () => Promise<MediaBundle>): Displayable {
  return Object.freeze({ [display]: make });
}

/** Cells of one size in a grid, each with a caption (if any); clips that end sooner hold their last frame. */
function grid(
  cells: readonly { label: string; video: Video }[],
  columns: number,
  side: number,
  fps: number,
): Reel {
  const reels = cells.map(({ video: v }) => reelOf(v, fittingScale(v.width, v.height, side)));
  const gap = 4;
  const width = Math.max(...reels.map((r) => r.width));
  const picture = Math.max(...reels.map((r) => r.height));
  const labels = cells.map(({ label }) => captionLayout(label, width));
  const labelled = cells.some(({ label }) => label !== "");
  const lines = Math.max(...labels.map((label) => label.lines.length));
  const height = picture + (labelled ? captionHeight(lines) : 0);
  const rows = Math.ceil(cells.length / columns);
  const wide = columns * (width + gap) - gap;
  const tall = rows * (height + gap) - gap;
  const blank = new Uint8Array(wide * tall * 3).fill(255);
  const paste = (to: Uint8Array, rgb: Uint8Array, w: number, h: number, top: number, left: number) => {
    for (let i = 0; i < h; i++)
      to.set(rgb.subarray(i * w * 3, (i + 1) * w * 3), ((top + i) * wide + left) * 3);
  };
  const corner = (k: number) =>
    [Math.floor(k / columns) * (height + gap), (k % columns) * (width + gap)] as const;
  if (labelled) {
    labels.forEach((label, k) => {
      const [top, left] = corner(k);
      paste(blank, caption(label, width, lines), width, captionHeight(lines), top, left);
    });
  }
  const length = Math.max(...reels.map((r) => r.frames.length));
  const frames = Array.from({ length }, (_, f) => {
    const frame = blank.slice();
    reels.forEach((r, k) => {
      const [top, left] = corner(k);
      const rgb = r.frames[Math.min(f, r.frames.length - 1)];
      if (rgb) paste(frame, rgb, r.width, r.height, top + height - picture, left);
    });
    return frame;
  });
  return { width: wide, height: tall, fps, frames };
}

function requireVideos(videos: readonly Video[], what: string): void {
  if (videos.length === 0) throw new RangeError(`Cannot make a ${what} of no videos. Give at least one.`);
}

export interface SideBySideOptions {
  /** Playback speed; default: that of the first video. */
  readonly fps?: number;
}

/**
 * Videos next to each other, in step, under their names.
 * @example display(sideBySide({ "teacher forcing": a, "resampling forcing": b }))
 */
export function sideBySide(
  videos: { readonly [label: string]: Video },
  options: SideBySideOptions = {},
): Displayable {
  const cells = Object.entries(videos).map(([label, v]) => ({ label, video: v }));
  requireVideos(
    cells.map((c) => c.video),
    "comparison",
  );
  const fps = options.fps ?? cells[0]!.video.fps;
  const text = cells.map(({ label, video: v }) => `${label}: ${describe(v)}`).join("\n");
  const side = cells.length > 3 ? 160 : cells.length > 2 ? 192 : 256;
  return displayable(() => reelBundle(grid(cells, cells.length, side, fps), text));
}

export interface ContactSheetOptions extends SideBySideOptions {
  /** Default: about square. */
  readonly columns?: number;
  /** Write each video's prompt above it (default: when all have one). */
  readonly captions?: boolean;
}

/** Many videos playing in a grid. */
export function contactSheet(videos: readonly Video[], options: ContactSheetOptions = {}): Displayable {
  requireVideos(videos, "contact sheet");
  const { columns = Math.ceil(Math.sqrt(videos.length)), captions = videos.every((v) => v.prompt) } = options;
  if (!(Number.isInteger(columns) && columns >= 1)) {
    throw new RangeError(
      `Cannot lay out a contact sheet in ${columns} columns: give a whole number of at least 1.`,
    );
  }
  const cells = videos.map((v) => ({ label: captions ? (v.prompt ?? "") : "", video: v }));
  const side = columns <= 4 ? 160 : 96;
  const text = `${videos.length} videos\n${videos.map(describe).join("\n")}`;
  return displayable(() => reelBundle(grid(cells, columns, side, options.fps ?? videos[0]!.fps), text));
}

export interface FilmStripOptions {
  /** Number of frames shown, evenly spaced, first and last included. */
  readonly frames?: number;
}

/** Some frames of a video in one row, as a still picture. */
export function filmStrip(source: Video, options: FilmStripOptions = {}): Displayable {
  requireVideos(source.numFrames > 0 ? [source] : [], "film strip");
  const count = Math.min(options.frames ?? 8, source.numFrames);
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new RangeError(`Cannot show ${count} frames in a film strip: give a whole number of at least 1.`);
  }
  return displayable(async () => {
    const reel = reelOf(source, fittingScale(source.width, source.height, 128));
    const pick = (k: number) => (count === 1 ? 0 : Math.round((k * (source.numFrames - 1)) / (count - 1)));
    const frames = Array.from({ length: count }, (_, k) => reel.frames[pick(k)]!);
    return { "image/png": base64(writeApng(strip({ ...reel, frames }))), "text/plain": describe(source) };
  });
}
