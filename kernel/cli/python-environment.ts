/**
 * The private Python environment `.python/` in the package folder: made when something needs Jupyter's own programs,
 * never needed to run notebooks. Made once: a marker with the hash of requirements.txt is written last, so that a
 * half-made environment is made anew and a finished one costs nothing.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../package-root.ts";

const run = promisify(execFile);
const isWindows = process.platform === "win32";

export interface PythonEnvironment {
  readonly folder: string;
  /** The interpreter. */
  readonly python: string;
  /** Path of a program of the environment, e.g. `program("jupyter-lab")`. */
  readonly program: (name: string) => string;
  /** Variables that make the environment the active one for a child process. */
  readonly env: { readonly [name: string]: string };
}

export type PythonResult =
  | { readonly environment: PythonEnvironment; readonly reason?: undefined }
  | { readonly environment: undefined; readonly reason: string };

/** Part of the marker: changed when an environment of the same requirements must be made anew. */
const layout = "2";

export interface PythonOptions {
  /** Told in one sentence what is being done, as installing takes about half a minute. */
  readonly onProgress?: (sentence: string) => void;
  /** Default: `.python` in the package folder, or the variable ZOETROPE_PYTHON_DIR. */
  readonly folder?: string;
  readonly requirements?: string;
}

/** The environment, made if need be; without a usable Python, the reason in one sentence with the remedy. */
export async function pythonEnvironment({
  onProgress = () => undefined,
  folder = process.env["ZOETROPE_PYTHON_DIR"] ?? join(packageRoot, ".python"),
  requirements = join(packageRoot, "kernel/cli/requirements.txt"),
}: PythonOptions = {}): Promise<PythonResult> {
  const marker = join(folder, "zoetrope-requirements.sha256");
  const wanted = createHash("sha256").update(layout).update(readFileSync(requirements)).digest("hex");
  const isReady = () => existsSync(marker) && readFileSync(marker, "utf8") === wanted;
  const ready = (): PythonResult => {
    keepQuiet(folder);
    return { environment: describe(folder) };
  };
  if (isReady()) return ready();

  const python = await findPython();
  if (python.command === undefined) return { environment: undefined, reason: python.reason };
  let release: () => void;
  try {
    release = await lock(`${folder}.lock`);
  } catch (error) {
    return {
      environment: undefined,
      reason: `Cannot make ${folder}: ${(error as Error).message}. Make the package folder writable or set ZOETROPE_PYTHON_DIR.`,
    };
  }
  try {
    if (isReady()) return ready();
    onProgress(
      `making a private Python environment with JupyterLab in ${folder} (once, about half a minute)`,
    );
    rmSync(folder, { recursive: true, force: true });
    await run(python.command, ["-m", "venv", folder], { maxBuffer: 1 << 26 });
    // JupyterLab runs CommonJS files of its own with Node; without this they would take this package's module type.
    writeFileSync(join(folder, "package.json"), "{}\n");
    const environment = describe(folder);
    const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    await run(environment.python, install, {
      maxBuffer: 1 << 26,
      env: { ...process.env, ...environment.env },
    });
    keepQuiet(folder);
    writeFileSync(marker, wanted);
    return { environment };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    return { environment: undefined, reason: failureReason(error as Failed) };
  } finally {
    release();
  }
}

/** JupyterLab's own way to set defaults: it asks nobody whether it may fetch news, which would lie over the notebook. */
function keepQuiet(folder: string): void {
  const settings = join(folder, "share/jupyter/lab/settings");
  const notification = { fetchNews: "false", checkForUpdates: false };
  mkdirSync(settings, { recursive: true });
  writeFileSync(
    join(settings, "overrides.json"),
    `${JSON.stringify({ "@jupyterlab/apputils-extension:notification": notification }, null, 2)}\n`,
  );
}

/** The finished environment, or undefined; never makes one. */
export function existingPythonEnvironment(
  folder = process.env["ZOETROPE_PYTHON_DIR"] ?? join(packageRoot, ".python"),
): PythonEnvironment | undefined {
  return existsSync(join(folder, "zoetrope-requirements.sha256")) ? describe(folder) : undefined;
}

function describe(folder: string): PythonEnvironment {
  const bin = join(folder, isWindows ? "Scripts" : "bin");
  const program = (name: string) => join(bin, isWindows ? `${name}.exe` : name);
  const env = { VIRTUAL_ENV: folder, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` };
  return Object.freeze({ folder, python: program("python"), program, env });
}

const oldestPython = [3, 10] as const;

type FoundPython =
  | { readonly command: string; readonly version: string }
  | { readonly command?: undefined; readonly reason: string };

/** The first of `python3`, `python`, `py` on PATH that is new enough. */
export async function findPython(): Promise<FoundPython> {
  let tooOld = "";
  for (const command of isWindows ? ["py", "python"] : ["python3", "python"]) {
    try {
      const { stdout } = await run(command, ["-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]);
      const version = stdout.trim();
      const [major = 0, minor = 0] = version.split(".").map(Number);
      if (major > oldestPython[0] || (major === oldestPython[0] && minor >= oldestPython[1]))
        return { command, version };
      tooOld ||= version;
    } catch {
      // not there: try the next name
    }
  }
  const found = tooOld === "" ? "none is on PATH" : `only ${tooOld} is on PATH`;
  return {
    reason: `Cannot set up JupyterLab as it needs Python >= ${oldestPython.join(".")}: ${found}. Install Python; notebooks run without it through \`zoetrope run\`.`,
  };
}

interface Failed extends Error {
  readonly stderr?: string;
  readonly stdout?: string;
}

function failureReason(error: Failed): string {
  const said = `${error.stdout ?? ""}\n${error.stderr ?? ""}`;
  if (/ensurepip|python3-venv/.test(said))
    return "Cannot make a private Python environment as Python's venv module is incomplete here. Install it (Debian, Ubuntu: apt install python3-venv) and repeat.";
  const last = said
    .split("\n")
    .filter((line) => line.trim() !== "")
    .at(-1);
  return `Cannot make a private Python environment: ${(last ?? error.message).trim()}. Check the network and repeat.`;
}

/** A folder as lock, with the holder's process id inside: several test processes may want the environment at once. */
async function lock(path: string): Promise<() => void> {
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, "pid"), String(process.pid));
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      if (!isHeld(path)) rmSync(path, { recursive: true, force: true });
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}

function isHeld(path: string): boolean {
  try {
    process.kill(Number(readFileSync(join(path, "pid"), "utf8")), 0);
    return true;
  } catch (error) {
    // The holder writes its id right after making the folder: a missing id is a matter of a moment.
    const code = (error as NodeJS.ErrnoException).code;
    return code === "EPERM";
  }
}
