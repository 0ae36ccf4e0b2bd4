/**
 * The notebooks as a reader meets them: opened in an unmodified JupyterLab with the outputs that are committed. Charts
 * must be live Vega, clips must play, formulas and the picture on top must show, and nothing may look like an error.
 * With ZOETROPE_PICTURES=1 every notebook is photographed from top to bottom into artefacts/.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { isCodeCell, type Notebook } from "../kernel/nbformat/notebook.ts";
import { injectParameters } from "../kernel/nbformat/parameters.ts";
import { readNotebookFile } from "../kernel/nbformat/read.ts";
import { writeNotebookFile } from "../kernel/nbformat/write.ts";
import { packageRoot } from "../kernel/package-root.ts";
import { artefacts, type JupyterLab, type NotebookPage, startJupyterLab } from "./kernel/jupyterlab.ts";
import { skipOrFail } from "./kernel/skip-or-fail.ts";

const source = join(packageRoot, "notebooks");
const names = readdirSync(source).filter(
  (name) => /^\d\d-[\w-]+\.ipynb$/.test(name) && !name.includes(".fast."),
);
const takesPictures = process.env["ZOETROPE_PICTURES"] === "1";

let scratch = "";
let lab: JupyterLab | undefined;
let reason = "";
const before: Record<string, string | undefined> = {};

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "zoetrope-notebooks-lab-"));
  // Cells read ../data: a copy of the folder beside a link to the repository's own data.
  const folder = join(scratch, "notebooks");
  mkdirSync(folder);
  cpSync(join(source, "figures"), join(folder, "figures"), { recursive: true });
  symlinkSync(join(packageRoot, "data"), join(scratch, "data"));
  for (const name of names) cpSync(join(source, name), join(folder, name));
  const { notebook } = readNotebookFile(join(source, names[0]!));
  const fast = await injectParameters(notebook, { fast: true });
  for (const cell of fast.cells.filter(isCodeCell))
    Object.assign(cell, { outputs: [], execution_count: null });
  writeNotebookFile(join(folder, "fast.ipynb"), fast);
  for (const [key, value] of [
    ["ZOETROPE_RUNS", join(scratch, "runs")],
    ["ZOETROPE_REPORTS", join(scratch, "reports")],
  ] as const) {
    before[key] = process.env[key];
    process.env[key] = value;
  }
  const started = await startJupyterLab({ folder });
  if ("reason" in started) reason = started.reason;
  else lab = started;
}, 180_000);
afterAll(async () => {
  await lab?.close();
  for (const [key, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
  rmSync(scratch, { recursive: true, force: true });
}, 30_000);
beforeEach((context) => {
  if (lab === undefined) skipOrFail(context, reason);
});

/** How many outputs of a notebook have a media type that matches. */
function count(notebook: Notebook, matches: (bundle: Readonly<Record<string, unknown>>) => boolean): number {
  return notebook.cells
    .filter(isCodeCell)
    .flatMap((cell) => cell.outputs)
    .filter((output) => "data" in output && matches(output.data)).length;
}

const isChart = (bundle: Readonly<Record<string, unknown>>) => "application/vnd.vegalite.v5+json" in bundle;
const isClip = (bundle: Readonly<Record<string, unknown>>) =>
  String(bundle["text/html"] ?? "").includes("<video");

/** What is on the page, as the reader sees it. */
function seen(page: Page) {
  return page.evaluate(() => {
    const all = (selector: string) => [...document.querySelectorAll<HTMLElement>(selector)];
    const clips = all("video") as HTMLVideoElement[];
    const [picture] = all(".jp-MarkdownCell img") as HTMLImageElement[];
    return {
      charts: all(".vega-embed canvas, .vega-embed svg.marks").filter((chart) => chart.clientWidth > 60)
        .length,
      clips: clips.filter((clip) => clip.readyState >= 2 && clip.videoWidth > 0 && clip.error === null)
        .length,
      playing: clips.filter((clip) => clip.currentTime > 0 && !clip.paused).length,
      formulas: all("mjx-container, .MathJax").length,
      pictureWidth: picture?.naturalWidth ?? 0,
      errors: all(
        '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"], .jp-RenderedVegaCommon5 .vega-error',
      ).map((element) => element.textContent ?? ""),
      rawTex: all(".jp-MarkdownOutput p").filter((element) => (element.textContent ?? "").includes("$$"))
        .length,
    };
  });
}

