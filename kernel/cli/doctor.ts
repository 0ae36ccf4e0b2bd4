/** `doctor`: what this machine has of the things the kernel, JupyterLab and the tests want, and what follows from it. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { listKernelSpecs } from "../client/kernelspec.ts";
import { packageRoot } from "../package-root.ts";
import { installedKernels } from "./kernelspec-install.ts";
import { jupyterLabOnPath } from "./lab.ts";
import { existingPythonEnvironment, findPython } from "./python-environment.ts";

const run = promisify(execFile);

export interface Finding {
  readonly name: string;
  /** "missing" is only what the kernel cannot do without; "absent" is optional. */
  readonly status: "ok" | "absent" | "missing";
  /** Version or place, or what follows from its absence. */
  readonly detail: string;
}

/** All findings, the necessary things first. */
export async function examine(): Promise<Finding[]> {
  const [zeromq, typescript, python, chromium, ffmpeg, compiler] = await Promise.all([
    zeromqFinding(),
    typescriptFinding(),
    pythonFinding(),
    chromiumFinding(),
    programFinding(
      "ffmpeg",
      [["ffmpeg", "-version"]],
      "mp4 files of yours cannot be read; everything of our own can",
    ),
    programFinding(
      "C++ compiler",
      [
        ["c++", "--version"],
        ["g++", "--version"],
        ["clang++", "--version"],
      ],
      "the committed WebAssembly is used",
    ),
  ]);
  return [
    nodeFinding(),
    zeromq,
    typescript,
    frontFinding(),
    kernelFinding(),
    python,
    labFinding(),
    chromium,
    ffmpeg,
    compiler,
  ];
}

function nodeFinding(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isNewEnough = major > 20 || (major === 20 && minor >= 19);
  return isNewEnough
    ? { name: "Node", status: "ok", detail: process.versions.node }
    : {
        name: "Node",
        status: "missing",
        detail: `${process.versions.node} is older than 20.19: install a newer one`,
      };
}

async function zeromqFinding(): Promise<Finding> {
  try {
    const { version } = await import("zeromq");
    return { name: "zeromq", status: "ok", detail: `libzmq ${version}` };
  } catch (error) {
    return {
      name: "zeromq",
      status: "missing",
      detail: `${(error as Error).message.split("\n")[0]}: run npm ci`,
    };
  }
}

async function typescriptFinding(): Promise<Finding> {
  try {
    const { version } = createRequire(import.meta.url)("typescript") as { version: string };
    return { name: "TypeScript", status: "ok", detail: version };
  } catch (error) {
    return {
      name: "TypeScript",
      status: "missing",
      detail: `${(error as Error).message.split("\n")[0]}: run npm ci`,
    };
  }
}

function frontFinding(): Finding {
  return existsSync(join(packageRoot, "dist/kernel/front/main.js"))
    ? { name: "kernel", status: "ok", detail: "built" }
    : { name: "kernel", status: "missing", detail: "not built: run npm run build" };
}

function kernelFinding(): Finding {
  const installed = installedKernels(listKernelSpecs());
  const broken = installed.filter((kernel) => !kernel.works);
  if (installed.length === 0)
    return {
      name: "kernelspec",
      status: "absent",
      detail: "not installed into Jupyter (run and lab need no installation; kernel install adds it)",
    };
  const detail = installed.map(
    (kernel) => `${kernel.name} ${kernel.version}${kernel.works ? "" : " (its program is gone)"}`,
  );
  return {
    name: "kernelspec",
    status: broken.length === installed.length ? "absent" : "ok",
    detail: detail.join(", "),
  };
}

async function pythonFinding(): Promise<Finding> {
  const python = await findPython();
  return python.command === undefined
    ? { name: "Python", status: "absent", detail: python.reason }
    : { name: "Python", status: "ok", detail: python.version };
}

function labFinding(): Finding {
  const version = jupyterLabOnPath();
  if (version !== undefined) return { name: "JupyterLab", status: "ok", detail: `${version} on PATH` };
  const environment = existingPythonEnvironment();
  return environment === undefined
    ? { name: "JupyterLab", status: "absent", detail: "lab makes a private environment with it" }
    : { name: "JupyterLab", status: "ok", detail: `private, in ${environment.folder}` };
}

/** The browser that the tests drive. */
export async function findChromium(): Promise<string | undefined> {
  const candidates = [
    process.env["ZOETROPE_CHROMIUM"],
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
  ];
  for (const candidate of candidates) {
    if (!candidate) continue;
    try {
      const { stdout } = await run(process.platform === "win32" ? "where" : "which", [candidate]);
      const path = stdout.trim().split("\n")[0];
      if (path) return path;
    } catch {
      // try the next
    }
  }
  return undefined;
}

async function chromiumFinding(): Promise<Finding> {
  const path = await findChromium();
  return path === undefined
    ? { name: "Chromium", status: "absent", detail: "tests in a real JupyterLab are skipped" }
    : { name: "Chromium", status: "ok", detail: path };
}

async function programFinding(
  name: string,
  attempts: readonly (readonly string[])[],
  otherwise: string,
): Promise<Finding> {
  for (const [program, ...args] of attempts) {
    try {
      const { stdout } = await run(program!, args);
      return { name, status: "ok", detail: stdout.split("\n")[0]!.trim() };
    } catch {
      // try the next
    }
  }
  return { name, status: "absent", detail: otherwise };
}

/** The command: findings as text or JSON; exit status 1 only when the kernel cannot run. */
export async function doctorCommand({ json }: { readonly json: boolean }): Promise<number> {
  const findings = await examine();
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    const width = Math.max(...findings.map(({ name }) => name.length));
    const mark = { ok: "✓", absent: "-", missing: "✗" };
    for (const { name, status, detail } of findings)
      process.stdout.write(`  ${mark[status]} ${name.padEnd(width)}  ${detail}\n`);
  }
  return findings.some(({ status }) => status === "missing") ? 1 : 0;
}
