/**
 * Every notebook runs with `fast` through our own client and through `nbconvert --execute`, without an error, and keeps
 * the form that readers rely on: few cells, parameters, a picture on top, something to try at the end, small outputs.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installKernel } from "../kernel/cli/kernelspec-install.ts";
import { type PythonEnvironment, pythonEnvironment } from "../kernel/cli/python-environment.ts";
import { isCodeCell, type Notebook } from "../kernel/nbformat/notebook.ts";
import { injectParameters } from "../kernel/nbformat/parameters.ts";
import { readNotebookFile } from "../kernel/nbformat/read.ts";
import { writeNotebookFile } from "../kernel/nbformat/write.ts";
import { skipOrFail } from "./kernel/skip-or-fail.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "notebooks");
const names = readdirSync(folder).filter(
  (name) => /^\d\d-.*\.ipynb$/.test(name) && !name.endsWith(".fast.ipynb"),
);
const program = join(root, "dist", "kernel", "cli", "main.js");

let scratch = "";
let python: PythonEnvironment | undefined;
let reason = "";
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "zoetrope-notebooks-"));
  installKernel({ place: { prefix: scratch } });
  const made = await pythonEnvironment();
  python = made.environment;
  reason = made.reason ?? "";
}, 180_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Reports and runs of a fast run stay out of data/. */
const environment = () => ({
  ...process.env,
  ZOETROPE_RUNS: join(scratch, "runs"),
  ZOETROPE_REPORTS: scratch,
});

function failures(executed: Notebook): string[] {
  return executed.cells.filter(isCodeCell).flatMap(({ outputs }) =>
    outputs.flatMap((output) => {
      if (output.output_type === "error") return [`${output.ename}: ${output.evalue}`];
      if (output.output_type === "stream" && /\bWARN\b/.test(String(output.text)))
        return [String(output.text)];
      return [];
    }),
  );
}

describe.each(names)("%s", (name) => {
  const path = join(folder, name);
  const { notebook } = readNotebookFile(path);
  const code = notebook.cells.filter(isCodeCell);
  const prose = notebook.cells
    .filter((cell) => cell.cell_type === "markdown")
    .map((cell) => String(cell.source));

  it("has the form of a page of the manual", () => {
    expect(code.length).toBeLessThanOrEqual(12);
    const lines = code.map((cell) => String(cell.source).split("\n"));
    expect(lines.filter((cell) => cell.length > 30)).toEqual([]);
    // What is longer is cut off at the right in a browser window of ordinary width.
    expect(lines.flat().filter((line) => line.length > 122)).toEqual([]);
    const tags = code.map((cell) => (cell.metadata as { tags?: string[] }).tags ?? []);
    expect(tags[0]).toContain("parameters");
    expect(String(code[0]!.source)).toMatch(/const fast = false/);
    expect(prose[0]).toMatch(/^# .+/);
    expect(prose[0]).toMatch(/!\[[^\]]+\]\(figures\//);
    expect(prose[0]).toMatch(/run time/i);
    expect(prose.at(-1)).toMatch(/^## Try changing/m);
    expect(statSync(path).size).toBeLessThan(400_000);
  });

  it("runs fast through our client", async () => {
    const output = join(scratch, name);
    await run(
      process.execPath,
      [program, "run", path, "-p", "fast=true", "-o", output, "--timeout", "120", "--quiet"],
      {
        env: environment(),
        maxBuffer: 1 << 28,
      },
    );
    expect(failures(readNotebookFile(output).notebook)).toEqual([]);
  }, 180_000);

  it("runs fast through nbconvert --execute", async (context) => {
    if (python === undefined) return skipOrFail(context, reason);
    const input = join(folder, name.replace(/\.ipynb$/, ".fast.ipynb"));
    try {
      writeNotebookFile(input, await injectParameters(notebook, { fast: true }));
      const output = join(scratch, `nbconvert-${name}`);
      await run(
        python.python,
        [
          "-m",
          "nbconvert",
          "--to",
          "notebook",
          "--execute",
          "--ExecutePreprocessor.timeout=120",
          "--output",
          output,
          input,
        ],
        {
          env: { ...environment(), ...python.env, JUPYTER_PATH: join(scratch, "share/jupyter") },
          maxBuffer: 1 << 28,
        },
      );
      const executed = JSON.parse(readFileSync(output, "utf8")) as Notebook;
      expect(failures(executed)).toEqual([]);
    } finally {
      rmSync(input, { force: true });
    }
  }, 240_000);
});
