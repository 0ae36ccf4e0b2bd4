/** The headless client on this package's own kernel, as built in dist/. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownKernel } from "../../../kernel/client/kernelspec.ts";
import {
  type RunEvent,
  type RunOptions,
  type RunResult,
  runNotebook,
  runToEnd,
} from "../../../kernel/client/run-notebook.ts";
import {
  type Cell,
  type CodeCell,
  codeCell,
  isCodeCell,
  markdownCell,
  notebook,
  type Output,
} from "../../../kernel/nbformat/notebook.ts";
import { injectParameters } from "../../../kernel/nbformat/parameters.ts";
import { readNotebookFile } from "../../../kernel/nbformat/read.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-client-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cells = (...sources: string[]) => notebook(sources.map((source) => codeCell(source)));
const tagged = (source: string, ...tags: string[]): Cell => codeCell(source, { metadata: { tags } });
const outputsOf = (result: RunResult): Output[][] =>
  result.notebook.cells.flatMap((cell) => (isCodeCell(cell) ? [cell.outputs] : []));
const texts = (result: RunResult): string[] =>
  outputsOf(result).map((outputs) =>
    outputs
      .map((output) =>
        output.output_type === "stream"
          ? output.text
          : output.output_type === "error"
            ? `${output.ename}: ${output.evalue}`
            : String(output.data["text/plain"]),
      )
      .join("|"),
  );
function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
}
async function events(
  book: Parameters<typeof runNotebook>[0],
  options: RunOptions = {},
): Promise<RunEvent[]> {
  const seen: RunEvent[] = [];
  for await (const event of runNotebook(book, options)) seen.push(event);
  return seen;
}

describe("runNotebook", () => {
  it("runs the code cells in order and keeps their outputs, counts and the kernel's name", async () => {
    const book = notebook([
      codeCell("const a: number = 20;\nconsole.log('one')"),
      markdownCell("# text"),
      codeCell("  \n"),
      codeCell("a * 2 + 2"),
    ]);
    const result = await runToEnd(book, { cwd: folder });
    expect(result.status).toBe("ok");
    expect(texts(result)).toEqual(["one\n", "", "42"]);
    expect(result.notebook.cells.map((cell) => isCodeCell(cell) && cell.execution_count)).toEqual([
      1,
      false,
      null,
      2,
    ]);
    expect(result.notebook.metadata["kernelspec"]).toMatchObject({
      name: "zoetrope",
      language: "typescript",
    });
    expect(result.notebook.metadata["language_info"]).toMatchObject({
      name: "typescript",
      file_extension: ".ts",
    });
    expect(book.cells[0]).toMatchObject({ outputs: [], execution_count: null });
  });

  it("tells what happens while it happens: cell n of m, outputs as they come, the end last", async () => {
    const slow =
      "for (let i = 0; i < 3; i++) { console.log('tick', i); await new Promise((r) => setTimeout(r, 150)); }";
    const seen = await events(cells(slow, "1"), { cwd: folder });
    expect(seen.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1])).toEqual([
      "start",
      "cell",
      "output",
      "cell-end",
      "cell",
      "output",
      "cell-end",
      "end",
    ]);
    expect(seen.filter((event) => event.type === "cell").map(({ number, of }) => `${number}/${of}`)).toEqual([
      "1/2",
      "2/2",
    ]);
    // Three ticks 150 ms apart cannot have come in one message.
    expect(
      seen.filter((event) => event.type === "output" && event.cell.source === slow).length,
    ).toBeGreaterThanOrEqual(3);
  });

  it("stops at the failing cell, says which and why in its own lines, and keeps all outputs", async () => {
    const output = join(folder, "failed.ipynb");
    const result = await runToEnd(
      cells(
        "console.log('kept')",
        "console.log('before')\nconst n: number = 1;\nthrow new TypeError('no')",
        "1",
      ),
      { cwd: folder, output },
    );
    expect(result.status).toBe("failed");
    expect(result.failure).toMatchObject({ cellIndex: 1, number: 2, ename: "TypeError", evalue: "no" });
    expect(result.failure!.traceback.join("\n")).toMatch(/3:|line 3/);
    expect(result.failure!.traceback.join("\n")).not.toContain("dist/kernel");
    expect(texts(result)).toEqual(["kept\n", "before\n|TypeError: no", ""]);
    expect(readNotebookFile(output).notebook).toEqual(result.notebook);
  });

  it("goes on after a cell tagged raises-exception, or after all when asked to", async () => {
    const book = notebook([tagged("throw new Error('meant')", "raises-exception"), codeCell("'next'")]);
    const seen = await events(book, { cwd: folder });
    expect(seen.flatMap((event) => (event.type === "cell-end" ? [event.status] : []))).toEqual([
      "raised",
      "ok",
    ]);
    const all = await runToEnd(cells("throw new Error('a')", "'b'"), {
      cwd: folder,
      continuesAfterErrors: true,
    });
    expect(all.status).toBe("ok");
    expect(texts(all)).toEqual(["Error: a", "'b'"]);
  });

  it("injects parameters", async () => {
    const book = notebook([
      tagged("const steps = 1000;\nlet prompt = 'a';", "parameters"),
      codeCell("[steps + 1, prompt].join(' ')"),
    ]);
    const result = await runToEnd(await injectParameters(book, { steps: 4, prompt: "b" }), { cwd: folder });
    expect(texts(result).at(-1)).toBe("'5 b'");
  });

  it("interrupts a cell over its time, keeps what it said, and runs no later cell", async () => {
    const endless = "console.log('begun'); while (true) {}";
    // Without the type checker, the time is the loop's own, also on a busy machine.
    const timeout = (cell: CodeCell) => (cell.source === endless ? 6000 : 0);
    const result = await runToEnd(cells("kernel.typeCheck = 'off';", endless, "'never'"), {
      cwd: folder,
      timeout,
    });
    expect(result.failure).toMatchObject({ number: 2, ename: "CellTimeout" });
    expect(result.failure!.evalue).toMatch(/^Cell 2 of 3 \(id [\w-]+\) ran longer than the [\d.]+ s that/);
    expect(result.failure!.evalue).toContain("longer than the 6 s");
    expect(texts(result)[1]).toContain("begun\n");
    expect(texts(result)[2]).toBe("");
    expect(result.seconds).toBeLessThan(50);
  });

  it("stops when its signal is aborted, and keeps what exists on disk", async () => {
    const stop = new AbortController();
    const output = join(folder, "interrupted.ipynb");
    let end: RunResult | undefined;
    const source =
      "for (let i = 0; ; i++) { console.log('step', i); await new Promise((r) => setTimeout(r, 50)); }";
    for await (const event of runNotebook(cells("'first'", source, "'never'"), {
      cwd: folder,
      signal: stop.signal,
      output,
    })) {
      if (event.type === "output" && event.cell.source === source) stop.abort();
      if (event.type === "end") end = event;
    }
    expect(end!.status).toBe("interrupted");
    const kept = readNotebookFile(output).notebook;
    expect(kept).toEqual(end!.notebook);
    expect(texts(end!)[0]).toBe("'first'");
    expect(texts(end!)[1]).toContain("step 0\n");
    expect(texts(end!)[2]).toBe("");
  });

  it("applies updates to outputs of earlier cells, and clear_output(wait)", async () => {
    const result = await runToEnd(
      cells(
        "const bar = display({ 'text/plain': '0 %' }, { id: 'bar' });",
        "bar.update({ 'text/plain': '100 %' });",
        "console.log('a'); clearOutput({ wait: true }); console.log('b');",
      ),
      { cwd: folder },
    );
    expect(texts(result)).toEqual(["100 %", "", "b\n"]);
  });

  it("reports a kernel that dies inside a cell, and ends", async () => {
    const kill = "process.kill(process.ppid, 'SIGKILL'); await new Promise(() => {});";
    const result = await runToEnd(cells("'kept'", kill, "'never'"), { cwd: folder });
    expect(result.failure).toMatchObject({ number: 2, ename: "KernelDied" });
    expect(result.failure!.evalue).toContain("ended by SIGKILL");
    expect(texts(result)[0]).toBe("'kept'");
  });

  it("says why a kernel cannot be started, with its last words", async () => {
    const broken = {
      ...ownKernel(),
      name: "broken",
      argv: [process.execPath, "-e", "console.error('no luck'); process.exit(3)"],
    };
    await expect(runToEnd(cells("1"), { kernel: broken })).rejects.toThrow(
      /The kernel "broken" ended with exit code 3\. Its last words:\nno luck/,
    );
    const absent = { ...ownKernel(), name: "absent", argv: ["/nowhere/node"] };
    await expect(runToEnd(cells("1"), { kernel: absent })).rejects.toThrow('"absent" could not be started');
    const silent = {
      ...ownKernel(),
      name: "silent",
      argv: [process.execPath, "-e", "setTimeout(() => {}, 60000)"],
    };
    await expect(runToEnd(cells("1"), { kernel: silent, startTimeout: 500 })).rejects.toThrow(
      "must answer within 0.5 s",
    );
  });

  it("says so when the outputs cannot be written, and leaves no kernel behind", async () => {
    const gone = join(folder, "gone");
    mkdirSync(gone);
    const book = cells(
      `console.log(process.ppid); require("node:fs").rmSync(${JSON.stringify(gone)}, { recursive: true });`,
      "1",
    );
    let pid = 0;
    const run = async () => {
      for await (const event of runNotebook(book, { cwd: folder, output: join(gone, "out.ipynb") }))
        if (event.type === "output" && "text" in event.output) pid = Number(event.output.text);
    };
    await expect(run()).rejects.toThrow(/^Cannot write .*out\.ipynb: ENOENT.* Create the folder first/);
    expect(pid).toBeGreaterThan(0);
    expect(isRunning(pid)).toBe(false);
  });

  it("ends its kernel when the reader stops reading", async () => {
    let pid = 0;
    for await (const event of runNotebook(cells("process.ppid", "'never'"), { cwd: folder }))
      if (event.type === "output" && "data" in event.output) {
        pid = Number(event.output.data["text/plain"]);
        break;
      }
    expect(pid).toBeGreaterThan(0);
    expect(isRunning(pid)).toBe(false);
  });
});
