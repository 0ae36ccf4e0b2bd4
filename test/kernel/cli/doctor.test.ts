import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Finding } from "../../../kernel/cli/doctor.ts";
import { installKernel } from "../../../kernel/cli/kernelspec-install.ts";
import { packageRoot, packageVersion } from "../../../kernel/package-root.ts";

const program = join(packageRoot, "dist/kernel/cli/main.js");
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-doctor-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
// Nothing but Node: no Python, no JupyterLab, no browser, no ffmpeg, no compiler.
const bare = (...args: string[]) =>
  spawnSync(process.execPath, [program, ...args], {
    encoding: "utf8",
    env: { PATH: folder, HOME: folder, ZOETROPE_PYTHON_DIR: join(folder, "python") },
  });

describe("doctor", () => {
  it("needs Node, zeromq and TypeScript only, and says what follows from the rest's absence", () => {
    const { status, stdout } = bare("doctor", "--json");
    const findings = JSON.parse(stdout) as Finding[];
    expect(status).toBe(0);
    expect(Object.fromEntries(findings.map((finding) => [finding.name, finding.status]))).toEqual({
      Node: "ok",
      zeromq: "ok",
      TypeScript: "ok",
      kernel: "ok",
      kernelspec: "absent",
      Python: "absent",
      JupyterLab: "absent",
      Chromium: "absent",
      ffmpeg: "absent",
      "C++ compiler": "absent",
    });
    for (const { detail } of findings) expect(detail).not.toBe("");
  });

  it("lists installed kernels, in text for people", () => {
    installKernel({ place: { prefix: join(folder, ".local") } });
    const { stdout } = bare("doctor");
    expect(stdout).toMatch(new RegExp(`^ {2}✓ kernelspec +zoetrope ${packageVersion}$`, "m"));
    expect(stdout).toMatch(/^ {2}- ffmpeg +mp4 files/m);
  });
});

describe("lab", () => {
  it("says clearly that Python is missing", () => {
    const { status, stderr } = bare("lab");
    expect(status).toBe(1);
    expect(stderr).toContain(
      "zoetrope lab: Cannot set up JupyterLab as it needs Python >= 3.10: none is on PATH. Install Python",
    );
  });
});
