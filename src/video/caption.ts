/** A line of text as pixels, for titles inside pictures and videos; the font ships with the package. */
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Height of a caption in pixels. */
export const captionHeight = 18;

/** RGB of black text on white, `width` x captionHeight; text that does not fit gets smaller, then shortened. */
export function caption(text: string, width: number): Uint8Array {
  const size = Math.max(8, Math.min(11, width / text.length / 0.6));
  const fits = Math.max(1, Math.floor(width / size / 0.6));
  const short = text.length > fits ? `${text.slice(0, fits - 1)}…` : text;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${captionHeight}">` +
    `<rect width="100%" height="100%" fill="white"/>` +
    `<text x="2" y="13" font-family="DejaVu Sans" font-size="${size}" fill="black">${escaped(short)}</text></svg>`;
  const { pixels } = new Resvg(svg, {
    font: { fontFiles: [fontFile], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
  }).render();
  const out = new Uint8Array(width * captionHeight * 3);
  for (let p = 0; p < width * captionHeight; p++) {
    for (let c = 0; c < 3; c++) out[p * 3 + c] = pixels[p * 4 + c]!;
  }
  return out;
}
