/** Jupyter's own tools beside ours: `nbconvert --execute` and the headless client must leave the same notebook. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { installKernel } from "../../../kernel/cli/kernelspec-install.ts";
import { type PythonEnvironment, pythonEnvironment } from "../../../kernel/cli/python-environment.ts";
import { runToEnd } from "../../../kernel/client/run-notebook.ts";
import {
  codeCell,
  isCodeCell,
  markdownCell,
  type Notebook,
  notebook,
  type Output,
} from "../../../kernel/nbformat/notebook.ts";
import { terminalText } from "../../../kernel/nbformat/outputs.ts";
import { readNotebookFile } from "../../../kernel/nbformat/read.ts";
import { formatNotebook, writeNotebookFile } from "../../../kernel/nbformat/write.ts";
import { arbitraryNotebook } from "../nbformat/arbitrary-notebook.ts";
import { skipOrFail } from "../skip-or-fail.ts";

const run = promisify(execFile);
let folder = "";
let python: PythonEnvironment | undefined;
let reason = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-nbconvert-"));
  installKernel({ place: { prefix: folder } });
  const made = await pythonEnvironment();
  python = made.environment;
  reason = made.reason ?? "";
}, 180_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach((context) => {
  if (python === undefined) skipOrFail(context, reason);
});
const withPython = () => ({
  cwd: folder,
  env: { ...process.env, ...python!.env, JUPYTER_PATH: join(folder, "share/jupyter") },
});

const book = notebook([
  markdownCell("# One of everything"),
  codeCell("console.log('out'); console.error('err'); console.log('out again');\n[1, 2].map((x) => x * 2)"),
  codeCell("for (let i = 0; i < 2000; i++) console.log('line', i);"),
  codeCell(
    "const bar = display({ 'text/html': '<b>0</b>', 'text/plain': '0' }, { id: 'bar', metadata: { zoetrope: { nfe: 3 } } });\nbar.update({ 'text/html': '<b>1</b>', 'text/plain': '1' });",
  ),
  codeCell("console.log('gone'); clearOutput({ wait: true }); console.log('stays');"),
  codeCell("function deep(): never {\n  throw new RangeError('too far');\n}\ndeep();", {
    metadata: { tags: ["raises-exception"] },
  }),
  codeCell(
    "display({ $schema: 'https://vega.github.io/schema/vega-lite/v5.json', data: { values: [{ a: 1 }] }, mark: 'point', encoding: { x: { field: 'a', type: 'quantitative' } } });",
  ),
  codeCell("let after = 'fine';\nafter"),
  codeCell("const wrong: number = 'text';", { metadata: { tags: ["raises-exception"] } }),
  codeCell(""),
]);

/** What both tools agree to differ in: how stream texts are cut into pieces. */
function comparable({ cells }: Notebook): unknown[] {
  return cells.filter(isCodeCell).map(({ execution_count, outputs }) => {
    const joined: Output[] = [];
    for (const output of structuredClone(outputs)) {
      const last = joined.at(-1);
      if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name)
        last.text += output.text;
      else joined.push(output);
    }
    for (const output of joined) if (output.output_type === "stream") output.text = terminalText(output.text);
    return { execution_count, outputs: joined };
  });
}

describe("beside nbconvert", () => {
  it("runs the same notebook to the same outputs", { timeout: 180_000 }, async () => {
    const input = join(folder, "book.ipynb");
    writeNotebookFile(input, {
      ...book,
      metadata: { kernelspec: { name: "zoetrope", display_name: "TypeScript" } },
    });
    await run(
      python!.python,
      ["-m", "nbconvert", "--to", "notebook", "--execute", "--output", "theirs.ipynb", input],
      withPython(),
    );
    const ours = await runToEnd(book, { cwd: folder });
    expect(ours.status).toBe("ok");
    const theirs = readNotebookFile(join(folder, "theirs.ipynb")).notebook;
    expect(comparable(ours.notebook)).toEqual(comparable(theirs));
    expect(JSON.stringify(comparable(theirs))).toContain("line 1999");
    expect(ours.notebook.metadata["language_info"]).toEqual(theirs.metadata["language_info"]);
  });

  it("fails on the same cell with the same error", { timeout: 120_000 }, async () => {
    const failing = notebook([codeCell("1"), codeCell("throw new TypeError('boom')"), codeCell("2")], {
      kernelspec: { name: "zoetrope", display_name: "TypeScript" },
    });
    const input = join(folder, "failing.ipynb");
    writeNotebookFile(input, failing);
    const theirs = run(
      python!.python,
      ["-m", "nbconvert", "--to", "notebook", "--execute", "--stdout", input],
      withPython(),
    );
    await expect(theirs).rejects.toThrow(/CellExecutionError[\s\S]*new TypeError\('boom'\)/);
    const ours = await runToEnd(failing, { cwd: folder });
    expect(ours.failure).toMatchObject({ number: 2, ename: "TypeError", evalue: "boom" });
  });
});

describe("beside nbformat", () => {
  it("writes the same bytes, and what it writes is valid there", { timeout: 60_000 }, async () => {
    const notebooks = fc.sample(arbitraryNotebook, { numRuns: 60, seed: 4 });
    const files = notebooks.map((one, index) => {
      const path = join(folder, `random-${index}.ipynb`);
      writeFileSync(path, formatNotebook(one));
      return path;
    });
    const script = [
      "import nbformat, sys",
      "for path in sys.argv[1:]:",
      "    text = open(path, encoding='utf8', newline='').read()",
      "    book = nbformat.reads(text, as_version=4)",
      "    nbformat.validate(book)",
      "    open(path + '.theirs', 'w', encoding='utf8', newline='').write(nbformat.writes(book) + '\\n')",
    ].join("\n");
    await run(python!.python, ["-c", script, ...files], withPython());
    for (const path of files)
      expect(spelling(readFileSync(`${path}.theirs`, "utf8"))).toBe(spelling(readFileSync(path, "utf8")));
  });
});

/** Numbers have one spelling in JavaScript; Python writes 1e-07 and 1e+21 for 1e-7 and 1e21. */
function spelling(text: string): string {
  return text.replaceAll(/(?<=^ *(?:"(?:[^"\\]|\\.)*": )?)-?\d[\d.]*(?:e[-+]?\d+)?(?=,?$)/gm, (number) =>
    String(Number(number)),
  );
}
