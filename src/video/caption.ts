/** Lines of text as pixels, for titles inside pictures and videos; the font ships with the package. */
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const fontSize = 11;
const smallestSize = 8;
const lineHeight = 14;
/** Width of an average letter, in font sizes. */
const letter = 0.6;
const mostLines = 3;

/** Height in pixels of a caption of so many lines. */
export const captionHeight = (lines: number): number => 4 + lineHeight * lines;

/** A text broken between words where it is wider than `width` pixels: at most three lines, the last may be too long. */
export function captionLines(text: string, width: number): readonly string[] {
  const fits = Math.floor((width - 4) / fontSize / letter);
  const lines = [""];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1)!;
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= fits || lines.length === mostLines)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** RGB of black text on white, `width` x captionHeight(height in lines); a line that does not fit gets smaller, then shortened. */
export function caption(lines: readonly string[], width: number, height = lines.length): Uint8Array {
  const tall = captionHeight(height);
  const texts = lines.map((text, i) => {
    const size = Math.max(smallestSize, Math.min(fontSize, width / text.length / letter));
    const fits = Math.max(1, Math.floor(width / size / letter));
    const short = text.length > fits ? `${text.slice(0, fits - 1)}…` : text;
    return `<text x="2" y="${13 + lineHeight * i}" font-family="DejaVu Sans" font-size="${size}" fill="black">${escaped(short)}</text>`;
  });
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${tall}">` +
    `<rect width="100%" height="100%" fill="white"/>${texts.join("")}</svg>`;
  const { pixels } = new Resvg(svg, {
    font: { fontFiles: [fontFile], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
  }).render();
  const out = new Uint8Array(width * tall * 3);
  for (let p = 0; p < width * tall; p++) {
    for (let c = 0; c < 3; c++) out[p * 3 + c] = pixels[p * 4 + c]!;
  }
  return out;
}
