/**
 * `zoetrope doctor`: what this machine has of what Zoetrope can use. Each tensor backend is tried in a process of its
 * own, since a broken driver may abort it.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { DeviceName } from "../tensor/device.ts";
import { kernelProgram } from "./delegate.ts";

const run = promisify(execFile);

export interface Finding {
  readonly name: string;
  /** "missing": nothing works without it; "absent": optional. */
  readonly status: "ok" | "absent" | "missing";
  readonly detail: string;
}

const backends: readonly DeviceName[] = ["native", "wasm", "webgpu", "tensorflow", "cpu"];

/** The program below, in a child: tries one backend and prints its line. */
async function probe(name: DeviceName): Promise<Finding> {
  const script = fileURLToPath(new URL("./probe.js", import.meta.url));
  try {
    const { stdout } = await run(process.execPath, [script, name], { timeout: 60_000 });
    return { name: `device ${name}`, status: "ok", detail: stdout.trim() };
  } catch (error) {
    const { stderr = "", message } = error as { stderr?: string; message: string };
    const reason = stderr.trim().split("\n").at(-1) || message;
    return { name: `device ${name}`, status: "absent", detail: reason };
  }
}

async function kernelFindings(): Promise<Finding[]> {
  try {
    const { stdout } = await run(process.execPath, [kernelProgram, "doctor", "--json"], { timeout: 60_000 });
    return JSON.parse(stdout) as Finding[];
  } catch (error) {
    const { stdout } = error as { stdout?: string };
    if (stdout?.startsWith("[")) return JSON.parse(stdout) as Finding[];
    return [{ name: "kernel", status: "missing", detail: "its program does not start: run `npm run build`" }];
  }
}

/** Exit status: 1 only when nothing is usable (no tensor backend, or something the kernel cannot do without). */
export async function doctor({ json }: { readonly json: boolean }): Promise<number> {
  const [kernel, ...devices] = await Promise.all([kernelFindings(), ...backends.map(probe)]);
  const usable = devices.some(({ status }) => status === "ok");
  const findings = [...kernel, ...devices];
  if (json) process.stdout.write(`${JSON.stringify(findings, null, 2)}\n`);
  else {
    const width = Math.max(...findings.map(({ name }) => name.length));
    const mark = { ok: "ok", absent: "-", missing: "MISSING" };
    for (const { name, status, detail } of findings)
      process.stdout.write(`  ${mark[status].padEnd(8)}${name.padEnd(width + 2)}${detail}\n`);
  }
  return usable && !kernel.some(({ status }) => status === "missing") ? 0 : 1;
}
