/** Collects what `npm test` sums up: counts, and each skip with its reason. Written to $ZOETROPE_TEST_SUMMARY. */
import { writeFileSync } from "node:fs";
import type { Reporter, TestModule } from "vitest/node";

export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandled.length;
    const skipped: { name: string; reason: string }[] = [];
    for (const module of modules) {
      if (module.state() === "failed" && module.errors().length > 0) failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === "passed") passed++;
        else if (result.state === "failed") failed++;
        else skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, reason: noteOf(result) });
      }
    }
    const path = process.env["ZOETROPE_TEST_SUMMARY"];
    if (path) writeFileSync(path, JSON.stringify({ passed, failed, skipped } satisfies TestSummary));
  }
}

function noteOf(result: { state: string; note?: string | undefined }): string {
  return result.note ?? "no reason given";
}
