/**
 * A kernel as a process: its private connection file, its life, its last words. The process leads its own group, so
 * that Ctrl-C in a terminal reaches the client alone and the client decides what to do with it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection } from "../protocol/connection.ts";
import { freePorts } from "./free-ports.ts";
import type { KernelSpec } from "./kernelspec.ts";

/** Raised for every request that was open when the kernel process ended. */
export class KernelDiedError extends Error {
  override readonly name = "KernelDiedError";
}

export interface KernelProcess {
  readonly connection: Connection;
  readonly pid: number;
  /** Resolves, never rejects, with a readable reason when the process has ended. */
  readonly ended: Promise<string>;
  readonly hasEnded: () => boolean;
  /** The last lines that the process itself (not the cells) wrote to stdout and stderr. */
  readonly log: () => string;
  /** Sends a signal to the process and all that it started. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Kills what is left and removes the connection file. */
  readonly dispose: () => void;
}

export interface StartOptions {
  /** Working folder of the kernel = where relative imports and paths in cells start. Default: the current one. */
  readonly cwd?: string;
  /** Added to the environment; the kernelspec's own `env` comes first. */
  readonly env?: { readonly [name: string]: string };
}

/** Starts the kernel's process; it is not ready for requests until its client says so. */
export async function startKernelProcess(
  spec: KernelSpec,
  { cwd = process.cwd(), env = {} }: StartOptions = {},
): Promise<KernelProcess> {
  const [shell, iopub, stdin, control, hb] = await freePorts(5);
  const connection: Connection = {
    transport: "tcp",
    ip: "127.0.0.1",
    shell_port: shell!,
    iopub_port: iopub!,
    stdin_port: stdin!,
    control_port: control!,
    hb_port: hb!,
    signature_scheme: "hmac-sha256",
    key: randomUUID(),
  };
  const folder = mkdtempSync(join(tmpdir(), "zoetrope-kernel-"));
  const file = join(folder, "connection.json");
  writeFileSync(file, JSON.stringify({ ...connection, kernel_name: spec.name }), { mode: 0o600 });

  const argv = spec.argv.map((part) =>
    part.replaceAll("{connection_file}", file).replaceAll("{resource_dir}", spec.folder ?? ""),
  );
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    // JPY_PARENT_PID lets a kernel end itself when the client was killed and could not say so.
    env: { ...process.env, ...spec.env, ...env, JPY_PARENT_PID: String(process.pid) },
  });
  return watched(child, spec, connection, folder);
}

function watched(
  child: ChildProcess,
  spec: KernelSpec,
  connection: Connection,
  folder: string,
): KernelProcess {
  const words: string[] = [];
  const listen = (chunk: Buffer) => {
    words.push(chunk.toString("utf8"));
    while (words.length > 100) words.shift();
  };
  child.stdout?.on("data", listen);
  child.stderr?.on("data", listen);
  const log = () => words.join("").split("\n").slice(-30).join("\n").trim();

  let hasEnded = false;
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => {
      hasEnded = true;
      resolve(`the kernel "${spec.name}" could not be started (${error.message})`);
    });
    // "close" comes after the last words were read, "exit" may come before.
    child.once("close", (code, signal) => {
      hasEnded = true;
      resolve(
        `the kernel "${spec.name}" ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`,
      );
    });
    child.once("exit", () => {
      hasEnded = true;
    });
  });
  const kill = (signal: NodeJS.Signals) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      if (!hasEnded) child.kill(signal);
    }
  };
  const dispose = () => {
    process.removeListener("exit", dispose);
    kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", dispose);
  return Object.freeze({
    connection,
    pid: child.pid ?? -1,
    ended,
    hasEnded: () => hasEnded,
    log,
    kill,
    dispose,
  });
}
