/**
 * Where Jupyter looks for kernels, and what it finds there. The search order is Jupyter's: JUPYTER_PATH, the user's
 * folder, the active virtual environment, then the system's folders.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { isJsonObject } from "../nbformat/notebook.ts";
import { packageRoot, packageVersion } from "../package-root.ts";

export interface KernelSpec {
  readonly name: string;
  readonly displayName: string;
  readonly language: string;
  /** `{connection_file}` stands for the connection file, `{resource_dir}` for `folder`. */
  readonly argv: readonly string[];
  readonly interruptMode: "message" | "signal";
  readonly env: { readonly [name: string]: string };
  /** Where kernel.json lies; undefined for a kernel that is not installed. */
  readonly folder?: string;
}

type Environment = { readonly [name: string]: string | undefined };

/** The kernel of this package, run with the Node that runs now; nothing needs to be installed for it. */
export function ownKernel(): KernelSpec {
  return {
    name: "zoetrope",
    displayName: `TypeScript (Zoetrope ${packageVersion})`,
    language: "typescript",
    argv: [
      process.execPath,
      join(packageRoot, "dist/kernel/front/main.js"),
      "--connection-file",
      "{connection_file}",
    ],
    interruptMode: "message",
    env: {},
  };
}

/** The user's Jupyter data folder. */
export function userDataFolder(env: Environment = process.env): string {
  if (env["JUPYTER_DATA_DIR"]) return env["JUPYTER_DATA_DIR"];
  const home = env["HOME"] || homedir();
  if (process.platform === "darwin") return join(home, "Library/Jupyter");
  if (process.platform === "win32") return join(env["APPDATA"] || join(home, "AppData/Roaming"), "jupyter");
  return join(env["XDG_DATA_HOME"] || join(home, ".local/share"), "jupyter");
}

/** The active conda or virtual environment, if any. */
export function environmentPrefix(env: Environment = process.env): string | undefined {
  return env["VIRTUAL_ENV"] || env["CONDA_PREFIX"] || undefined;
}

/** Folders that hold kernelspecs, first one wins. They need not exist. */
export function kernelSpecFolders(env: Environment = process.env): string[] {
  const prefix = environmentPrefix(env);
  const roots = [
    ...(env["JUPYTER_PATH"] ?? "").split(delimiter).filter((folder) => folder !== ""),
    userDataFolder(env),
    ...(prefix === undefined ? [] : [join(prefix, "share/jupyter")]),
    ...(process.platform === "win32" ? [] : ["/usr/local/share/jupyter", "/usr/share/jupyter"]),
  ];
  return [...new Set(roots)].map((root) => join(root, "kernels"));
}

/** All kernels that Jupyter would list; a broken kernel.json is left out, as Jupyter does. */
export function listKernelSpecs(env: Environment = process.env): KernelSpec[] {
  const found = new Map<string, KernelSpec>();
  for (const folder of kernelSpecFolders(env)) {
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder).sort()) {
      const spec = found.has(name) ? undefined : readKernelSpec(join(folder, name), name);
      if (spec !== undefined) found.set(name, spec);
    }
  }
  return [...found.values()];
}

/** The kernel of that name, among the installed ones or this package's own; throws with the known names. */
export function findKernelSpec(name: string, env: Environment = process.env): KernelSpec {
  const installed = listKernelSpecs(env);
  const spec = installed.find((candidate) => candidate.name === name);
  if (spec !== undefined) return spec;
  if (name === ownKernel().name) return ownKernel();
  const known = [...installed.map((candidate) => candidate.name), ownKernel().name].join(", ");
  throw new RangeError(`Cannot find a kernel named "${name}". Known kernels: ${known}.`);
}

/** Reads `<folder>/kernel.json`; undefined when there is none or it cannot be used. */
export function readKernelSpec(folder: string, name: string): KernelSpec | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
    if (!isJsonObject(value)) return undefined;
    const argv = value["argv"];
    if (!Array.isArray(argv) || !argv.every((part) => typeof part === "string")) return undefined;
    const env = isJsonObject(value["env"]) ? value["env"] : {};
    return {
      name,
      displayName: String(value["display_name"] ?? name),
      language: String(value["language"] ?? ""),
      argv,
      interruptMode: value["interrupt_mode"] === "message" ? "message" : "signal",
      env: Object.fromEntries(Object.entries(env).map(([key, setting]) => [key, String(setting)])),
      folder: realpathSync(folder),
    };
  } catch {
    return undefined;
  }
}
