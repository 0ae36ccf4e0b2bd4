/**
 * Pictures of a Vega-Lite spec: SVG by vega without a browser, PNG by resvg with the shipped DejaVu font, so that pixels
 * do not depend on the machine's fonts. Vega wraps text by an estimate of its width here, which needs no canvas.
 */
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import * as vega from "vega";
import * as vegaLite from "vega-lite";
import { encodeIndexedPng } from "./indexed-png.ts";

const require = createRequire(import.meta.url);

/** A Vega-Lite v5 specification: plain JSON. */
export type Spec = Readonly<Record<string, unknown>>;

/** What vega says while a spec is compiled or run; empty for every chart here (a test holds it so). */
export interface Compiled {
  readonly vega: Spec;
  readonly warnings: readonly string[];
}

/** Vega's spec of a Vega-Lite spec, with the compiler's warnings. */
export function compileSpec(spec: Spec): Compiled {
  const warnings: string[] = [];
  const logger = collecting(warnings);
  const compiled = vegaLite.compile(spec as unknown as vegaLite.TopLevelSpec, { logger });
  return { vega: compiled.spec as unknown as Spec, warnings };
}

function collecting(warnings: string[]) {
  const note = (...parts: readonly unknown[]) => {
    warnings.push(parts.map(String).join(" "));
    return logger;
  };
  const logger: vega.LoggerInterface = {
    level: ((level?: number) => (level === undefined ? vega.Warn : logger)) as vega.LoggerInterface["level"],
    error: note,
    warn: note,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

interface HeadlessView {
  readonly _width: number;
  readonly _height: number;
  readonly _origin: [number, number];
  readonly _viewWidth: number;
  readonly _viewHeight: number;
}

/** The chart as SVG text; the same spec gives the same bytes. */
export function renderSvg(spec: Spec): string {
  // Vega writes ids into the data it is given, and a chart's spec must stay as it is.
  const compiled = structuredClone(compileSpec(spec).vega) as unknown as vega.Spec;
  const view = new vega.View(vega.parse(compiled), {
    renderer: "none",
    logLevel: vega.Error,
  });
  view.run();
  setImages((view.scenegraph() as unknown as { root: SceneItem }).root);
  // View.toSVG is asynchronous only because images and fonts may load; nothing loads here, and display() must not wait.
  const size = view as unknown as HeadlessView;
  const padding = view.padding() as { left: number; right: number; top: number; bottom: number };
  // The typings leave the string renderer out.
  const { SVGStringRenderer } = vega as unknown as { SVGStringRenderer: new () => SvgRenderer };
  const svg = new SVGStringRenderer()
    .initialize(
      null,
      Math.max(0, size._viewWidth + padding.left + padding.right),
      Math.max(0, size._viewHeight + padding.top + padding.bottom),
      [size._origin[0] + padding.left, size._origin[1] + padding.top],
      1,
    )
    .background("transparent")
    .render((view.scenegraph() as unknown as { root: unknown }).root)
    .svg();
  view.finalize();
  return svg;
}

interface SceneItem {
  readonly marktype?: string;
  readonly items?: SceneItem[];
  readonly url?: string;
  readonly width?: number;
  readonly height?: number;
  image?: object;
}

/** Pictures are data URLs: they need no loading, so they are put into the scene directly. */
function setImages(mark: SceneItem): void {
  for (const item of mark.items ?? []) {
    if (mark.marktype === "image" && item.url?.startsWith("data:image/")) {
      item.image = { url: item.url, src: item.url, complete: true, width: item.width, height: item.height };
    }
    setImages(item);
  }
}

/** Width of text in DejaVu Sans, in pixels, by classes of letters: within some 5 %, where vega's own guess is 40 % wide. */
function textWidth(text: string, size: number): number {
  let width = 0;
  for (const letter of text) {
    if ("iljI.,:;|!' ".includes(letter)) width += 0.32;
    else if ("frt()[]-".includes(letter)) width += 0.41;
    else if ("mwMW%@".includes(letter)) width += 0.92;
    else width += letter >= "A" && letter <= "Z" ? 0.69 : 0.61;
  }
  return width * size;
}

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
}

const { textMetrics } = vega as unknown as {
  textMetrics: { width: (item: TextItem, text: string) => number };
};
textMetrics.width = (item, text) => {
  const isBold = item.fontWeight === "bold" || Number(item.fontWeight) >= 600;
  return textWidth(String(text), item.fontSize ?? 11) * (isBold ? 1.11 : 1);
};

interface SvgRenderer {
  initialize(el: null, width: number, height: number, origin: [number, number], scale: number): SvgRenderer;
  background(color: string): SvgRenderer;
  render(scene: unknown): SvgRenderer;
  svg(): string;
}

let fontFiles: string[] | undefined;

function fonts(): string[] {
  const folder = join(dirname(require.resolve("dejavu-fonts-ttf/package.json")), "ttf");
  fontFiles ??= readdirSync(folder)
    .filter((name) => /^DejaVuSans(-Bold|-Oblique)?\.ttf$/.test(name))
    .map((name) => join(folder, name));
  return fontFiles;
}

/** SVG as PNG bytes; `scale` 2 suits dense screens. `background` is transparent unless given. */
export function rasterize(svg: string, options: { scale?: number; background?: string } = {}): Uint8Array {
  const { scale = 2, background } = options;
  const { Resvg } = require("@resvg/resvg-js") as typeof import("@resvg/resvg-js");
  const image = new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    ...(background === undefined ? {} : { background }),
    font: {
      loadSystemFonts: false,
      fontFiles: fonts(),
      defaultFontFamily: "DejaVu Sans",
      sansSerifFamily: "DejaVu Sans",
    },
  }).render();
  return encodeIndexedPng(straightAlpha(image.pixels), image.width, image.height);
}

/** resvg multiplies colours by their opacity; PNG wants them as they are, or pale bands turn grey. */
function straightAlpha(premultiplied: Uint8Array): Uint8Array {
  const straight = Uint8Array.from(premultiplied);
  for (let i = 0; i < straight.length; i += 4) {
    const alpha = straight[i + 3]!;
    if (alpha === 0 || alpha === 255) continue;
    for (let c = i; c < i + 3; c++) straight[c] = Math.min(255, Math.round((straight[c]! * 255) / alpha));
  }
  return straight;
}
