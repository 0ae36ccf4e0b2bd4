/** Jupyter's own kernel test suite (pip: jupyter_kernel_test) must pass in full. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { installKernel } from "../../kernel/cli/kernelspec-install.ts";
import { pythonEnvironment } from "../../kernel/cli/python-environment.ts";
import { packageRoot } from "../../kernel/package-root.ts";
import { skipOrFail } from "./skip-or-fail.ts";

interface Line {
  readonly test: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly detail: string;
}

it("passes Jupyter's kernel test suite", { timeout: 240_000 }, async (context) => {
  const { environment, reason } = await pythonEnvironment();
  if (environment === undefined) skipOrFail(context, reason);
  const prefix = mkdtempSync(join(tmpdir(), "zoetrope-suite-"));
  try {
    installKernel({ name: "zoetrope-under-test", place: { prefix } });
    const { stdout } = await promisify(execFile)(
      environment.python,
      [join(packageRoot, "test/kernel/official-suite.py"), "zoetrope-under-test"],
      {
        env: { ...process.env, ...environment.env, JUPYTER_PATH: join(prefix, "share/jupyter") },
        timeout: 200_000,
      },
    );
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Line);
    expect(
      lines.filter(({ outcome }) => outcome === "failed").map(({ test, detail }) => `${test}: ${detail}`),
    ).toEqual([]);
    // The suite's pager test is for kernels with IPython's `page` payload, which the protocol calls deprecated.
    expect(lines.filter(({ outcome }) => outcome === "skipped").map(({ test }) => test)).toEqual([
      "test_pager",
    ]);
    expect(
      lines
        .filter(({ outcome }) => outcome === "passed")
        .map(({ test }) => test)
        .sort(),
    ).toEqual([
      "test_clear_output",
      "test_completion",
      "test_display_data",
      "test_error",
      "test_execute_result",
      "test_execute_stderr",
      "test_execute_stdout",
      "test_history",
      "test_inspect",
      "test_is_complete",
      "test_kernel_info",
      "test_recv_iopub_welcome_msg",
    ]);
  } finally {
    rmSync(prefix, { recursive: true, force: true });
  }
});