/** The whole notebook in slices of a screen. */
async function photograph(shown: NotebookPage, name: string): Promise<void> {
  mkdirSync(artefacts, { recursive: true });
  const outer = shown.page.locator(".jp-NotebookPanel-notebook .jp-WindowedPanel-outer");
  const height = await outer.evaluate((element) => element.scrollHeight);
  const step = (await outer.evaluate((element) => element.clientHeight)) - 40;
  for (let top = 0, part = 0; top < height; top += step, part++) {
    await outer.evaluate((element, at) => {
      element.scrollTop = at;
    }, top);
    await shown.page.waitForTimeout(250);
    await shown.screenshot(`${name.replace(".ipynb", "")}-${String(part).padStart(2, "0")}`);
  }
}

describe.each(names)("%s, opened", (name) => {
  it("shows every chart, clip, formula and the picture on top, and no error", async () => {
    const { notebook } = readNotebookFile(join(source, name));
    const shown = await lab!.open(name, { height: 1300 });
    try {
      const wanted = { charts: count(notebook, isChart), clips: count(notebook, isClip) };
      await expect
        .poll(() => seen(shown.page), { timeout: 40_000, interval: 300 })
        .toMatchObject({ ...wanted, playing: wanted.clips, errors: [], rawTex: 0 });
      const page = await seen(shown.page);
      expect(page.pictureWidth).toBeGreaterThan(200);
      const hasFormulas = notebook.cells.some(
        (cell) => cell.cell_type === "markdown" && cell.source.includes("$$"),
      );
      if (hasFormulas) expect(page.formulas).toBeGreaterThan(0);
      if (takesPictures) await photograph(shown, name);
    } finally {
      await shown.close();
    }
  }, 120_000);
});

describe("the quickstart, run with fast", () => {
  let shown: NotebookPage;
  const cellAt = (index: number) => shown.page.locator(".jp-CodeCell").nth(index);
  const promptOf = (index: number) => cellAt(index).locator(".jp-InputPrompt").first().textContent();
  const canvas = (index: number) =>
    cellAt(index)
      .locator("canvas")
      .first()
      .evaluate((element) => (element as HTMLCanvasElement).toDataURL());
  const select = (index: number) => cellAt(index).locator(".cm-content").click();
  // Code cells by number, the injected parameters counted.
  const [drawing, rolling, training, searching, reporting] = [2, 3, 4, 7, 10];

  it("draws its chart while it trains, and counts what it spends", async () => {
    shown = await lab!.open("fast.ipynb", { height: 1300 });
    await shown.runAll();
    await expect.poll(() => promptOf(training), { timeout: 240_000, interval: 50 }).toMatch(/\d/);
    expect(await cellAt(rolling).locator(".jp-Cell-outputArea").textContent()).toMatch(
      /quickstart-\d+: [\d,]+ NFE/,
    );
    expect(await canvas(training)).toMatch(/^data:image\/png/);
  }, 300_000);

  it("stops the search at the stop button, keeps what there was, and runs the next cell", async () => {
    await expect.poll(() => promptOf(searching - 1), { timeout: 240_000, interval: 50 }).toMatch(/\d/);
    await cellAt(searching).locator("canvas").first().waitFor({ timeout: 120_000 });
    await shown.command("notebook:interrupt-kernel");
    await expect.poll(() => promptOf(searching), { timeout: 60_000, interval: 50 }).toMatch(/\d/);
    await shown.idle();
    expect(await cellAt(searching).locator(".jp-Cell-outputArea").textContent()).toContain("Interrupted");
    await select(drawing);
    await shown.command("notebook:run-cell");
    await shown.idle();
    expect(await cellAt(drawing).locator("img").count()).toBe(1);
  }, 300_000);

  it("goes on from there to the end: live charts, clips that play, a report", async () => {
    const before = await canvas(searching);
    await select(searching);
    await shown.command("notebook:run-all-below");
    await expect.poll(() => promptOf(reporting), { timeout: 240_000 }).toMatch(/\d/);
    await shown.idle();
    const page = await seen(shown.page);
    expect(page).toMatchObject({ errors: [], charts: 3, clips: 3 });
    await expect.poll(async () => (await seen(shown.page)).playing, { timeout: 20_000 }).toBe(3);
    expect(await canvas(searching)).not.toBe(before);
    expect(readdirSync(join(scratch, "reports"))).toEqual(["quickstart.html"]);
    if (takesPictures) await photograph(shown, "run-01.ipynb");
    await shown.close();
  }, 300_000);
});
