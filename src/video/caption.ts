/** Lines of text as pixels, for titles inside pictures and videos; the font ships with the package. */
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const fontFile = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

/** Pixels, the first that lets the text fit is taken. */
const fontSizes = [11, 10, 9, 8] as const;
const lineHeight = 14;
/** Width of an average letter, in font sizes. */
const letter = 0.58;
const mostLines = 4;

/** A text broken into lines. */
export interface CaptionLayout {
  readonly lines: readonly string[];
  readonly fontSize: number;
}

/** Height in pixels of a caption of so many lines. */
export const captionHeight = (lines: number): number => 4 + lineHeight * lines;

/** Breaks a text between words, in the largest font that needs no more than four lines; what still does not fit is cut. */
export function captionLayout(text: string, width: number): CaptionLayout {
  const layouts = fontSizes.map((fontSize) => {
    const fits = Math.max(1, Math.floor((width - 4) / fontSize / letter));
    return { fontSize, fits, lines: broken(text, fits) };
  });
  const { fontSize, fits, lines } =
    layouts.find(
      (one) => one.lines.length <= mostLines && one.lines.every(({ length }) => length <= one.fits),
    ) ?? layouts.at(-1)!;
  const shown = [...lines.slice(0, mostLines - 1), lines.slice(mostLines - 1).join(" ")].filter(
    (line, i) => i === 0 || line !== "",
  );
  return {
    fontSize,
    lines: shown.map((line) => (line.length > fits ? `${line.slice(0, Math.max(0, fits - 1))}…` : line)),
  };
}

function broken(text: string, fits: number): string[] {
  const lines: string[] = [];
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= fits)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** RGB of black text on white, `width` x captionHeight(height in lines). */
export function caption(
  { lines, fontSize }: CaptionLayout,
  width: number,
  height = lines.length,
): Uint8Array {
  const tall = captionHeight(height);
  const texts = lines.map(
    (text, i) =>
      `<text x="2" y="${13 + lineHeight * i}" font-family="DejaVu Sans" font-size="${fontSize}" fill="black">${escaped(text)}</text>`,
  );
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
