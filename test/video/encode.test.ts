import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeVideo } from "../../src/video/decode.ts";
import { encodeVideo, videoFormats } from "../../src/video/encode.ts";
import { fittingScale, reelOf } from "../../src/video/reel.ts";
import { type Video, video } from "../../src/video/video.ts";
import { worldClip } from "../../src/video/world/world.ts";

const ball = worldClip("a red ball bounces on the floor", { numFrames: 8, seed: 3 }).video;
const folder = mkdtempSync(join(tmpdir(), "video-"));
const path = (name: string) => join(folder, name);

const psnr = (a: Video, b: Video): number => {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
  return 10 * Math.log10(4 / (sum / a.data.length));
};
const hasProgram = (name: string): boolean => {
  try {
    execFileSync(name, ["-version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** Every frame of an APNG, decoded by hand: sharp reads only the first. */
function readApng(bytes: Uint8Array): { delays: number[]; frames: Uint8Array[] } {
  const buffer = Buffer.from(bytes);
  const [width, height] = [buffer.readUInt32BE(16), buffer.readUInt32BE(20)];
  const delays: number[] = [];
  const frames: Uint8Array[] = [];
  for (let at = 8; at < buffer.length; ) {
    const length = buffer.readUInt32BE(at);
    const type = buffer.toString("latin1", at + 4, at + 8);
    const data = buffer.subarray(at + 8, at + 8 + length);
    if (type === "fcTL") delays.push(data.readUInt16BE(20) / data.readUInt16BE(22));
    if (type === "IDAT" || type === "fdAT") {
      const rows = inflateSync(type === "IDAT" ? data : data.subarray(4));
      const out = new Uint8Array(width * height * 3);
      for (let i = 0; i < height; i++) {
        for (let j = 0; j < width * 3; j++) {
          const above = rows[i * (width * 3 + 1)] === 2 ? out[(i - 1) * width * 3 + j]! : 0;
          out[i * width * 3 + j] = rows[i * (width * 3 + 1) + 1 + j]! + above;
        }
      }
      frames.push(out);
    }
    at += 12 + length;
  }
  return { delays, frames };
}

describe("encoding", () => {
  it("writes an APNG that holds every frame exactly, and that PNG readers accept", async () => {
    const bytes = await encodeVideo(ball, "apng", { scale: 4 });
    const { delays, frames } = readApng(bytes);
    expect(delays).toEqual(new Array(8).fill(0.125));
    expect(frames).toEqual([...reelOf(ball, 4).frames]);
    const still = await sharp(Buffer.from(bytes)).raw().toBuffer({ resolveWithObject: true });
    expect(still.info).toMatchObject({ width: 128, height: 128, channels: 3 });
    expect(new Uint8Array(still.data)).toEqual(frames[0]);
  });

  it("writes the same WebM bytes every time, also when two are encoded at once", async () => {
    const [a, b] = await Promise.all([encodeVideo(ball, "webm"), encodeVideo(ball, "webm")]);
    expect(Buffer.compare(Buffer.from(a), Buffer.from(b))).toBe(0);
    expect(Buffer.from(a).toString("latin1", 0, 64)).toContain("webm");
  });

  it.each(["webp", "gif"] as const)("round-trips %s through a file", async (format) => {
    writeFileSync(path(`ball.${format}`), await encodeVideo(ball, format, { scale: 1 }));
    const back = await decodeVideo(path(`ball.${format}`));
    expect([back.numFrames, back.height, back.width]).toEqual([8, 32, 32]);
    expect(back.fps).toBeCloseTo(8, 0);
    expect(psnr(ball, back)).toBeGreaterThan(24);
  });

  it.runIf(hasProgram("ffmpeg"))("reads WebM back with ffmpeg, frames, rate and colours intact", async () => {
    writeFileSync(path("ball.webm"), await encodeVideo(ball, "webm", { scale: 8 }));
    const back = await decodeVideo(path("ball.webm"), { width: 32, height: 32, prompt: "p" });
    expect([back.numFrames, back.height, back.width, back.fps, back.prompt]).toEqual([8, 32, 32, 8, "p"]);
    expect(psnr(ball, back)).toBeGreaterThan(26);
  });

  it("reads a folder of pictures in number order", async () => {
    mkdirSync(path("frames"));
    for (const f of [0, 1, 2, 10]) {
      const grey = Buffer.alloc(12 * 10 * 3, f * 20);
      await sharp(grey, { raw: { width: 12, height: 10, channels: 3 } })
        .png()
        .toFile(path(`frames/f${f}.png`));
    }
    const back = await decodeVideo(path("frames"), { fps: 4 });
    expect([back.numFrames, back.height, back.width, back.fps]).toEqual([4, 10, 12, 4]);
    expect([0, 1, 2, 3].map((f) => Math.round((back.data[f * 360]! + 1) * 127.5))).toEqual([0, 20, 40, 200]);
  });

  it("enlarges by whole pixels, shrinks by means", () => {
    expect([
      fittingScale(32, 32),
      fittingScale(100, 50),
      fittingScale(300, 200),
      fittingScale(1280, 720),
    ]).toEqual([8, 2, 1 / 2, 1 / 5]);
    const tiny = video({
      numFrames: 1,
      height: 2,
      width: 2,
      data: Float32Array.from({ length: 12 }, (_, i) => i / 6 - 1),
    });
    expect(reelOf(tiny, 2).frames[0]).toHaveLength(48);
    const mean = reelOf(tiny, 0.5).frames[0]!;
    [96, 117, 138].forEach((value, c) => {
      expect(Math.abs(mean[c]! - value)).toBeLessThanOrEqual(1);
    });
  });

  it("names the remedy for what it cannot read or write", async () => {
    await expect(decodeVideo(path("none.gif"))).rejects.toThrow(/there is no such file or folder/);
    writeFileSync(path("bad.gif"), "no gif");
    await expect(decodeVideo(path("bad.gif"))).rejects.toThrow(/not a readable picture or animation/);
    writeFileSync(path("a.xyz"), "");
    await expect(decodeVideo(path("a.xyz"))).rejects.toThrow(
      /"\.xyz" is not a known video format\. Known: \.gif/,
    );
    mkdirSync(path("empty"));
    await expect(decodeVideo(path("empty"))).rejects.toThrow(/holds no pictures/);
    expect(() => encodeVideo(ball, "apng", { scale: 1.5 })).toThrow(/give a whole number/);
    expect(videoFormats).toContain("webm");
  });

  it("says how to get ffmpeg when there is none", async () => {
    writeFileSync(path("x.mp4"), "");
    const saved = process.env["PATH"];
    process.env["PATH"] = folder;
    try {
      await expect(decodeVideo(path("x.mp4"))).rejects.toThrow(
        /no ffmpeg on PATH\. Install ffmpeg, or convert/,
      );
    } finally {
      process.env["PATH"] = saved;
    }
  });
});
