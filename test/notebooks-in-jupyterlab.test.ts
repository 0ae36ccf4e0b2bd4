/**
 * The notebooks as a reader meets them, in an unmodified JupyterLab: opened with the outputs that are committed, and run
 * with `fast` from the first cell to the last. Charts must be live Vega, clips must play, formulas and the picture on top
 * must show, progress must move, the stop button must stop, and nothing may look like an error or be cut off.
 * With ZOETROPE_PICTURES=1 every notebook is photographed from top to bottom into artefacts/, in light and in dark.
 */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { codeCell, isCodeCell, type Notebook, notebook as notebookOf } from "../kernel/nbformat/notebook.ts";
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
  cpSync(join(source, "tsconfig.json"), join(folder, "tsconfig.json"));
  symlinkSync(join(packageRoot, "data"), join(scratch, "data"));
  for (const name of names) cpSync(join(source, name), join(folder, name));
  for (const name of names) {
    const { notebook } = readNotebookFile(join(source, name));
    const fast = await injectParameters(notebook, { fast: true });
    for (const cell of fast.cells.filter(isCodeCell))
      Object.assign(cell, { outputs: [], execution_count: null });
    writeNotebookFile(join(folder, `fast-${name}`), fast);
  }
  writeNotebookFile(join(folder, "stop.ipynb"), longTraining());
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

/** A training that nobody waits for, and a cell after it. */
function longTraining(): Notebook {
  const cells = [
    `import { CausalWan, plot, teacherForcing, train, useDevice, world } from "zoetrope";
await useDevice("auto");
const model = CausalWan.mini({ seed: 0 }), rows: { step: number }[] = [];`,
    `for await (const row of train(model, world({ seed: 0 }), { forcing: teacherForcing(), steps: 100000, logEvery: 1 })) {
  rows.push(row);
  display(plot.loss(rows), { id: "loss" });
}`,
    "[rows.length > 0, rows.length === rows.at(-1)!.step]",
  ];
  return notebookOf(
    cells.map((text, i) => codeCell(text, { id: `cell-${i}` })),
    { kernelspec: { name: "zoetrope", display_name: "TypeScript (Zoetrope)" } },
  );
}

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
      // Wider than the page: a table or a picture whose right side one has to scroll to.
      cut: all(".jp-OutputArea-output")
        .filter((output) => output.scrollWidth > output.clientWidth + 2)
        .map((output) => (output.textContent ?? "").slice(0, 60)),
      // A bar that the end of its cell left standing.
      unfinished: all(".jp-OutputArea-output progress").filter(
        (bar) => (bar as HTMLProgressElement).position < 1,
      ).length,
    };
  });
}

/** The whole notebook in slices of a screen. */
async function photograph(shown: NotebookPage, name: string): Promise<void> {
  mkdirSync(artefacts, { recursive: true });
  const outer = shown.page.locator(".jp-NotebookPanel-notebook .jp-WindowedPanel-outer");
  for (const theme of ["Light", "Dark"]) {
    await shown.command("apputils:change-theme", { theme: `JupyterLab ${theme}` });
    await shown.page.waitForTimeout(1000);
    // Below the last cell there is only empty space.
    const height = await outer.evaluate((element) => {
      const last = [...element.querySelectorAll(".jp-Cell")].at(-1)!;
      return last.getBoundingClientRect().bottom - element.getBoundingClientRect().top + element.scrollTop;
    });
    const step = (await outer.evaluate((element) => element.clientHeight)) - 40;
    for (let top = 0, part = 0; top < height; top += step, part++) {
      await outer.evaluate((element, at) => {
        element.scrollTop = at;
      }, top);
      await shown.page.waitForTimeout(250);
      const number = String(part).padStart(2, "0");
      await shown.screenshot(`${name.replace(".ipynb", "")}-${theme.toLowerCase()}-${number}`);
    }
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
        .toMatchObject({ ...wanted, playing: wanted.clips, errors: [], rawTex: 0, cut: [], unfinished: 0 });
      const pictureWidth = async () => (await seen(shown.page)).pictureWidth;
      await expect.poll(pictureWidth, { timeout: 20_000 }).toBeGreaterThan(200);
      const hasFormulas = notebook.cells.some(
        (cell) => cell.cell_type === "markdown" && cell.source.includes("$$"),
      );
      const formulas = async () => (await seen(shown.page)).formulas;
      if (hasFormulas) await expect.poll(formulas, { timeout: 20_000 }).toBeGreaterThan(0);
      if (takesPictures) await photograph(shown, name);
    } finally {
      await shown.close();
    }
  }, 120_000);
});

