/** Ledgers: what a run spent is summed, booked also where work fails, shown by the cell that spends, and read back by a report. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { costText, runMediaType, totalCost } from "../../src/lab/ledger.ts";
import { notebookReport } from "../../src/lab/report/notebook-report.ts";
import { readPage } from "../../src/lab/report/page.ts";
import { openRun } from "../../src/lab/run.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-ledger-"));
  return () => rmSync(root, { recursive: true, force: true });
});

interface Shown {
  readonly bundle: Record<string, unknown>;
  readonly id: string;
  readonly nfe: number;
}

/** Stands in for the kernel's globals: `display` and the stop signal of a cell. */
function cells() {
  const shown: Shown[] = [];
  const globals = globalThis as unknown as Record<string, unknown>;
  globals["display"] = (
    value: Record<symbol, () => Record<string, unknown>>,
    options: { id: string; metadata: { zoetrope: { nfe: number } } },
  ) =>
    shown.push({
      bundle: value[Symbol.for("Jupyter.display")]!(),
      id: options.id,
      nfe: options.metadata.zoetrope.nfe,
    });
  const nextCell = () => {
    globals["kernel"] = { signal: new AbortController().signal };
  };
  nextCell();
  onTestFinished(() => {
    delete globals["display"];
    delete globals["kernel"];
  });
  return { shown, nextCell };
}

it("sums what is finite, and says it in words", () => {
  const sum = totalCost([{ nfe: 3, seconds: 1 }, { nfe: Number.NaN, verifierCalls: 2 }, { seconds: 0.25 }]);
  expect(sum).toEqual({ nfe: 3, calls: 0, forwards: 0, cacheWrites: 0, verifierCalls: 2, seconds: 1.25 });
  expect(costText({ ...sum, nfe: 12345 })).toBe("12,345 NFE, 2 verifier calls, 1.3 s");
});

it("shows in each cell what that cell spent, in one line that counts up", async () => {
  const { shown, nextCell } = cells();
  const run = await openRun("spending", { seed: 1 }, { root });
  run.spend({ nfe: 64, verifierCalls: 2, seconds: 1 }, "search");
  run.spend({ nfe: 64, seconds: 1 }, "search");
  nextCell();
  run.spend({ nfe: 8, seconds: 1 }, "rollout");
  expect(shown.map(({ nfe }) => nfe)).toEqual([64, 128, 8]);
  expect(shown[1]!.id).toBe(shown[0]!.id);
  expect(shown[2]!.id).not.toBe(shown[0]!.id);
  expect(shown[1]!.bundle["text/plain"]).toBe(`${run.id}: 128 NFE, 2 verifier calls, 2.0 s`);
  expect(shown[2]!.bundle[runMediaType]).toMatchObject({
    id: run.id,
    ledger: { nfe: 136, verifierCalls: 2 },
  });
});

it("books work that takes a meter, also where it fails, and shows nothing outside a notebook", async () => {
  const run = await openRun("metered", {}, { root });
  const value = await run.metered("rollout", async (meter) => {
    meter.add({ nfe: 5, calls: 1 });
    return "clip";
  });
  expect(value).toBe("clip");
  const failing = run.metered("rollout", async (meter) => {
    meter.add({ nfe: 2 });
    throw new Error("stopped");
  });
  await expect(failing).rejects.toThrow("stopped");
  expect(run.cost()).toMatchObject({ nfe: 7, calls: 1 });
  expect(run.rows("@ledger").map((row) => row["purpose"])).toEqual(["rollout", "rollout"]);
});

it("reaches the report of a notebook, whose word is checked", async () => {
  const { shown } = cells();
  const run = await openRun("reported", { shift: 0.6, seed: 3 }, { root });
  run.spend({ nfe: 100, seconds: 1 });
  run.spend({ nfe: 28, seconds: 1 });
  const output = (data: unknown) => ({ output_type: "display_data", metadata: {}, data });
  const outputs = [
    ...shown.map(({ bundle }) => output(bundle)),
    output({ [runMediaType]: { id: "<script>", ledger: { nfe: "many" } }, "text/plain": "no run" }),
  ];
  const path = join(root, "spent.ipynb");
  const cell = { cell_type: "code", id: "a", metadata: {}, execution_count: 1, source: "1", outputs };
  writeFileSync(path, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [cell] }));
  const html = await notebookReport(path).html();
  expect(readPage(html).payload!.runs).toMatchObject([
    { id: run.id, seeds: [3], config: { shift: 0.6, seed: 3 }, ledger: { nfe: 128, seconds: 2 } },
  ]);
  expect(html).toContain("<b>128</b> NFE");
});
