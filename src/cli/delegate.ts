/** Commands of the notebook kernel run as its own program: kernel and library share no code, only this process edge. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../tensor/package-root.ts";

export const kernelProgram: string = join(packageRoot, "dist", "kernel", "cli", "main.js");

/** Runs the kernel's program with the terminal attached; resolves to its exit status (130 when interrupted). */
export function delegate(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [kernelProgram, ...args], { stdio: "inherit", cwd: process.cwd() });
    // The terminal sends Ctrl-C to both; the child decides what an interrupt means and writes what it has.
    const ignore = (): void => {};
    process.on("SIGINT", ignore);
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      process.off("SIGINT", ignore);
      resolve(code ?? (signal === "SIGINT" ? 130 : 1));
    });
  });
}
