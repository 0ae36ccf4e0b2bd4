#!/usr/bin/env node
/** The program `zoetrope`: one command line over the kernel (its own process) and the library. */
import { Command } from "commander";
import { type BenchOptions, bench, benchParts } from "./bench.ts";
import { claims } from "./claims.ts";
import { delegate } from "./delegate.ts";
import { doctor } from "./doctor.ts";
import { runNotebooks } from "./notebooks.ts";
import { start } from "./start.ts";
import { scoreFile } from "./vbench.ts";
import { type VerifyOptions, verify } from "./verify.ts";

const program = new Command("zoetrope")
  .description("TypeScript notebook kernel and experiment workbench for autoregressive video diffusion")
  .showHelpAfterError()
  .enablePositionalOptions();

/** Commands that belong to the kernel's program are passed on as typed. */
const passOn = (name: string, description: string): void => {
  program
    .command(name)
    .description(description)
    .argument("[args...]")
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .action(async (args: string[]) => {
      process.exitCode = await delegate([name, ...args]);
    });
};

passOn("kernel", "install, uninstall or list the Jupyter kernelspec");
passOn("run", "execute a notebook headless through the kernel");
passOn("lab", "start JupyterLab on notebooks/ with the kernel selected");

program
  .command("start")
  .description("run the quickstart notebook and write its report")
  .option("--fast", "smaller budgets: a smoke run", false)
  .action(async (options: { fast: boolean }) => {
    process.exitCode = await start(options);
  });

program
  .command("notebooks")
  .description("run notebooks in full and in place, and write their figures (default: all)")
  .argument("[name...]", "by number or file name")
  .action(async (names: string[]) => {
    process.exitCode = await runNotebooks(names);
  });

program
  .command("bench")
  .description(`measure: ${benchParts.join(", ")} (default: all)`)
  .argument("[part...]")
  .option(
    "--json",
    "only the value, on standard output (npm prints two lines of its own unless asked: `npm run -s bench -- --json`)",
    false,
  )
  .option("--quick", "fewer rounds (engine)", false)
  .option("--only <works>", "only works that begin so, separated by commas: train,sample 16 (engine)")
  .option("--python <path>", "a Python with torch, for the engine's peer; several separated like PATH")
  .action(async (names: string[], options: BenchOptions) => {
    await bench(names, options);
    process.exit();
  });

program
  .command("doctor")
  .description("what this machine has: Node, compiler, tensor backends, JupyterLab, ffmpeg, GPU")
  .option("--json", "as JSON", false)
  .action(async (options: { json: boolean }) => {
    process.exitCode = await doctor(options);
  });

program
  .command("claims")
  .description("list every claim in the run store with its verdict")
  .option("--run <id>", "of one run only")
  .option("--json", "as JSON", false)
  .action((options: { json: boolean; run?: string }) => {
    process.exitCode = claims(options);
  });

program
  .command("verify")
  .description("re-run a report from what it carries at its commit, and grade every figure and claim")
  .argument("<report>", "an HTML report of ours")
  .option("--no-execute", "only check whether the file was edited or moved")
  .option("--here", "run the present tree where it is not the code that the report was made with", false)
  .option("--timeout <seconds>", "for each cell; 0 = no limit", "0")
  .option("--json", "as JSON", false)
  .action(async (path: string, options: VerifyOptions) => {
    process.exitCode = await verify(path, options);
  });

program
  .command("vbench")
  .description("VBench result files")
  .command("score")
  .argument("<file>", "an official _eval_results.json, or a CSV with one model a row")
  .description("quality, semantic and total in percent, with the linter's findings, as a JSON array")
  .action(scoreFile);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`zoetrope: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
