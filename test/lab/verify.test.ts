/** A report re-run in a clean kernel: what is the same, what moved, and what could not be run, each graded. */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { codeState } from "../../src/lab/provenance.ts";
import { workplaceFor } from "../../src/lab/report/checkout.ts";
import { notebookReport } from "../../src/lab/report/notebook-report.ts";
import { readPage } from "../../src/lab/report/page.ts";
import { verifyReport } from "../../src/lab/report/verify-report.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";

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
  const verification = await verifyReport(path, { timeout: 60, runsHere: true });
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

describe("a report of another commit", () => {
  const worktrees = () => readdirSync(tmpdir()).filter((name) => name.startsWith("zoetrope-checkout-"));
  let repository: string;
  let report: string;
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], {
      cwd: repository,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  const put = (path: string, text: string) => {
    mkdirSync(join(repository, path, ".."), { recursive: true });
    writeFileSync(join(repository, path), text);
  };
  const commit = (value: number, setup: string) => {
    put("notebooks/value.json", String(value));
    put("src/cli/setup.mjs", setup);
    git("add", "-A");
    git("commit", "-q", "-m", `value ${value}`);
  };
  // Building this small tree means borrowing the kernel that is built here.
  const borrow = `import { symlinkSync } from "node:fs"; symlinkSync(${JSON.stringify(join(packageRoot, "dist"))}, "dist"); console.log("built");`;
  const reportHere = async (name: string) => {
    const read =
      'import { readFileSync } from "node:fs";\nconst a = Number(readFileSync("value.json", "utf8"));\n';
    const value = Number(readFileSync(join(repository, "notebooks/value.json"), "utf8"));
    const source = join(folder, "value.ipynb");
    const cells = [code("only", read + chart("Value", "[{ a }]"), [shown("Value", [{ a: value }])])];
    const metadata = { kernelspec: { name: "zoetrope", display_name: "TypeScript", language: "typescript" } };
    writeFileSync(source, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata, cells }));
    return notebookReport(source, { title: "Value", code: codeState(repository) }).write(join(folder, name));
  };

  beforeAll(async () => {
    repository = join(folder, "repository");
    mkdirSync(repository);
    git("init", "-q");
    put("package.json", '{ "name": "zoetrope", "version": "0.0.1", "type": "module" }');
    put("package-lock.json", "{}");
    put(".gitignore", "node_modules/\ndist\nbuild/\n");
    put("node_modules/one/package.json", "{}");
    commit(1, borrow);
    report = await reportHere("value.html");
    commit(2, borrow);
  });

  it("is re-run at its own commit, in a tree that is gone afterwards", async () => {
    const before = worktrees();
    const lines: string[] = [];
    const onProgress = (line: string) => void lines.push(line);
    const verification = await verifyReport(report, { repository, timeout: 60, onProgress });
    expect(verification.items.map((item) => item.grade)).toEqual(["bit-exact"]);
    expect(verification.notes.join(" ")).toMatch(
      /It was made at \w{10}; this tree is at \w{10}\. Re-run at its commit, \w{10}, in a tree of its own\./,
    );
    expect(lines).toContain("built");
    expect(worktrees()).toEqual(before);
    expect(git("worktree", "list").trim().split("\n").length).toBe(1);
    expect(git("status", "--porcelain")).toBe("");
  }, 90_000);

  it("is graded against the present tree only when that is asked for", async () => {
    const { items, notes } = await verifyReport(report, {
      repository: packageRoot,
      runsHere: true,
      timeout: 60,
    });
    expect(items[0]!.grade).toBe("not re-runnable");
    expect(notes.join(" ")).toContain("Re-run in the present tree (--here)");
  }, 90_000);

  it("shares packages where the lock files agree, and says so where they do not", async () => {
    const { code: made } = readPage(readFileSync(report, "utf8")).payload!;
    const place = await workplaceFor(made, { repository });
    if (typeof place === "string") throw new Error(place);
    expect(readdirSync(join(place.root, "node_modules"))).toEqual(["one"]);
    expect(place.notes.length).toBe(1);
    place.dispose();
    put("package-lock.json", '{ "changed": true }');
    const other = await workplaceFor(made, { repository });
    if (typeof other === "string") throw new Error(other);
    expect(other.notes.join(" ")).toContain("installed anew, as its lock file differs");
    other.dispose();
    put("package-lock.json", "{}");
  });

  it("says why code cannot be had: no git, other changes, no such commit, no build", async () => {
    const { code: made } = readPage(readFileSync(report, "utf8")).payload!;
    expect(await workplaceFor({ ...made, commit: null }, { repository })).toMatch(
      /^it was not made in a git checkout/,
    );
    expect(await workplaceFor({ ...made, diffHash: "0" }, { repository })).toMatch(
      /uncommitted changes to commit \w{10}, which are not here/,
    );
    expect(await workplaceFor({ ...made, commit: "1".repeat(40) }, { repository })).toMatch(
      /^commit 1111111111 is not in this repository; fetch it/,
    );
    commit(3, 'console.log("no compiler"); process.exit(3);');
    const broken = codeState(repository);
    commit(4, borrow);
    expect(await workplaceFor(broken, { repository })).toMatch(
      /^commit \w{10} could not be built: no compiler$/,
    );
    renameSync(join(repository, ".git"), join(repository, "git"));
    expect(await workplaceFor(made, { repository })).toMatch(/^this is not a git checkout/);
    renameSync(join(repository, "git"), join(repository, ".git"));
  });
});
