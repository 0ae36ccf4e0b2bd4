/**
 * Collects what `npm test` sums up: counts, each skip with its reason, and the files that did not pass. Written to
 * $ZOETROPE_TEST_SUMMARY.
 */
import { writeFileSync } from "node:fs";
import { relative } from "node:path";
import type { Reporter, SerializedError, TestModule } from "vitest/node";

export interface TestSummary {
  readonly files: readonly FileSummary[];
  /** Errors outside of every test file, such as a worker that could not start. */
  readonly strayErrors: number;
}

export interface FileSummary {
  /** Path from the root of the package. */
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const files = modules.map(fileSummary);
    let strayErrors = 0;
    for (const error of unhandled) {
      const path = error["VITEST_TEST_PATH"];
      const name = typeof path === "string" ? relative(process.cwd(), path) : "";
      const at = files.findIndex(({ file }) => file === name);
      if (at < 0) strayErrors++;
      else files[at] = { ...files[at]!, failed: files[at]!.failed + 1 };
    }
    const path = process.env["ZOETROPE_TEST_SUMMARY"];
    if (path) writeFileSync(path, JSON.stringify({ files, strayErrors } satisfies TestSummary));
  }
}

function fileSummary(module: TestModule): FileSummary {
  const file = module.relativeModuleId;
  let passed = 0;
  // A file that fails to load, whose hooks fail, or that never came to its end, fails as a whole.
  let failed =
    module.errors().length > 0 || !["passed", "failed", "skipped"].includes(module.state()) ? 1 : 0;
  const skipped: { name: string; reason: string }[] = [];
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === "passed") passed++;
    else if (result.state === "failed") failed++;
    else if (result.state === "skipped")
      skipped.push({ name: `${file} > ${test.fullName}`, reason: result.note ?? "no reason given" });
    else failed++;
  }
  if (failed === 0 && module.state() === "failed") failed = 1;
  return { file, passed, failed, skipped };
}
