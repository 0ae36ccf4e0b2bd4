/**
 * Every chart of the gallery: valid against vega-lite's own schema, compiled without a warning by both vega-lites,
 * drawn as the stored picture, described, and without change to its input.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Ajv } from "ajv";
import { beforeAll, describe, expect, it } from "vitest";
import { compileSpec } from "../../src/plot/render.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { gallery } from "./gallery.ts";
import { loadVega5, type Vega5 } from "./vega5.ts";

const require = createRequire(import.meta.url);
const snapshots = join(packageRoot, "test/plot/snapshots");
mkdirSync(snapshots, { recursive: true });

function validator(path: string) {
  // The schema is draft 7 with formats and a few unions that strict mode dislikes; it is not ours to change.
  const ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false, logger: false });
  return ajv.compile(JSON.parse(readFileSync(path, "utf8")) as object);
}

const isValid6 = validator(require.resolve("vega-lite/vega-lite-schema.json"));

let vega5: Vega5 | string = "not loaded";
beforeAll(async () => {
  vega5 = await loadVega5();
}, 300_000);

describe.each(Object.entries(gallery))("%s", (name, make) => {
  const chart = make();

  it("is valid against the schema of vega-lite 6", () => {
    const isValid = isValid6(chart.spec);
    expect(isValid ? [] : isValid6.errors?.slice(0, 3)).toEqual([]);
  });

  it("compiles without a warning in vega-lite 6 and draws the stored picture", async () => {
    expect(compileSpec(chart.spec).warnings).toEqual([]);
    await expect(chart.svg()).toMatchFileSnapshot(join(snapshots, `${name}.svg`));
  });

  it("compiles without a warning and draws in vega-lite 5.6.1 with vega 5.33.0", async ({ skip }) => {
    if (typeof vega5 === "string") return skip(vega5);
    const warnings: string[] = [];
    const logger = logging(warnings);
    const compiled = vega5.vegaLite.compile(structuredClone(chart.spec), { logger });
    const view = new vega5.vega.View(vega5.vega.parse(compiled.spec), { renderer: "none", logger });
    const svg = await view.toSVG();
    view.finalize();
    expect(warnings).toEqual([]);
    expect(svg.length).toBeGreaterThan(500);
  });

  it("says what it shows, and is pure JSON", () => {
    expect(chart.description.length).toBeGreaterThan(20);
    expect(chart.spec["description"]).toBe(chart.description);
    expect(JSON.parse(JSON.stringify(chart.spec))).toEqual(chart.spec);
    expect(JSON.stringify(chart.spec)).not.toContain("errorband");
  });

  it("is the same chart when made again, and leaves the rows alone", () => {
    const before = JSON.stringify(chart.rows);
    expect(make().spec).toEqual(chart.spec);
    expect(chart.update(chart.rows).spec).toEqual(chart.spec);
    expect(JSON.stringify(chart.rows)).toBe(before);
  });
});

function logging(warnings: string[]) {
  const note = (...parts: unknown[]) => {
    // Dragging listens on the browser's window, which is absent here.
    if (String(parts[0]).startsWith("Can not resolve event source: window")) return logger;
    warnings.push(parts.map(String).join(" "));
    return logger;
  };
  const logger = { level: () => logger, warn: note, error: note, info: () => logger, debug: () => logger };
  return logger;
}
