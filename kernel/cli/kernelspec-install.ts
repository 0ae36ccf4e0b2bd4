/**
 * Writes kernelspecs where Jupyter looks for them, without Python: kernel.json with an absolute command line, and the
 * logos. What is written says which package wrote it, so that uninstalling never removes somebody else's kernel.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  environmentPrefix,
  type KernelSpec,
  kernelSpecFolders,
  ownKernel,
  userDataFolder,
} from "../client/kernelspec.ts";
import { packageRoot, packageVersion } from "../package-root.ts";

const logos = ["logo-svg.svg", "logo-64x64.png", "logo-32x32.png"] as const;

export interface InstallOptions {
  /** Folder and id of the kernel. Default "zoetrope". Several versions live side by side under several names. */
  readonly name?: string;
  readonly displayName?: string;
  readonly place?: Place;
}

/** For this user (default), under a prefix such as /usr/local, or in the active virtual or conda environment. */
export type Place = "user" | "sys-prefix" | { readonly prefix: string };

/** The folder `kernels` that a place stands for. */
export function kernelsFolder(place: Place = "user"): string {
  if (place === "user") return join(userDataFolder(), "kernels");
  if (place !== "sys-prefix") return join(resolve(place.prefix), "share/jupyter/kernels");
  const prefix = environmentPrefix();
  if (prefix === undefined)
    throw new Error(
      "Cannot install into the active Python environment as neither VIRTUAL_ENV nor CONDA_PREFIX is set. " +
        "Activate one, or use --user or --prefix.",
    );
  return join(prefix, "share/jupyter/kernels");
}

/** Installs, replacing an earlier one of the same name as a whole; the folder written. */
export function installKernel({
  name = "zoetrope",
  displayName,
  place = "user",
}: InstallOptions = {}): string {
  if (!/^[a-z0-9._-]+$/i.test(name))
    throw new RangeError(
      `Cannot install a kernel as Jupyter requires names of letters, digits, ".", "-" and "_": got "${name}". Choose another with --name.`,
    );
  const folder = join(kernelsFolder(place), name);
  if (existsSync(folder) && !isOurs(folder))
    throw new Error(
      `Cannot install into ${folder} as another program's kernel lies there. Remove it, or choose another name with --name.`,
    );
  const fresh = `${folder}.installing-${process.pid}`;
  try {
    mkdirSync(dirname(folder), { recursive: true });
    if (existsSync(fresh)) rmSync(fresh, { recursive: true });
    mkdirSync(fresh);
    writeFileSync(join(fresh, "kernel.json"), kernelJson(displayName));
    for (const logo of logos) copyFileSync(join(packageRoot, "kernel/cli/logos", logo), join(fresh, logo));
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } catch (error) {
    if (existsSync(fresh)) rmSync(fresh, { recursive: true });
    throw new Error(
      `Cannot install the kernel into ${folder}: ${(error as Error).message}. Use --prefix with a folder that you may write to.`,
      { cause: error },
    );
  }
  return folder;
}

/** Text of kernel.json for this package and the Node that runs now. */
export function kernelJson(displayName?: string): string {
  const spec = ownKernel();
  const content = {
    argv: spec.argv,
    display_name: displayName ?? spec.displayName,
    language: spec.language,
    interrupt_mode: spec.interruptMode,
    env: {},
    metadata: { debugger: false, zoetrope: { version: packageVersion, root: packageRoot } },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** Removes a kernel that this package (in any version) installed; false when there was none of that name. */
export function uninstallKernel({
  name = "zoetrope",
  place = "user",
}: Omit<InstallOptions, "displayName"> = {}): boolean {
  const folder = join(kernelsFolder(place), name);
  if (!existsSync(folder)) return false;
  if (!isOurs(folder))
    throw new Error(
      `Cannot uninstall ${folder} as another program's kernel lies there. Remove it with that program.`,
    );
  rmSync(folder, { recursive: true });
  return true;
}

export interface InstalledKernel {
  readonly name: string;
  readonly folder: string;
  readonly version: string;
  readonly displayName: string;
  /** The program and the Node that kernel.json names are both still there. */
  readonly works: boolean;
}

/** Kernels of this package in all folders that Jupyter searches, and in `place` if it is another one. */
export function installedKernels(specs: readonly KernelSpec[]): InstalledKernel[] {
  return specs.flatMap((spec) => {
    const { folder } = spec;
    const version = folder === undefined ? undefined : installedVersion(folder);
    if (folder === undefined || version === undefined) return [];
    const works = spec.argv.slice(0, 2).every((part) => existsSync(part));
    return [{ name: spec.name, folder, version, displayName: spec.displayName, works }];
  });
}

/** Whether Jupyter, as it is configured now, looks into this folder of kernels. */
export function isSearched(kernels: string): boolean {
  return kernelSpecFolders().some((folder) => resolve(folder) === resolve(kernels));
}

function isOurs(folder: string): boolean {
  return installedVersion(folder) !== undefined;
}

function installedVersion(folder: string): string | undefined {
  try {
    const content = JSON.parse(readFileSync(join(folder, "kernel.json"), "utf8"));
    return content?.metadata?.zoetrope?.version;
  } catch {
    return undefined;
  }
}
