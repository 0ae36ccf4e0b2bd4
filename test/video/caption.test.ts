import { describe, expect, it } from "vitest";
import { caption, captionHeight, captionLayout } from "../../src/video/caption.ts";

const prompt = "a red triangle bounces on the floor";

/** The last column of a caption's picture that holds ink, by line; -1 without. */
function lastInk(rgb: Uint8Array, width: number, line: number): number {
  const top = captionHeight(line) - 4;
  const isInked = (x: number) =>
    Array.from({ length: 14 }, (_, y) => (top + y) * width + x).some((pixel) => rgb[3 * pixel]! < 128);
  return Array.from({ length: width }, (_, x) => x).findLast(isInked) ?? -1;
}

describe("captions", () => {
  it("break between words, in a smaller font where they would need more than four lines", () => {
    expect(captionLayout(prompt, 400)).toEqual({ fontSize: 11, lines: [prompt] });
    expect(captionLayout(prompt, 160)).toEqual({
      fontSize: 11,
      lines: ["a red triangle bounces", "on the floor"],
    });
    expect(captionLayout(`${prompt} and a blue ball stays still`, 96).fontSize).toBeLessThan(11);
    expect(captionLayout(`${prompt} and a blue ball stays still`, 96).lines.join(" ")).toBe(
      `${prompt} and a blue ball stays still`,
    );
    expect(captionLayout("", 96).lines).toEqual([""]);
    expect(captionLayout("  spaced \n out ", 160).lines).toEqual(["spaced out"]);
  });

  it("are cut where even the smallest font does not fit, and say so", () => {
    const long = captionLayout("a word ".repeat(40), 96);
    expect(long.lines).toHaveLength(4);
    expect(long.lines.at(-1)).toMatch(/…$/);
    expect(captionLayout("resampling-forcing-of-everything", 64).lines[0]).toMatch(/…$/);
    expect(captionLayout("wide", 3).lines).toEqual(["…"]);
  });

  it("lose no letter at the right edge and keep the asked height", () => {
    for (const width of [64, 96, 160, 256]) {
      const layout = captionLayout(prompt, width);
      const rgb = caption(layout, width, 4);
      expect(rgb).toHaveLength(width * captionHeight(4) * 3);
      layout.lines.forEach((_, line) => {
        expect(lastInk(rgb, width, line)).toBeGreaterThan(5);
        expect(lastInk(rgb, width, line)).toBeLessThan(width - 1);
      });
      if (layout.lines.length < 4) expect(lastInk(rgb, width, 3)).toBe(-1);
    }
  });
});
