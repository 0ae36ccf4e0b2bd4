/** `import * as tslab from "tslab"`: tslab's display functions on this kernel, so that its notebooks run unchanged. */
import { randomUUID } from "node:crypto";
import { type DisplayHandle, display as show } from "./display.ts";

type Data = string | Uint8Array;

/** One media type per call, as in tslab 1.0. */
export interface TslabDisplay {
  javascript(code: string): void;
  html(markup: string): void;
  markdown(text: string): void;
  latex(text: string): void;
  svg(drawing: string): void;
  png(bytes: Data): void;
  jpeg(bytes: Data): void;
  gif(bytes: Data): void;
  pdf(bytes: Data): void;
  text(text: string): void;
  raw(mediaType: string, data: Data): void;
}

function functions(raw: (mediaType: string, data: Data) => void): TslabDisplay {
  return Object.freeze({
    raw,
    javascript: (code: string) => raw("text/javascript", code),
    html: (markup: string) => raw("text/html", markup),
    markdown: (text: string) => raw("text/markdown", text),
    latex: (text: string) => raw("text/latex", text),
    svg: (drawing: string) => raw("image/svg+xml", drawing),
    png: (bytes: Data) => raw("image/png", bytes),
    jpeg: (bytes: Data) => raw("image/jpeg", bytes),
    gif: (bytes: Data) => raw("image/gif", bytes),
    pdf: (bytes: Data) => raw("application/pdf", bytes),
    text: (text: string) => raw("text/plain", text),
  });
}

const bundleOf = (mediaType: string, data: Data): Record<string, Data> =>
  mediaType === "text/plain" ? { [mediaType]: data } : { [mediaType]: data, "text/plain": `[${mediaType}]` };

/** A place in the output: the first call shows it, later calls replace what it shows. */
function newDisplay(): TslabDisplay {
  let handle: DisplayHandle | null = null;
  return functions((mediaType, data) => {
    const bundle = bundleOf(mediaType, data);
    if (handle === null) handle = show(bundle, { id: randomUUID() });
    else handle.update(bundle);
  });
}

export const tslab = Object.freeze({
  display: functions((mediaType, data) => void show(bundleOf(mediaType, data))),
  newDisplay,
  versions: Object.freeze({ tslab: "1.0.22", typescript: "6.0.3", node: process.versions.node }),
});
