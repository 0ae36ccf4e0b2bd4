import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { contactSheet, filmStrip, type MediaBundle, sideBySide } from "../../src/video/display.ts";
import { clip, video } from "../../src/video/video.ts";
import { worldClip } from "../../src/video/world/world.ts";

const show = (value: object): Promise<MediaBundle> =>
  (value as { [key: symbol]: () => Promise<MediaBundle> })[Symbol.for("Jupyter.display")]!();
const red = worldClip("a red ball bounces on the floor", { numFrames: 8, seed: 3 }).video;
const blue = worldClip("a blue square glides sideways", { numFrames: 12, seed: 3 }).video;
const size = async (bundle: MediaBundle) => {
  const { width, height } = await sharp(Buffer.from(bundle["image/png"]!, "base64")).metadata();
  return [width, height];
};

describe("videos in notebooks", () => {
  it("show as a looping WebM with a picture inside, as an animated PNG and as text", async () => {
    const bundle = await show(red);
    expect(Object.keys(bundle)).toEqual(["text/html", "image/png", "text/plain"]);
    expect(bundle["text/html"]).toMatch(
      /^<video controls loop muted autoplay playsinline width="256" height="256" src="data:video\/webm;base64,[^"]+"><img [^>]+><\/video>$/,
    );
    expect(await size(bundle)).toEqual([256, 256]);
    expect(bundle["text/plain"]).toBe(
      "Video 32x32, 8 frames, 1.0 s at 8 fps: a red ball bounces on the floor",
    );
    expect(JSON.stringify(bundle).length).toBeLessThan(300_000);
    expect(await show(clip(red, 2, 5))).toHaveProperty("image/png");
  });

  it("are plain data otherwise: equal, printable, without a visible method", () => {
    expect(Object.keys(red)).toEqual(["fps", "numFrames", "height", "width", "data", "prompt"]);
    expect(clip(red, 0, 8)).toEqual(red);
  });

  it("show side by side under their names, the shorter one holding its last frame", async () => {
    const bundle = await show(
      sideBySide({ "teacher <forcing>": red, "resampling & forcing": blue }, { fps: 4 }),
    );
    expect(await size(bundle)).toEqual([256 * 2 + 4, 256 + 18]);
    expect(bundle["text/plain"]).toContain("teacher <forcing>: Video 32x32, 8 frames");
    expect(bundle["text/html"]).not.toContain("<forcing>");
  });

  it("show as a contact sheet and as a film strip", async () => {
    expect(await size(await show(contactSheet([red, blue, red, blue, red])))).toEqual([
      3 * 160 + 8,
      2 * (160 + 32) + 4,
    ]);
    expect(await size(await show(contactSheet([red, blue], { columns: 1, captions: false })))).toEqual([
      160, 324,
    ]);
    const strip = await show(filmStrip(blue, { frames: 5 }));
    expect(await size(strip)).toEqual([5 * 128 + 8, 128]);
    expect(Object.keys(strip)).toEqual(["image/png", "text/plain"]);
  });

  it("stay small: a long noisy clip is thinned below three megabytes", async () => {
    const data = Float32Array.from({ length: 60 * 96 * 96 * 3 }, (_, i) => ((i * 7919) % 1009) / 504.5 - 1);
    const bundle = await show(video({ numFrames: 60, height: 96, width: 96, data }));
    expect(JSON.stringify(bundle).length).toBeLessThan(3_200_000);
  });

  it("name the remedy", () => {
    expect(() => sideBySide({})).toThrow(/comparison of no videos\. Give at least one/);
    expect(() => contactSheet([red], { columns: 0 })).toThrow(/in 0 columns/);
    expect(() => filmStrip(red, { frames: 0.5 })).toThrow(/0\.5 frames/);
  });
});
