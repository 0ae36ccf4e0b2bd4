/** Values that draw themselves: html, md, latex, svg, png, json, vegaLite, as functions and (the texts) as template tags. */
import { inspect } from "node:util";
import type { Bundle } from "../protocol/media-type.ts";
import { DISPLAY, type Displayable } from "./render.ts";

/** A fixed bundle as a value. */
export const displayable = (bundle: Bundle): Displayable => Object.freeze({ [DISPLAY]: () => bundle });

export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

export type TextHelper = (text: string | TemplateStringsArray, ...values: unknown[]) => Displayable;

const isTemplate = (text: string | TemplateStringsArray): text is TemplateStringsArray =>
  typeof text !== "string";

function textHelper(mediaType: string): TextHelper {
  return (text, ...values) => {
    const whole = isTemplate(text) ? String.raw({ raw: text.raw }, ...values) : String(text);
    return displayable({ [mediaType]: whole, "text/plain": whole });
  };
}

/** Raw HTML; what it interpolates is not escaped. */
export const html = textHelper("text/html");
export const md = textHelper("text/markdown");
/** LaTeX with its own delimiters: latex`$E = mc^2$`. */
export const latex = textHelper("text/latex");

/** An SVG drawing as a picture. */
export const svg: TextHelper = (text, ...values) => {
  const whole = isTemplate(text) ? String.raw({ raw: text.raw }, ...values) : String(text);
  return displayable({ "image/svg+xml": whole, "text/plain": `[SVG, ${whole.length} characters]` });
};

/** A PNG file, as bytes or base64. */
export function png(data: Uint8Array | string): Displayable {
  const size = typeof data === "string" ? Math.floor((data.length * 3) / 4) : data.byteLength;
  return displayable({ "image/png": data, "text/plain": `[PNG, ${size} bytes]` });
}

/** A value as a tree that the front end folds and unfolds. */
export const json = (value: unknown): Displayable =>
  displayable({ "application/json": value, "text/plain": inspect(value, { depth: 4 }) });

/** A Vega-Lite specification as a chart; `$schema` may be left out. */
export const vegaLite = (spec: Bundle): Displayable =>
  displayable({
    "application/vnd.vegalite.v5+json": {
      $schema: "https://vega.github.io/schema/vega-lite/v5.json",
      ...spec,
    },
    "text/plain": "[Vega-Lite chart]",
  });
