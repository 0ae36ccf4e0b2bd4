/** `npm start` cut short: an interrupt and a full disk keep what was produced, say so, and trip over nothing later. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { skipOrFail } from "../kernel/skip-or-fail.ts";

const program = join(packageRoot, "dist", "src", "cli", "main.js");
const scratch = mkdtempSync(join(tmpdir(), "zoetrope-start-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const places = (reports: string) => ({
  ...process.env,
  ZOETROPE_REPORTS: reports,
  ZOETROPE_RUNS: join(scratch, "runs"),
});

/** Starts the quickstart in a process group, as a terminal does, and interrupts it once it has finished a cell. */
function startAndInterrupt(reports: string): Promise<{ output: string; code: number | null }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, "start", "--fast"], {
      env: places(reports),
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let isInterrupted = false;
    const read = (data: Buffer) => {
      output += data;
      if (isInterrupted || !output.includes("✓  2/")) return;
      isInterrupted = true;
      process.kill(-child.pid!, "SIGINT");
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("close", (code) => resolve({ output, code }));
  });
}

describe("npm start", () => {
  it("interrupted: what was produced is kept, nothing of an earlier run is shown as its own", async () => {
    const reports = join(scratch, "interrupted");
    mkdirSync(reports);
    const stale = join(reports, "quickstart.html");
    writeFileSync(stale, "an earlier run");
    utimesSync(stale, 1000, 1000);
    const { output, code } = await startAndInterrupt(reports);
    expect(code, output).toBe(130);
    expect(output).toContain("Quickstart stopped early; everything produced so far is kept");
    expect(output).not.toContain("quickstart.html");
    const executed = JSON.parse(readFileSync(join(reports, "01-quickstart.ipynb"), "utf8")) as {
      cells: { execution_count?: number | null }[];
    };
    expect(executed.cells.filter(({ execution_count: n }) => n).length).toBeGreaterThanOrEqual(2);
    expect(readFileSync(stale, "utf8")).toBe("an earlier run");
  }, 120_000);

  it("refuses a reports folder that cannot be written, before anything runs", () => {
    const file = join(scratch, "a-file");
    writeFileSync(file, "");
    const { status, stderr } = spawnSync(process.execPath, [program, "start", "--fast"], {
      env: places(join(file, "reports")),
      encoding: "utf8",
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^Cannot write the report as .* must be writable: .* Make it writable or clone elsewhere\.\n$/,
    );
  });

  it("full disk: says so with the remedy, and leaves a whole notebook", (context) => {
    if (spawnSync("unshare", ["-rm", "true"]).status !== 0)
      skipOrFail(context, "needs Linux with user name spaces (unshare -rm)");
    const reports = join(scratch, "full");
    mkdirSync(reports);
    const script = `mount -t tmpfs -o size=24k none ${reports}; "$0" ${program} start --fast; echo "status $?"; cat ${reports}/01-quickstart.ipynb`;
    const { stdout, stderr } = spawnSync("unshare", ["-rm", "sh", "-c", script, process.execPath], {
      env: places(reports),
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    expect(stderr).toMatch(/Cannot write .*01-quickstart\.ipynb: ENOSPC.*Free some space on the disk/);
    expect(stdout).toContain("status 1");
    expect(() => JSON.parse(stdout.slice(stdout.indexOf("status 1") + "status 1".length))).not.toThrow();
  }, 180_000);
});
