/**
 * `npm test`: types, lint and format, then every test; ends with the line `N passed, N failed, N skipped`.
 * With ZOETROPE_REQUIRE_ALL=1 (CI) a skipped test counts as failed.
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

const folder = mkdtempSync(join(tmpdir(), "zoetrope-test-"));
const summaryPath = join(folder, "summary.json");
const ok = step(
  "tests",
  [
    bin("vitest", "vitest.mjs"),
    "run",
    "--config",
    "test/vitest.config.ts",
    "--reporter=default",
    "--reporter=./test/reporter.ts",
    ...only,
  ],
  // What tests and the programs that they start and kill leave behind goes with this folder.
  { ZOETROPE_TEST_SUMMARY: summaryPath, TMPDIR: folder },
);
if (existsSync(summaryPath)) {
  const summary = JSON.parse(readFileSync(summaryPath, "utf8"));
  passed += summary.passed;
  failed += summary.failed;
  skipped.push(...summary.skipped);
  if (!ok && summary.failed === 0) failed++;
} else {
  failed++;
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
if (requireAll) failed += skipped.length;
process.stdout.write(`\n${passed} passed, ${failed} failed, ${requireAll ? 0 : skipped.length} skipped\n`);
process.exit(failed === 0 ? 0 : 1);
