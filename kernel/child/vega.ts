/** Pictures of charts, drawn in this process with the Vega and Vega-Lite of the kernel's own package. */
import type { Bundle } from "../protocol/media-type.ts";
import { grammarOf } from "../protocol/media-type.ts";

export type Picture = { readonly svg: string } | { readonly fault: string };

/** The chart as SVG, or why there is none. Never rejects: a chart without a picture is still a chart. */
export async function chartPicture(spec: Bundle): Promise<Picture> {
  try {
    const vega = await import("vega");
    let drawn = spec as object;
    if (grammarOf(spec["$schema"])?.grammar === "vega-lite") {
      const { compile } = await import("vega-lite");
      // Warnings of the compiler are for the author of the spec, who sees them in the front end's own console.
      const logger = vega.logger(vega.Error);
      drawn = compile(spec as never, { logger }).spec;
    }
    const view = new vega.View(vega.parse(drawn as never), { renderer: "none", logLevel: vega.Error });
    try {
      return { svg: await view.toSVG() };
    } finally {
      view.finalize();
    }
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
}
