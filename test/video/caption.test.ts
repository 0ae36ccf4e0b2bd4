import { describe, expect, it } from "vitest";
import { caption, captionHeight, captionLines } from "../../src/video/caption.ts";

const prompt = "a red triangle bounces on the floor";

/** Columns of a caption's picture that hold ink, by line. */
function inked(rgb: Uint8Array, width: number, line: number): number[] {
  const top = captionHeight(line);
  return Array.from({ length: width }, (_, x) => x).filter((x) =>
    Array.from({ length: 14 }, (_, y) => (top - 4 + y) * width + x).some((pixel) => rgb[3 * pixel]! < 128),
  );
}

describe("captions", () => {
  it("break between words where they are wider than the picture", () => {
    expect(captionLines(prompt, 400)).toEqual([prompt]);
    expect(captionLines(prompt, 160)).toEqual(["a red triangle bounces", "on the floor"]);
    expect(captionLines(prompt, 96)).toEqual(["a red", "triangle", "bounces on the floor"]);
    expect(captionLines("", 96)).toEqual([""]);
    expect(captionLines("  spaced \n out ", 160)).toEqual(["spaced out"]);
  });

  it("have three lines at most; what does not fit into the last is shortened", () => {
    const lines = captionLines("a word ".repeat(40), 96);
    expect(lines).toHaveLength(3);
    const rgb = caption(lines, 96);
    expect(rgb).toHaveLength(96 * captionHeight(3) * 3);
    for (const line of [0, 1, 2]) expect(inked(rgb, 96, line).length).toBeGreaterThan(20);
  });

  it("leave no line cut at the right edge and keep the asked height", () => {
    for (const width of [64, 96, 160, 256]) {
      const lines = captionLines(prompt, width);
      const rgb = caption(lines, width, 3);
      expect(rgb).toHaveLength(width * captionHeight(3) * 3);
      lines.forEach((_, line) => {
        expect(inked(rgb, width, line).at(-1)).toBeLessThan(width - 1);
      });
    }
  });

  it("one word wider than the picture gets smaller, then shortened", () => {
    const rgb = caption(["resampling-forcing-of-everything"], 64);
    expect(inked(rgb, 64, 0).at(-1)).toBeLessThanOrEqual(63);
  });
});
