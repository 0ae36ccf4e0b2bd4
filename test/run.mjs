/**
 * `npm test`: types, lint and format, then every test; ends with the line `N passed, N failed, N skipped`.
 * With ZOETROPE_REQUIRE_ALL=1 (CI) a skipped test counts as failed. Tests drive browsers, kernels and killed processes
 * beside each other on however busy a machine: files that fail run once more, one by one, and that verdict counts. They
 * are named at the end, as a test that needs this often has a fault of its own.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name, file) => join(root, "node_modules", name, file);
const requireAll = process.env.ZOETROPE_REQUIRE_ALL === "1";
const only = process.argv.slice(2);
/** Fallen test files up to this many get a second run, alone; more are no bad luck. */
const bearable = 5;

let passed = 0;
let failed = 0;
const skipped = [];

function step(name, args, env = {}) {
  process.stdout.write(`\n== ${name}\n`);
  const started = Date.now();
  const result = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  process.stdout.write(
    `== ${name}: ${result.status === 0 ? "ok" : "FAILED"} in ${Math.round((Date.now() - started) / 1000)} s\n`,
  );
  return result.status === 0;
}

function check(name, args) {
  if (step(name, args)) passed++;
  else failed++;
}

if (only.length === 0) {
  check("types", [bin("typescript-7", "bin/tsc"), "-p", "test/tsconfig.json"]);
  check("lint and format", [bin("@biomejs/biome", "bin/biome"), "ci"]);
  const python = join(root, "dist/kernel/cli/main.js");
  if (existsSync(python)) step("private Python environment", [python, "python"]);
}

/** Runs test files (none named: all) in a process of its own; what the reporter saw, or undefined if it saw no end. */
function runTests(name, files) {
  const summaryPath = join(folder, `${name}.json`);
  const ok = step(
    name,
    [
      bin("vitest", "vitest.mjs"),
      "run",
      "--config",
      "test/vitest.config.ts",
      "--reporter=default",
      "--reporter=./test/reporter.ts",
      ...files,
    ],
    // What tests and the programs that they start and kill leave behind goes with this folder.
    { ZOETROPE_TEST_SUMMARY: summaryPath, TMPDIR: folder },
  );
  if (!existsSync(summaryPath)) return undefined;
  const { files: ended, strayErrors } = JSON.parse(readFileSync(summaryPath, "utf8"));
  const isSilent = !ok && strayErrors === 0 && ended.every((file) => file.failed === 0);
  return { ended, strayErrors: strayErrors + (isSilent ? 1 : 0) };
}

/** Adds a run's files to the sums, all but those that get a second run. */
function count({ ended, strayErrors }, isLeftOut = () => false) {
  failed += strayErrors;
  for (const file of ended.filter((file) => !isLeftOut(file))) {
    passed += file.passed;
    failed += file.failed;
    skipped.push(...file.skipped);
  }
}

const folder = mkdtempSync(join(tmpdir(), "zoetrope-test-"));
const first = runTests("tests", only);
const fallen = first?.ended.filter((file) => file.failed > 0) ?? [];
let secondRun = [];
if (first === undefined) failed++;
else if (fallen.length === 0 || fallen.length > bearable) count(first);
else {
  // An error outside of every file belongs to a file that fell, as a worker's end does to the file that it ran.
  count({ ...first, strayErrors: 0 }, (file) => fallen.includes(file));
  secondRun = fallen.map((file) => file.file);
  const second = runTests("once more, one by one", ["--maxWorkers=1", ...secondRun]);
  if (second !== undefined) count(second);
  failed += secondRun.length - (second?.ended.length ?? 0);
}
try {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
} catch (error) {
  process.stdout.write(`\nLeft ${folder}: ${error.message}\n`);
}

if (skipped.length > 0) {
  process.stdout.write(
    `\nSkipped on this machine${requireAll ? " (counted as failed: ZOETROPE_REQUIRE_ALL=1)" : ""}:\n`,
  );
  for (const { name, reason } of skipped) process.stdout.write(`  - ${name}: ${reason}\n`);
}
if (secondRun.length > 0) {
  process.stdout.write("\nFailed at first, so run once more:\n");
  for (const file of secondRun) process.stdout.write(`  - ${file}\n`);
}
if (requireAll) failed += skipped.length;
process.stdout.write(`\n${passed} passed, ${failed} failed, ${requireAll ? 0 : skipped.length} skipped\n`);
process.exit(failed === 0 ? 0 : 1);
