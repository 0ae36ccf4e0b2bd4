/** A report re-run in a clean kernel: what is the same, what moved, and what could not be run, each graded. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { notebookReport } from "../../src/lab/report/notebook-report.ts";
import { verifyReport } from "../../src/lab/report/verify-report.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-verify-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const chart = (title: string, values: string) =>
  `display({ "application/vnd.vegalite.v5+json": { $schema: "https://vega.github.io/schema/vega-lite/v5.json", title: "${title}", data: { values: ${values} }, mark: "point", encoding: { x: { field: "a", type: "quantitative" } } }, "text/plain": "chart" });`;

const code = (id: string, source: string, outputs: object[] = []) => ({
  cell_type: "code",
  id,
  metadata: {},
  execution_count: null,
  source,
  outputs,
});

const shown = (title: string, values: object[]) => ({
  output_type: "display_data",
  metadata: {},
  data: {
    "application/vnd.vegalite.v5+json": {
      $schema: "https://vega.github.io/schema/vega-lite/v5.json",
      title,
      data: { values },
      mark: "point",
      encoding: { x: { field: "a", type: "quantitative" } },
    },
    "text/plain": "chart",
  },
});

it("grades each figure of a notebook's report by running the notebook that it carries", async () => {
  const notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: "zoetrope", display_name: "TypeScript", language: "typescript" } },
    cells: [
      code("same", chart("Same", "[{ a: 1 / 3 }]"), [shown("Same", [{ a: 1 / 3 }])]),
      code("near", chart("Near", "[{ a: 0.3333333 }]"), [shown("Near", [{ a: 1 / 3 }])]),
      code("moved", chart("Moved", "[{ a: 2 }]"), [shown("Moved", [{ a: 1 }])]),
      code("gone", 'throw new Error("the data set is gone");', [shown("Gone", [{ a: 1 }])]),
    ],
  };
  const source = join(folder, "executed.ipynb");
  writeFileSync(source, JSON.stringify(notebook));
  const path = await notebookReport(source, { title: "Graded" }).write(join(folder, "graded.html"));
  const verification = await verifyReport(path, { timeout: 60 });
  expect(verification.isIntact).toBe(true);
  expect(verification.items.map((item) => [item.title, item.grade])).toEqual([
    ["Figure 1: Same", "bit-exact"],
    ["Figure 2: Near", "within tolerance"],
    ["Figure 3: Moved", "drifted"],
    ["Figure 4: Gone", "not re-runnable"],
  ]);
  expect(verification.overall).toBe("not re-runnable");
  expect(verification.notes).toContain("Cell 4 failed in the re-run: Error: the data set is gone.");
  expect(verification.text()).toContain("overall: not re-runnable");
}, 180_000);
