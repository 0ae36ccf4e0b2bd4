/**
 * The kernel's program: install, list, run, lab, doctor. The package's own program passes these commands on to it. What
 * needs zeromq is loaded by its command alone, so that `doctor` can tell of its absence.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { listKernelSpecs } from "../client/kernelspec.ts";
import { packageVersion } from "../package-root.ts";
import type { BenchCommandOptions } from "./bench-command.ts";
import { doctorCommand } from "./doctor.ts";
import {
  installedKernels,
  installKernel,
  isSearched,
  kernelsFolder,
  type Place,
  uninstallKernel,
} from "./kernelspec-install.ts";
import { labCommand } from "./lab.ts";
import { pythonEnvironment } from "./python-environment.ts";
import type { RunCommandOptions } from "./run-command.ts";

interface PlaceOptions {
  readonly name: string;
  readonly prefix?: string;
  readonly sysPrefix?: boolean;
}

export const program = new Command("zoetrope")
  .description("A TypeScript kernel for Jupyter")
  .version(packageVersion)
  .enablePositionalOptions()
  .showHelpAfterError();

const kernel = program
  .command("kernel")
  .description("install, uninstall or list the kernel in Jupyter; no Python needed");

const withPlace = (command: Command): Command =>
  command
    .addOption(new Option("--user", "for this user (default)").conflicts(["prefix", "sysPrefix"]))
    .addOption(
      new Option("--prefix <dir>", "under <dir>/share/jupyter/kernels").conflicts(["user", "sysPrefix"]),
    )
    .addOption(
      new Option("--sys-prefix", "in the active virtual or conda environment").conflicts(["user", "prefix"]),
    )
    .option("--name <name>", "the kernel's id; versions live side by side under several names", "zoetrope");

withPlace(kernel.command("install"))
  .option("--display-name <text>", "what launchers show")
  .action((options: PlaceOptions & { readonly displayName?: string }) => {
    const { name, displayName } = options;
    const folder = installKernel({
      name,
      place: placeOf(options),
      ...(displayName !== undefined && { displayName }),
    });
    print(`Installed the kernel "${name}" in ${folder}`);
    const kernels = kernelsFolder(placeOf(options));
    if (!isSearched(kernels))
      print(`Jupyter does not look there by itself: set JUPYTER_PATH=${kernels.replace(/\/kernels$/, "")}`);
  });

withPlace(kernel.command("uninstall")).action((options: PlaceOptions) => {
  const place = placeOf(options);
  if (uninstallKernel({ name: options.name, place })) print(`Uninstalled the kernel "${options.name}"`);
  else
    throw new Error(
      `Cannot uninstall "${options.name}": no such kernel in ${kernelsFolder(place)}. See \`kernel list\`.`,
    );
});

kernel
  .command("list")
  .description("kernels of this package that Jupyter finds")
  .option("--all", "other programs' kernels too", false)
  .option("--json", "as JSON", false)
  .action(({ all, json }: { readonly all: boolean; readonly json: boolean }) => {
    const specs = listKernelSpecs();
    const ours = installedKernels(specs);
    const rows = specs.flatMap(({ name, displayName, folder }) => {
      const own = ours.find((candidate) => candidate.name === name);
      if (own === undefined && !all) return [];
      return [{ name, displayName, folder, ...(own && { version: own.version, works: own.works }) }];
    });
    if (json) print(JSON.stringify(rows, null, 2));
    else if (rows.length === 0) print("No kernel is installed. `kernel install` adds this one.");
    for (const row of json ? [] : rows) {
      const state = row.works === false ? "  (its program is gone: install again)" : "";
      print(`${row.name.padEnd(20)} ${row.displayName.padEnd(34)} ${row.folder}${state}`);
    }
  });

program
  .command("run")
  .description("execute a notebook without a front end; everything produced is kept, also on failure")
  .argument("<notebook>")
  .option(
    "-p, --parameter <name=value>",
    "set a parameter; repeatable",
    (value: string, all: string[]) => [...all, value],
    [],
  )
  .option("-o, --output <file>", "executed notebook (default: <notebook>.executed.ipynb)")
  .option("--in-place", "write the outputs into the notebook itself", false)
  .option("--timeout <seconds>", "for each cell; 0 = no limit", nonNegative, 0)
  .option("--kernel <name>", "an installed kernel other than this one")
  .option("--cwd <dir>", "working folder of the cells (default: the notebook's)")
  .option("--continue-after-errors", "run the cells after a failing one too", false)
  .option("--json", "one event per line on stdout", false)
  .option("-q, --quiet", "no progress", false)
  .action(async (notebook: string, options: RunCommandOptions) => {
    const { runCommand } = await import("./run-command.ts");
    process.exitCode = await runCommand(notebook, options);
  });

program
  .command("lab")
  .description("start JupyterLab on notebooks/ with this kernel; other options are passed on to it")
  .argument("[options...]")
  .allowUnknownOption()
  .passThroughOptions()
  .action(async (args: string[]) => {
    process.exitCode = await labCommand(args);
  });

program
  .command("python")
  .description("make the private Python environment that lab and the tests use")
  .action(async () => {
    const { environment, reason } = await pythonEnvironment({ onProgress: (sentence) => print(sentence) });
    print(environment === undefined ? reason : environment.folder);
    process.exitCode = environment === undefined ? 1 : 0;
  });

program
  .command("doctor")
  .description("what this machine has of what the kernel and its tests want")
  .option("--json", "as JSON", false)
  .option("--text", "as text (default)")
  .action(async (options: { readonly json: boolean }) => {
    process.exitCode = await doctorCommand(options);
  });

program
  .command("bench")
  .description("measure the kernel beside tslab, Deno and ipykernel")
  .option("--repeats <n>", "starts per kernel", nonNegative, 5)
  .option("--peers <names>", "comma-separated, or none", "tslab,deno,ipykernel")
  .option("--json", "rows as JSON", false)
  .action(async (options: BenchCommandOptions) => {
    const { benchCommand } = await import("./bench-command.ts");
    await benchCommand(options);
    process.exit();
  });

function placeOf({ prefix, sysPrefix }: PlaceOptions): Place {
  return prefix !== undefined ? { prefix } : sysPrefix ? "sys-prefix" : "user";
}

function nonNegative(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0 || text.trim() === "")
    throw new InvalidArgumentError("It must be a number >= 0.");
  return value;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