describe.each(names.slice(1))("%s, run with fast", (name) => {
  it("runs to the end: every chart live, every clip playing, progress moving, nothing cut off", async () => {
    const shown = await lab!.open(`fast-${name}`, { height: 1300 });
    try {
      const { page } = shown;
      await page.evaluate(() => {
        const seen = new Set<string>();
        Object.assign(globalThis, { progressSeen: seen });
        const look = () => {
          for (const bar of document.querySelectorAll("progress")) seen.add(`${bar.value} of ${bar.max}`);
        };
        new MutationObserver(look).observe(document.body, {
          childList: true,
          subtree: true,
          attributes: true,
        });
      });
      await shown.runAll();
      await shown.idle(300_000);
      expect((await seen(page)).errors).toEqual([]);
      await shown.save();
      const { notebook } = readNotebookFile(join(scratch, "notebooks", `fast-${name}`));
      const wanted = { charts: count(notebook, isChart), clips: count(notebook, isClip) };
      const { notebook: committed } = readNotebookFile(join(source, name));
      expect(wanted.charts).toBeGreaterThanOrEqual(Math.min(1, count(committed, isChart)));
      expect(wanted.clips).toBe(count(committed, isClip));
      expect(notebook.cells.filter(isCodeCell).filter((cell) => cell.execution_count === null)).toEqual([]);
      await expect
        .poll(() => seen(page), { timeout: 40_000, interval: 300 })
        .toMatchObject({ ...wanted, playing: wanted.clips, errors: [], cut: [], unfinished: 0 });
      const progress = await page.evaluate(() => [
        ...(globalThis as unknown as { progressSeen: Set<string> }).progressSeen,
      ]);
      if (name.startsWith("04")) expect(progress.length).toBeGreaterThan(2);
      if (takesPictures) await photograph(shown, `run-${name}`);
    } finally {
      await shown.close();
    }
  }, 400_000);
});

describe("a long training", () => {
  it("stops at the stop button, keeps what it had, and the next cell runs", async () => {
    const shown = await lab!.open("stop.ipynb", { height: 1000 });
    try {
      const cellAt = (index: number) => shown.page.locator(".jp-CodeCell").nth(index);
      await shown.runAll();
      await cellAt(1).locator("canvas").first().waitFor({ timeout: 120_000 });
      const pressed = Date.now();
      // The button of the toolbar, as the reader presses it; cells that waited are given up, as in any kernel.
      await shown.page
        .locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]')
        .click();
      await shown.idle();
      expect(Date.now() - pressed).toBeLessThan(20_000);
      const outputOf = (index: number) => cellAt(index).locator(".jp-Cell-outputArea").textContent();
      await expect.poll(() => outputOf(1), { timeout: 20_000 }).toContain("Interrupted");
      await cellAt(2).locator(".cm-content").click();
      await shown.command("notebook:run-cell");
      await shown.idle();
      await expect.poll(() => outputOf(2), { timeout: 20_000 }).toMatch(/true,\s*true/);
    } finally {
      await shown.close();
    }
  }, 240_000);
});

describe("the quickstart, run with fast", () => {
  let shown: NotebookPage;
  const cellAt = (index: number) => shown.page.locator(".jp-CodeCell").nth(index);
  const outputOf = (index: number) => cellAt(index).locator(".jp-Cell-outputArea").textContent();
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
    shown = await lab!.open(`fast-${names[0]}`, { height: 1300 });
    await shown.runAll();
    await expect.poll(() => promptOf(training), { timeout: 240_000, interval: 50 }).toMatch(/\d/);
    await expect.poll(() => outputOf(rolling), { timeout: 20_000 }).toMatch(/quickstart-\d+: [\d,]+ NFE/);
    expect(await canvas(training)).toMatch(/^data:image\/png/);
  }, 300_000);

  it("stops the search at the stop button, keeps what there was, and runs the next cell", async () => {
    await expect.poll(() => promptOf(searching - 1), { timeout: 240_000, interval: 50 }).toMatch(/\d/);
    await cellAt(searching).locator("canvas").first().waitFor({ timeout: 120_000 });
    await shown.command("notebook:interrupt-kernel");
    await expect.poll(() => promptOf(searching), { timeout: 60_000, interval: 50 }).toMatch(/\d/);
    await shown.idle();
    await expect.poll(() => outputOf(searching), { timeout: 20_000 }).toContain("Interrupted");
    await select(drawing);
    await shown.command("notebook:run-cell");
    await shown.idle();
    await expect.poll(() => cellAt(drawing).locator("img").count(), { timeout: 20_000 }).toBe(1);
  }, 300_000);

  it("goes on from there to the end: live charts, clips that play, a report", async () => {
    const before = await canvas(searching);
    await select(searching);
    await shown.command("notebook:run-all-below");
    await expect.poll(() => promptOf(reporting), { timeout: 240_000 }).toMatch(/\d/);
    await shown.idle();
    await expect
      .poll(() => seen(shown.page), { timeout: 40_000, interval: 300 })
      .toMatchObject({ errors: [], charts: 3, clips: 3, playing: 3 });
    expect(await canvas(searching)).not.toBe(before);
    expect(readdirSync(join(scratch, "reports"))).toEqual(["quickstart.html"]);
    if (takesPictures) await photograph(shown, "run-01.ipynb");
    await shown.close();
  }, 300_000);
});
