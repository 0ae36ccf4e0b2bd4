/**
 * JupyterLab with this package's kernel, without installing anything into Jupyter: a temporary folder on JUPYTER_PATH
 * holds the kernelspec for as long as the server runs.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { packageRoot } from "../package-root.ts";
import { installKernel } from "./kernelspec-install.ts";
import { pythonEnvironment } from "./python-environment.ts";

export interface LabCommand {
  /** The program and its first arguments. */
  readonly argv: readonly string[];
  readonly env: { readonly [name: string]: string };
  /** Where it was found, for people. */
  readonly source: string;
}

/** A JupyterLab 4 on PATH, else the one of the private environment; otherwise the reason. */
export async function findJupyterLab(
  onProgress: (sentence: string) => void = () => undefined,
): Promise<LabCommand | { readonly reason: string }> {
  const version = jupyterLabOnPath();
  if (version !== undefined && Number(version.split(".")[0]) >= 4)
    return { argv: ["jupyter-lab"], env: {}, source: `JupyterLab ${version} on PATH` };
  if (version !== undefined) onProgress(`JupyterLab ${version} on PATH is older than 4 and is left alone`);
  const { environment, reason } = await pythonEnvironment({ onProgress });
  if (environment === undefined) return { reason };
  return {
    argv: [environment.python, "-m", "jupyterlab"],
    env: environment.env,
    source: `JupyterLab of ${environment.folder}`,
  };
}

export function jupyterLabOnPath(): string | undefined {
  try {
    return execFileSync("jupyter-lab", ["--version"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined;
  }
}

export interface LabServer {
  readonly process: ChildProcess;
  /** Ends the server, its kernels and the temporary kernelspec. */
  readonly dispose: () => void;
}

/** Starts the server on a folder. `args` are passed on, e.g. `--port=8899 --no-browser`. */
export function startLab(
  lab: LabCommand,
  { folder = join(packageRoot, "notebooks"), args = [], env = {}, stdio = "inherit" }: LabOptions = {},
): LabServer {
  const jupyterPath = mkdtempSync(join(tmpdir(), "zoetrope-lab-"));
  installKernel({ place: { prefix: jupyterPath } });
  mkdirSync(folder, { recursive: true });
  const isRoot = process.getuid?.() === 0;
  const [program, ...first] = lab.argv;
  const child = spawn(
    program!,
    [
      ...first,
      `--ServerApp.root_dir=${folder}`,
      "--MappingKernelManager.default_kernel_name=zoetrope",
      "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
      ...(isRoot ? ["--allow-root"] : []),
      ...args,
    ],
    {
      cwd: folder,
      stdio,
      env: {
        ...process.env,
        ...lab.env,
        JUPYTER_PATH: [join(jupyterPath, "share/jupyter"), process.env["JUPYTER_PATH"] ?? ""]
          .filter(Boolean)
          .join(delimiter),
        ...env,
      },
    },
  );
  const dispose = () => {
    process.removeListener("exit", dispose);
    child.kill("SIGTERM");
    rmSync(jupyterPath, { recursive: true, force: true });
  };
  process.once("exit", dispose);
  return Object.freeze({ process: child, dispose });
}

export interface LabOptions {
  /** What the file browser shows. Default: the package's notebooks/. */
  readonly folder?: string;
  readonly args?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly stdio?: "inherit" | "pipe";
}

const LONGEST_END_MS = 10_000;

/** The command `lab`: runs until the server ends; its exit status. */
export async function labCommand(args: readonly string[]): Promise<number> {
  const say = (sentence: string) => process.stderr.write(`zoetrope lab: ${sentence}\n`);
  const lab = await findJupyterLab(say);
  if ("reason" in lab) {
    say(lab.reason);
    return 1;
  }
  say(`starting ${lab.source} on notebooks/ with the TypeScript kernel; stop it with Ctrl-C`);
  const server = startLab(lab, { args });
  // Ctrl-C reaches the server through the terminal; it asks back and decides.
  const wait = () => undefined;
  const end = () => {
    server.process.kill("SIGTERM");
    // A server that is stuck in its own shutdown must not outlive the command.
    setTimeout(() => server.process.kill("SIGKILL"), LONGEST_END_MS).unref();
  };
  process.on("SIGINT", wait);
  process.on("SIGTERM", end);
  try {
    return await new Promise<number>((resolve, reject) => {
      server.process.once("error", reject);
      server.process.once("exit", (code) => resolve(code ?? 0));
    });
  } finally {
    process.removeListener("SIGINT", wait);
    process.removeListener("SIGTERM", end);
    server.dispose();
  }
}
