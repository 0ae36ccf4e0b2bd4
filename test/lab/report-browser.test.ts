/** A report in a real browser: charts come alive under the policy, nothing is requested, nothing foreign runs. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { notebookReport } from "../../src/lab/report/notebook-report.ts";
import { report } from "../../src/lab/report/report.ts";
import { gallery } from "../plot/gallery.ts";

const executable = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => path !== undefined && existsSync(path));

describe.skipIf(executable === undefined)("in a browser (needs Chromium; CHROMIUM names it)", () => {
  let folder: string;
  let browser: Browser;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "zoetrope-browser-"));
    browser = await chromium.launch({ executablePath: executable!, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(path: string) {
    const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) requests.push(request.url());
    });
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    const url = pathToFileURL(path).href;
    await page.goto(url);
    await page.waitForSelector("html[data-ready=yes]", { state: "attached" });
    await page.waitForTimeout(300);
    return { page, complaints, others: () => requests.filter((request) => request !== url) };
  }

  it("every chart of the gallery is live, answers to the pointer, and nothing is requested", async () => {
    const charts = Object.values(gallery).map((make) => make());
    const path = await report({ title: "Gallery" })`${charts}`.write(join(folder, "gallery.html"));
    const { page, complaints, others } = await open(path);
    const states = await page.$$eval("[data-vega]", (figures) =>
      figures.map((figure) => (figure as HTMLElement).dataset["live"]),
    );
    expect(states).toEqual(charts.map(() => "yes"));
    expect(complaints).toEqual([]);
    expect(others()).toEqual([]);
    await page.locator("#figure-1 .mark-symbol path").first().hover({ force: true });
    await page.waitForSelector(".tip:not([hidden])");
    expect(await page.locator(".tip").textContent()).toContain("strategy");
    await page.close();
  }, 60_000);

  it("nothing of a hostile notebook runs or loads", async () => {
    const attack =
      "<img src=x onerror='window.owned=1'><script>window.owned=1</script><a href='javascript:window.owned=1'>a</a>";
    const notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: {},
      cells: [
        { cell_type: "markdown", id: "a", metadata: {}, source: attack },
        {
          cell_type: "code",
          id: "b",
          metadata: {},
          execution_count: 1,
          source: attack,
          outputs: [
            { output_type: "display_data", metadata: {}, data: { "text/html": attack } },
            {
              output_type: "display_data",
              metadata: {},
              data: {
                "image/svg+xml": `<svg xmlns="http://www.w3.org/2000/svg" onload="parent.owned=1"><script>parent.owned=1</script></svg>`,
              },
            },
            {
              output_type: "display_data",
              metadata: {},
              data: {
                "application/vnd.vegalite.v5+json": {
                  data: { values: [{ a: 1 }] },
                  params: [{ name: "p", expr: "constructor.constructor('window.owned=1')()" }],
                  mark: "point",
                },
              },
            },
            {
              output_type: "display_data",
              metadata: {},
              data: {
                "application/vnd.vegalite.v5+json": {
                  data: { values: [{ a: 1, u: "https://example.org/x.png" }] },
                  mark: { type: "image", width: 20, height: 20 },
                  encoding: { x: { field: "a", type: "quantitative" }, url: { field: "u", type: "nominal" } },
                },
              },
            },
          ],
        },
      ],
    };
    const source = join(folder, "hostile.ipynb");
    writeFileSync(source, JSON.stringify(notebook));
    const { page, others } = await open(await notebookReport(source).write(join(folder, "hostile.html")));
    expect(await page.evaluate("window.owned")).toBe(undefined);
    expect(others()).toEqual([]);
    await page.close();
  }, 60_000);

  it("prints to PDF with every figure", async () => {
    const path = await report({ title: "Paper" })`${gallery["loss"]!()}`.write(join(folder, "paper.html"));
    const { page } = await open(path);
    const pdf = await page.pdf({ format: "A4" });
    expect(pdf.subarray(0, 5).toString()).toBe("%PDF-");
    expect(pdf.length).toBeGreaterThan(10_000);
    await page.close();
  }, 60_000);
});
