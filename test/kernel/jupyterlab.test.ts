/**
 * JupyterLab for real: this package's kernel behind an unmodified JupyterLab in headless Chromium, used as a person
 * uses it. Pictures of what was seen are left in artefacts/.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { codeCell, markdownCell, notebook } from "../../kernel/nbformat/notebook.ts";
import { readNotebookFile } from "../../kernel/nbformat/read.ts";
import { writeNotebookFile } from "../../kernel/nbformat/write.ts";
import { packageRoot } from "../../kernel/package-root.ts";
import { type JupyterLab, type NotebookPage, startJupyterLab } from "./jupyterlab.ts";
import { skipOrFail } from "./skip-or-fail.ts";

const clip = readFileSync(join(packageRoot, "test/kernel/fixtures/clip.webm")).toString("base64");
const kernelspec = { name: "zoetrope", display_name: "TypeScript (Zoetrope)" };

const chart = `
const rows = [1, 2, 4, 8, 16].map((nfe) => ({ nfe, score: 1 - Math.exp(-nfe / 6) }));
display({
  $schema: "https://vega.github.io/schema/vega-lite/v5.json",
  description: "score over NFE",
  width: 420,
  height: 180,
  data: { values: rows },
  mark: { type: "line", point: true },
  encoding: {
    x: { field: "nfe", type: "quantitative", scale: { type: "log", base: 2 }, title: "NFE" },
    y: { field: "score", type: "quantitative", title: "score" },
  },
});`.trim();
const video = `display({ "text/html": '<video id="clip" autoplay loop muted controls src="data:video/webm;base64,${clip}"></video>' });`;
const progress = `
const bar = (done: number) => ({ "text/html": \`<progress max="20" value="\${done}" style="width: 420px"></progress> step \${done} of 20\` });
const shown = display(bar(0));
for (let step = 1; step <= 20; step++) {
  await new Promise((resolve) => setTimeout(resolve, 100));
  shown.update(bar(step));
}`.trim();

let folder = "";
let lab: JupyterLab | undefined;
let reason = "";
let shown: NotebookPage;

const cellAt = (index: number) => shown.page.locator(".jp-CodeCell").nth(index);
const outputAt = (index: number) => cellAt(index).locator(".jp-Cell-outputArea");
/** Selects a code cell as a click into it does, and runs it with Shift+Enter. */
async function runCell(index: number): Promise<void> {
  await cellAt(index).locator(".cm-content").click();
  await shown.page.keyboard.press("Shift+Enter");
}
async function typeInto(index: number, text: string): Promise<void> {
  await cellAt(index).locator(".cm-content").click();
  await shown.page.keyboard.press("Control+a");
  await shown.page.keyboard.type(text);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-jupyterlab-"));
  const notebooks = join(folder, "notebooks");
  mkdirSync(notebooks);
  writeNotebookFile(
    join(notebooks, "show.ipynb"),
    notebook(
      [
        markdownCell("# Everything a cell can show"),
        codeCell("interface Box {\n  side: number;\n}\nlet box: Box = { side: 41 };"),
        codeCell(chart),
        codeCell(video),
        codeCell(progress),
      ],
      { kernelspec },
    ),
  );
  writeNotebookFile(
    join(notebooks, "work.ipynb"),
    notebook(
      [
        codeCell("let kept: number = 41;"),
        codeCell("console.log('running');\nwhile (true) {}"),
        codeCell("kept + 1"),
        codeCell("Math.sq"),
        codeCell("const wrong: string = kept;"),
        codeCell('prompt("your name:")'),
      ],
      { kernelspec },
    ),
  );
  const started = await startJupyterLab({ folder: notebooks });
  if ("reason" in started) reason = started.reason;
  else lab = started;
}, 180_000);
afterAll(async () => {
  await lab?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);
beforeEach((context) => {
  if (lab === undefined) skipOrFail(context, reason);
});

describe("the server", () => {
  it("offers this kernel as the default one, with its logos", async () => {
    const specs = (await (await fetch(`${lab!.url}/api/kernelspecs`)).json()) as {
      readonly default: string;
      readonly kernelspecs: {
        readonly [name: string]: { readonly resources: { readonly [logo: string]: string } };
      };
    };
    expect(specs.default).toBe("zoetrope");
    const { resources } = specs.kernelspecs["zoetrope"]!;
    expect(Object.keys(resources).sort()).toEqual(["logo-32x32", "logo-64x64", "logo-svg"]);
    const logo = await fetch(`${lab!.url}${resources["logo-svg"]}`);
    expect(await logo.text()).toContain("<title>Zoetrope</title>");
  });
});

describe("a notebook that shows things", () => {
  it("opens with this kernel, and runs all cells", { timeout: 120_000 }, async () => {
    shown = await lab!.open("show.ipynb");
    expect(await shown.page.locator(".jp-Toolbar-kernelName").textContent()).toContain(
      "TypeScript (Zoetrope",
    );
    await shown.runAll();
    // The bar of the last cell moves while it runs: at least three different values are seen on the page.
    const values = new Set<string | null>();
    const bar = outputAt(3).locator("progress");
    await bar.waitFor();
    for (let i = 0; i < 200 && values.size < 3; i++) {
      values.add(await bar.getAttribute("value"));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(values.size).toBeGreaterThanOrEqual(3);
    await shown.idle();
    await expect.poll(() => bar.getAttribute("value"), { timeout: 20_000 }).toBe("20");
    expect(await bar.count()).toBe(1);
  });

  it("highlights TypeScript", async () => {
    // Only the TypeScript grammar knows `interface` for a keyword, like `let`.
    const classOf = (word: string) =>
      cellAt(0).locator(".cm-content span", { hasText: word }).first().getAttribute("class");
    const isSame = async () => (await classOf("interface")) === (await classOf("let"));
    await expect.poll(isSame, { timeout: 20_000 }).toBe(true);
  });

  it("draws the chart alive with Vega, not as its picture", async () => {
    const rendered = outputAt(1).locator(".jp-RenderedVegaCommon5 .vega-embed");
    await rendered.locator("canvas, svg.marks").first().waitFor();
    expect(await outputAt(1).locator(".jp-RenderedSVG, .jp-RenderedImage").count()).toBe(0);
    const width = async () => (await rendered.locator("canvas, svg.marks").first().boundingBox())?.width;
    await expect.poll(width, { timeout: 20_000 }).toBeGreaterThan(400);
  });

  it("plays the video", async () => {
    const clock = () =>
      shown.page.locator("#clip").evaluate((element) => (element as HTMLVideoElement).currentTime);
    await expect.poll(clock, { timeout: 20_000 }).toBeGreaterThan(0);
    const first = await clock();
    await expect.poll(clock, { timeout: 20_000 }).not.toBe(first);
    const state = await shown.page.locator("#clip").evaluate((element) => {
      const player = element as HTMLVideoElement;
      return [player.videoWidth, player.videoHeight, player.paused, player.error];
    });
    expect(state).toEqual([96, 64, false, null]);
  });

  it("saves a notebook of format 4.5 with the outputs in it", async () => {
    await shown.screenshot("jupyterlab-show");
    await shown.save();
    const { notebook: saved, notes } = readNotebookFile(join(lab!.folder, "show.ipynb"));
    expect(notes).toEqual([]);
    expect(JSON.stringify(saved.cells[2])).toContain("application/vnd.vegalite.v5+json");
    await shown.close();
  });
});

describe("a notebook to work in", () => {
  it("stops an endless loop with the stop button, and keeps the variables", { timeout: 90_000 }, async () => {
    shown = await lab!.open("work.ipynb");
    await runCell(0);
    await runCell(1);
    await expect.poll(() => outputAt(1).textContent(), { timeout: 30_000 }).toContain("running");
    const startedAt = performance.now();
    await shown.page
      .locator(
        'jp-button[data-command="notebook:interrupt-kernel"], [data-command="notebook:interrupt-kernel"]',
      )
      .first()
      .click();
    await expect
      .poll(() => cellAt(1).locator(".jp-InputPrompt").first().textContent(), { timeout: 20_000 })
      .toMatch(/\[\d+\]/);
    expect(performance.now() - startedAt).toBeLessThan(5000);
    await runCell(2);
    await expect.poll(() => outputAt(2).textContent(), { timeout: 20_000 }).toContain("42");
  });

  it("completes with a popup", async () => {
    await typeInto(3, "Math.a");
    await shown.page.keyboard.press("Tab");
    const popup = shown.page.locator(".jp-Completer");
    await popup.locator(".jp-Completer-item").first().waitFor({ timeout: 20_000 });
    await expect
      .poll(() => popup.locator(".jp-Completer-match").allInnerTexts(), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(["abs", "acos", "atan2"]));
    await shown.screenshot("jupyterlab-completion");
    await shown.page.keyboard.press("Escape");
  });

  it("explains a name with Shift+Tab", async () => {
    await typeInto(3, "kept");
    await shown.page.keyboard.press("Shift+Tab");
    // The box is on the page before its words are.
    const tooltip = shown.page.locator(".jp-Tooltip", { hasText: "kept: number" });
    await tooltip.waitFor({ timeout: 20_000 });
    await shown.screenshot("jupyterlab-tooltip");
    await shown.page.keyboard.press("Escape");
  });

  it("shows a type error by the cell's own lines, and does not run the cell", async () => {
    await runCell(4);
    await expect
      .poll(() => outputAt(4).textContent(), { timeout: 20_000 })
      .toMatch(/Type 'number' is not assignable to type 'string'/);
    await shown.screenshot("jupyterlab-type-error");
  });

  it("asks through an input box", async () => {
    await runCell(5);
    const box = shown.page.locator(".jp-Stdin-input");
    await box.waitFor({ timeout: 20_000 });
    await box.fill("Ada");
    await box.press("Enter");
    await expect.poll(() => outputAt(5).textContent(), { timeout: 20_000 }).toContain("'Ada'");
  });

  it("restarts: the variables are gone, and cells run again", { timeout: 90_000 }, async () => {
    await shown.command("notebook:restart-kernel");
    await shown.page.locator(".jp-Dialog .jp-mod-accept").click();
    await shown.page.locator(".jp-Dialog").waitFor({ state: "detached" });
    await shown.idle();
    await runCell(2);
    await expect.poll(() => outputAt(2).textContent(), { timeout: 20_000 }).toMatch(/kept/);
    await runCell(0);
    await runCell(2);
    await expect.poll(() => outputAt(2).textContent(), { timeout: 20_000 }).toContain("42");
    await shown.screenshot("jupyterlab-work");
    await shown.close();
  });
});
