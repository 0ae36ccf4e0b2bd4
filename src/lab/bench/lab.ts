/**
 * What keeping and reading results costs: appending rows, reading them back, a query over many runs, building a report,
 * and a chart redrawn ten times a second through the kernel. `npm run bench -- lab`, some 40 s on two idle cores. Rates are medians of repeats; the peer of an append is a bare synchronous write of the same
 * line, so that the store's own share can be read off the ratio.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { loss } from "../../plot/loss.ts";
import { nfeVersusScore } from "../../plot/nfe-versus-score.ts";
import type { Row } from "../../plot/row.ts";
import { rng } from "../../tensor/rng.ts";
import { queryRows } from "../query.ts";
import { report } from "../report/report.ts";
import { attachRun, openRun } from "../run.ts";
import { benchLiveChart } from "./live-chart.ts";

export interface LabBenchRow {
  readonly work: string;
  readonly value: number;
  readonly unit: string;
}

export interface LabBench {
  readonly rows: readonly LabBenchRow[];
  readonly ratios: Readonly<Record<string, number>>;
}

const tell = (line: string) => void process.stderr.write(`  ... ${line}\n`);

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

async function seconds(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

async function repeated(repeats: number, work: (i: number) => unknown): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) times.push(await seconds(() => work(i)));
  return median(times);
}

const trainRow = (step: number): Row => ({
  step,
  loss: 1 / (step + 1),
  gradientNorm: 0.5,
  clipsPerSecond: 40,
});

function searchRows(): Row[] {
  return ["linear", "tree of frames", "evoSearch"].flatMap((strategy, s) =>
    [1, 2, 4, 8, 16].flatMap((n) =>
      [0, 1, 2, 3, 4].map((seed) => ({
        strategy,
        n,
        seed,
        nfe: 128 * n,
        score: 0.5 + 0.05 * (s + 1) * Math.log2(n + 1) + 0.01 * rng(seed).at(strategy, n).normal(1)[0]!,
      })),
    ),
  );
}

/** @param numRuns runs that the query goes over; their files are written directly, in the store's layout */
export async function bench({ repeats = 3, numRuns = 10_000, onProgress = tell } = {}): Promise<LabBench> {
  const root = mkdtempSync(join(tmpdir(), "zoetrope-bench-lab-"));
  try {
    const numRows = 20_000;
    onProgress(`appending ${numRows} rows, ${repeats} times`);
    const run = await openRun("bench", {}, { root });
    const appendTime = await repeated(repeats, (i) => {
      for (let step = 0; step < numRows; step++) run.append(`train${i}`, trainRow(step));
    });
    const bareFile = join(root, "bare.jsonl");
    const bareTime = await repeated(repeats, () => {
      for (let step = 0; step < numRows; step++)
        appendFileSync(bareFile, `${JSON.stringify(trainRow(step))}\n`);
    });
    const readTime = await repeated(repeats, () => attachRun(run.id, { root }).rows("train0"));
    const many = join(root, "many");
    onProgress(`writing ${numRuns} runs`);
    writeRuns(many, numRuns);
    const sql =
      "SELECT strategy, avg(score) AS score, count(*) AS n FROM search GROUP BY strategy ORDER BY strategy";
    onProgress("querying them");
    const queryTime = await repeated(repeats, () => queryRows(sql, { root: many }));
    const joinTime = await repeated(1, () => queryRows("SELECT count(*) AS n FROM runs", { root: many }));
    onProgress("building a report");
    const charts = [nfeVersusScore(searchRows()), loss(run.rows("train0"))];
    const page = report({ title: "Bench", runs: [run] })`${charts}`;
    await page.html();
    const reportTime = await repeated(repeats, () => page.html());
    const bytes = statSync(await page.write(join(root, "bench.html"))).size;
    onProgress("redrawing a chart through the kernel, ten times a second");
    const live = await benchLiveChart();
    return {
      rows: [
        { work: "append a row", value: numRows / appendTime, unit: "rows/s" },
        {
          work: "bare append of the same line (opens the file each time)",
          value: numRows / bareTime,
          unit: "rows/s",
        },
        { work: "read rows back", value: numRows / readTime, unit: "rows/s" },
        { work: `aggregate over ${numRuns} runs by SQL`, value: queryTime, unit: "s" },
        { work: `list ${numRuns} runs by SQL`, value: joinTime, unit: "s" },
        { work: "build a report of two charts", value: reportTime, unit: "s" },
        { work: "size of that report", value: bytes / 1e6, unit: "MB" },
        { work: "live chart, updates received", value: live.perSecond, unit: "/s" },
        { work: "live chart, cell to client (median)", value: live.medianMs, unit: "ms" },
        { work: "live chart, cell to client (95 %)", value: live.p95Ms, unit: "ms" },
        {
          work: "live chart, updates lost or merged",
          value: live.made - live.received,
          unit: `of ${live.made}`,
        },
        { work: "live chart, last state kept exactly", value: live.isLastExact ? 1 : 0, unit: "of 1" },
      ],
      ratios: { "append / bare append, rows per second": bareTime / appendTime },
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Many small runs, as a year of sweeps leaves them. */
function writeRuns(root: string, count: number): void {
  const code = { commit: "0".repeat(40), isDirty: false, diffHash: null, lockfileHash: null, version: "0" };
  const machine = { node: process.version, os: "", cpu: "", cores: 1, memoryBytes: 0 };
  for (let i = 0; i < count; i++) {
    const id = `run-${String(i + 1).padStart(5, "0")}`;
    mkdirSync(join(root, id, "rows"), { recursive: true });
    const manifest = {
      format: 1,
      id,
      name: "run",
      created: new Date(i * 1000).toISOString(),
      config: { shift: i % 7 },
    };
    const facts = { configHash: "", code, machine, device: "native", seeds: [i], inputs: [] };
    writeFileSync(join(root, id, "run.json"), JSON.stringify({ ...manifest, ...facts }));
    const lines = ["linear", "tree of frames"].map((strategy, n) =>
      JSON.stringify({ _t: i, _n: n, strategy, seed: i, nfe: 128, score: (i % 100) / 100 + n }),
    );
    writeFileSync(join(root, id, "rows", "search.1.jsonl"), `${lines.join("\n")}\n`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const result = await bench();
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    for (const { work, value, unit } of result.rows)
      process.stdout.write(`${work.padEnd(56)} ${value.toFixed(2).padStart(12)} ${unit}\n`);
  }
}
