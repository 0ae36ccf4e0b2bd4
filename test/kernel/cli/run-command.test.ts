/** `run` as a program: what it prints, what it leaves on disk, and how it ends, in every kind of ending. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeCell, markdownCell, notebook, type Output } from "../../../kernel/nbformat/notebook.ts";
import { readNotebookFile } from "../../../kernel/nbformat/read.ts";
import { formatNotebook, writeNotebookFile } from "../../../kernel/nbformat/write.ts";
import { packageRoot } from "../../../kernel/package-root.ts";

const program = join(packageRoot, "dist/kernel/cli/main.js");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-run-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
function start(...args: string[]): {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly stdout: () => string;
} {
  const child = spawn(process.execPath, [program, "run", ...args], { cwd: folder });
  const said = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (said.stdout += chunk));
  child.stderr.on("data", (chunk) => (said.stderr += chunk));
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (status) => resolve({ status, ...said })),
  );
  return { child, ended, stdout: () => said.stdout };
}
const put = (name: string, ...cells: Parameters<typeof notebook>[0]) =>
  writeNotebookFile(join(folder, name), notebook(cells));
const outputs = (name: string): Output[][] =>
  readNotebookFile(join(folder, name)).notebook.cells.flatMap((cell) =>
    cell.cell_type === "code" ? [cell.outputs] : [],
  );
const until = async (holds: () => boolean) => {
  for (const limit = Date.now() + 40_000; !holds() && Date.now() < limit; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(holds()).toBe(true);
};

describe("run", () => {
  it("prints a line per cell with title, time and NFE, writes the outputs, and ends with 0", {
    timeout: 60_000,
  }, async () => {
    put(
      "good.ipynb",
      markdownCell("# Search"),
      codeCell("const steps = 5;\nconst name = 'a b';", { metadata: { tags: ["parameters"] } }),
      codeCell(
        "display({ 'text/plain': 'NFE of ' + steps }, { metadata: { zoetrope: { nfe: 1200 + steps } } });",
      ),
      codeCell("// say it\nconsole.log(name, process.cwd());"),
    );
    const { status, stdout, stderr } = await start(
      "good.ipynb",
      "-p",
      "steps=34",
      "-p",
      "name=x=y",
      "-o",
      "made/out.ipynb",
    ).ended;
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^TypeScript \(Zoetrope .*\): 4 cells \(kernel ready in \d+\.\d s\)$/m);
    expect(stdout).toMatch(/^ {2}✓ 1\/4 +\d+\.\d s {2}Search$/m);
    expect(stdout).toMatch(/^ {2}✓ 3\/4 +\d+\.\d s {2}NFE 1,234 {2}display/m);
    expect(stdout).toMatch(/^ {2}✓ 4\/4 +\d+\.\d s {2}NFE 1,234 {2}say it$/m);
    expect(stdout).toMatch(/^Ran through in \d+\.\d s, NFE 1,234; outputs are in made\/out\.ipynb$/m);
    expect(outputs("made/out.ipynb").at(-1)).toEqual([
      { output_type: "stream", name: "stdout", text: `x=y ${folder}\n` },
    ]);
    expect(outputs("good.ipynb").flat()).toEqual([]);
  });

  it("shows the failing cell with its lines and traceback, keeps all outputs, and ends with 1", {
    timeout: 60_000,
  }, async () => {
    put(
      "bad.ipynb",
      codeCell("console.log('kept')"),
      codeCell("const a: number = 1;\nthrow new RangeError('too far');", { id: "far" }),
      codeCell("1"),
    );
    const { status, stdout, stderr } = await start("bad.ipynb").ended;
    expect(status).toBe(1);
    expect(stderr).toContain("Cell 2 (id far) failed: RangeError: too far");
    expect(stderr).toContain("     2 | throw new RangeError('too far');");
    expect(stderr).not.toContain("\x1b");
    expect(stdout).toMatch(/^ {2}✗ 2\/3/m);
    expect(stdout).toMatch(/^Failed in \d+\.\d s; outputs so far are in bad\.executed\.ipynb$/m);
    expect(outputs("bad.executed.ipynb").map((of) => of.map(({ output_type }) => output_type))).toEqual([
      ["stream"],
      ["error"],
      [],
    ]);
  });

  it("speaks JSON lines to programs", { timeout: 60_000 }, async () => {
    put("json.ipynb", codeCell("display({ 'image/png': 'AAAA', 'text/plain': 'picture' })", { id: "one" }));
    const { status, stdout } = await start("json.ipynb", "--json", "--in-place").ended;
    expect(status).toBe(0);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.map(({ type }) => type)).toEqual(["start", "cell", "output", "cell-end", "end"]);
    expect(events[2]).toMatchObject({
      id: "one",
      output: { data: { "image/png": null, "text/plain": "picture" } },
    });
    expect(events[4]).toMatchObject({ status: "ok", output: "json.ipynb", nfe: 0 });
    expect(outputs("json.ipynb").flat()).toHaveLength(1);
  });

  it("interrupts the cell on Ctrl-C, keeps what it said, and ends with 130", {
    timeout: 90_000,
  }, async () => {
    put(
      "long.ipynb",
      codeCell(
        "for (let i = 0; ; i++) { console.log('step', i); await new Promise((r) => setTimeout(r, 50)); }",
      ),
    );
    const run = start("long.ipynb", "--json");
    await until(() => run.stdout().includes("step 3"));
    run.child.kill("SIGINT");
    expect((await run.ended).status).toBe(130);
    const [kept] = outputs("long.executed.ipynb");
    expect(kept![0]).toMatchObject({ output_type: "stream", text: expect.stringContaining("step 3\n") });
    expect(readdirSync(folder).filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  it("takes its kernel with it when it is killed", { timeout: 90_000 }, async () => {
    put(
      "orphan.ipynb",
      codeCell("console.log('pid', process.ppid, process.pid); await new Promise(() => {});"),
    );
    const run = start("orphan.ipynb", "--json");
    await until(() => /pid \d+ \d+/.test(run.stdout()));
    const pids = /pid (\d+) (\d+)/.exec(run.stdout())!.slice(1);
    run.child.kill("SIGKILL");
    await run.ended;
    const isAlive = (pid: string) =>
      existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
    if (process.platform === "linux") await until(() => !pids.some(isAlive));
  });

  it.each([
    [["nowhere.ipynb"], "Cannot read nowhere.ipynb: ENOENT"],
    [["broken.ipynb"], "Cannot read broken.ipynb as JSON"],
    [["empty.ipynb", "-p", "steps=1"], "the notebook declares none"],
    [["empty.ipynb", "-p", "steps"], "as name=value"],
    [["empty.ipynb", "--timeout", "-1"], "must be a number >= 0"],
    [["empty.ipynb", "--kernel", "no-such"], 'Cannot find a kernel named "no-such". Known kernels:'],
  ])("refuses %j with one sentence", async (args, message) => {
    writeFileSync(join(folder, "broken.ipynb"), "{");
    writeFileSync(join(folder, "empty.ipynb"), formatNotebook(notebook([])));
    const { status, stderr } = await start(...args).ended;
    expect(status).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
  });
});
