/**
 * A live chart through the kernel: a cell redraws a chart ten times a second, the headless client receives. What is
 * measured is the time from the cell's call to the client's line, how many updates arrived, and whether the state that
 * is kept in the notebook is the last one. The kernel is a process of its own, as everywhere.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packageRoot } from "../../tensor/package-root.ts";

export interface LiveChartBench {
  /** Updates that the cell made, the first drawing not counted. */
  readonly made: number;
  readonly received: number;
  /** Whether the notebook holds the chart of the last update. */
  readonly isLastExact: boolean;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly perSecond: number;
}

const source = (updates: number, perSecond: number) => `
import { plot } from "zoetrope";
const rows: { step: number; loss: number }[] = [];
const chart = display(plot.loss(rows).live());
const begin = performance.now();
for (let step = 1; step <= ${updates}; step++) {
  const wait = begin + step * ${1000 / perSecond} - performance.now();
  await new Promise((resolve) => setTimeout(resolve, wait));
  rows.push({ step, loss: 1 / step });
  const { spec } = plot.loss(rows);
  chart.update({ "application/vnd.vegalite.v5+json": { ...spec, usermeta: { step, sent: Date.now() } }, "text/plain": String(step) });
}`;

interface ChartBundle {
  readonly "application/vnd.vegalite.v5+json"?: {
    readonly usermeta?: { readonly step: number; readonly sent: number };
  };
}

/** @param seconds how long the cell draws */
export async function benchLiveChart({ seconds = 5, perSecond = 10 } = {}): Promise<LiveChartBench> {
  const folder = mkdtempSync(join(tmpdir(), "zoetrope-bench-live-"));
  try {
    const made = Math.round(seconds * perSecond);
    const path = join(folder, "live.ipynb");
    const executed = join(folder, "executed.ipynb");
    const cell = { cell_type: "code", id: "live", metadata: {}, execution_count: null, outputs: [] };
    const cells = [{ ...cell, source: source(made, perSecond) }];
    writeFileSync(path, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }));
    const kernel = join(packageRoot, "dist", "kernel", "cli", "main.js");
    const child = spawn(process.execPath, [kernel, "run", path, "-o", executed, "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((done) => child.once("close", done));
    const delays: number[] = [];
    const arrivals: number[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      const now = Date.now();
      const event = JSON.parse(line) as { type: string; output?: { data?: ChartBundle } };
      const mark = event.output?.data?.["application/vnd.vegalite.v5+json"]?.usermeta;
      if (event.type !== "output" || mark === undefined) continue;
      delays.push(now - mark.sent);
      arrivals.push(now);
    }
    const status = await ended;
    if (status !== 0)
      throw new Error(`Cannot measure a live chart as the kernel ended with status ${status}.`);
    const sorted = [...delays].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
    return {
      made,
      received: delays.length,
      isLastExact: lastStep(executed) === made,
      medianMs: at(0.5),
      p95Ms: at(0.95),
      perSecond: (1000 * (arrivals.length - 1)) / (arrivals.at(-1)! - arrivals[0]!),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The step of the chart that the notebook keeps, if its data are complete. */
function lastStep(path: string): number | undefined {
  const { cells } = JSON.parse(readFileSync(path, "utf8")) as {
    cells: { outputs: { data?: ChartBundle & { "text/plain"?: string | string[] } }[] }[];
  };
  const outputs = cells[0]?.outputs ?? [];
  const data = outputs.at(-1)?.data;
  const text = [data?.["text/plain"] ?? []].flat().join("");
  const mark = data?.["application/vnd.vegalite.v5+json"]?.usermeta?.step;
  return outputs.length === 1 && text === String(mark) ? mark : undefined;
}
