/**
 * Search on several processes of this machine: each holds the model and a share of the candidates, and its own thread
 * pool. Processes and not worker threads, because the native kernels have one pool a process.
 *
 * @example
 * const space = await workerFleet({ workers: 4, options: { model: "mini-teacher-forcing", prompt, chunks: 8, steps: 8 } });
 * try { await search(space, strategy, { verifier }); } finally { space.close(); }
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../tensor/package-root.ts";
import { fleet } from "../fleet.ts";
import type { Answer, Channel, Request } from "./protocol.ts";
import { type RemoteSpace, remoteSpace } from "./remote-space.ts";

export interface WorkerFleetOptions {
  readonly workers: number;
  /** Threads of each; default: the machine's cores shared out, at least one. */
  readonly threads?: number;
  /** A built module whose `searchSpace(options)` makes the space; default: one of a shipped model. */
  readonly module?: string;
  /** What it is called with; plain data. Of the default module: `PretrainedSpaceOptions`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** What a worker is told when it starts. */
export interface WorkerOrders {
  readonly name: string;
  readonly module: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly threads: number;
}

let started = 0;

/** @throws RangeError for fewer than one worker; Error when a worker cannot make its space */
export async function workerFleet(options: WorkerFleetOptions): Promise<RemoteSpace> {
  const { workers, module = built("pretrained-space.js"), options: wanted } = options;
  if (!(Number.isInteger(workers) && workers >= 1)) {
    throw new RangeError(
      `Cannot search on ${workers} workers: the number must be a positive integer. Use at most as many as there are cores.`,
    );
  }
  const threads = options.threads ?? Math.max(1, Math.floor(availableParallelism() / workers));
  const channels = Array.from({ length: workers }, () =>
    startWorker({ name: `worker${started++}`, module, options: wanted, threads }),
  );
  try {
    const spaces = await Promise.all(channels.map(remoteSpace));
    const close = () => {
      for (const space of spaces) space.close();
    };
    // Its getters stay getters.
    const members = Object.getOwnPropertyDescriptors(fleet(spaces));
    return Object.freeze(Object.defineProperties({}, { ...members, close: { value: close } }) as RemoteSpace);
  } catch (error) {
    for (const channel of channels) channel.close();
    throw error;
  }
}

function built(file: string): string {
  const path = join(packageRoot, "dist", "src", "search", "remote", file);
  if (!existsSync(path))
    throw new Error(`Cannot start a worker as ${path} is not built. Run \`npm run build\` first.`);
  return path;
}

function startWorker(orders: WorkerOrders): Channel<Request, Answer> {
  const child: ChildProcess = fork(built("worker.js"), [JSON.stringify(orders)], {
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2_000);
  });
  // A worker keeps a program alive only while something is asked of it; at first, that it gets ready.
  child.unref();
  (child.stderr as unknown as { unref?: () => void } | null)?.unref?.();
  const open = new Set<number | "start">(["start"]);
  return {
    send(message) {
      if (!child.connected) return;
      if ("id" in message && message.call !== "abort") {
        open.add(message.id);
        child.channel?.ref();
      }
      child.send(message);
    },
    onMessage: (listener) =>
      child.on("message", (message: Answer) => {
        open.delete("id" in message ? message.id : "start");
        if (open.size === 0) child.channel?.unref();
        listener(message);
      }),
    onClose: (listener) =>
      child.on("close", (code, signal) => {
        const last = said.trim().split("\n").at(-1);
        listener(`${signal ? `signal ${signal}` : `exit code ${code}`}${last ? ` (${last})` : ""}`);
      }),
    close: () => {
      child.kill();
    },
  };
}
