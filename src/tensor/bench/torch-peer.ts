/**
 * The PyTorch peer of the engine bench: a Python process that is told one work at a time, so that our rounds and its
 * rounds alternate and both meet the same machine.
 *
 * Debian's torch starts with one thread and a BLAS for AVX2; the environment below is the fastest set-up found for it
 * (OpenMP OpenBLAS, AVX-512 kernels, jemalloc that keeps pages), and harmless for other builds.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { packageRoot } from "../package-root.ts";

export interface TorchPeer {
  readonly version: string;
  readonly python: string;
  /** Milliseconds of each repetition; empty where this torch lacks the work. */
  measure(work: string, repetitions: number): Promise<number[]>;
  close(): void;
}

function peerEnvironment(threads: number): NodeJS.ProcessEnv {
  const folder = "/usr/lib/x86_64-linux-gnu";
  const preload = [`${folder}/openblas-openmp/libopenblas.so.0`, `${folder}/libjemalloc.so.2`].filter(
    existsSync,
  );
  return {
    ...process.env,
    ...(preload.length > 0 && { LD_PRELOAD: preload.join(" ") }),
    ...(process.arch === "x64" && { OPENBLAS_CORETYPE: "Cooperlake", ATEN_CPU_CAPABILITY: "avx512" }),
    MALLOC_CONF: "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,thp:always",
    OMP_NUM_THREADS: String(threads),
    THREADS: String(threads),
  };
}

/** The first Python that imports torch: the one asked for, then those on PATH, then the system's. */
export function findTorchPython(asked?: string): string | undefined {
  const onPath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((folder) => [join(folder, "python3"), join(folder, "python")]);
  const candidates = asked ? [asked] : [...onPath.filter(existsSync), "/usr/bin/python3"];
  return candidates.find(
    (python) => spawnSync(python, ["-c", "import torch"], { stdio: "ignore", timeout: 60_000 }).status === 0,
  );
}

/** Starts the peer; undefined when no Python with torch is found. */
export async function torchPeer({
  python,
  threads = availableParallelism(),
}: {
  python?: string;
  threads?: number;
} = {}): Promise<TorchPeer | undefined> {
  const found = findTorchPython(python);
  if (found === undefined) {
    if (python === undefined) return undefined;
    throw new Error(
      `Cannot measure PyTorch as ${python} must import torch: it does not. Pass --python with one that does.`,
    );
  }
  const child: ChildProcessWithoutNullStreams = spawn(
    found,
    [join(packageRoot, "src/tensor/bench/peer_torch.py")],
    {
      env: peerEnvironment(threads),
    },
  );
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let complaint = "";
  child.stderr.on("data", (chunk) => {
    complaint = `${complaint}${chunk}`.slice(-2000);
  });
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done)
      throw new Error(`Cannot measure PyTorch as the peer ended: ${complaint.trim() || "no message"}.`);
    return JSON.parse(value);
  };
  const hello = (await next()) as { torch: string };
  return Object.freeze({
    version: hello.torch,
    python: found,
    async measure(work: string, repetitions: number) {
      const [name, ...rest] = work.split(" ");
      child.stdin.write(`${[name, repetitions, ...rest].join(" ")}\n`);
      return (await next()) as number[];
    },
    close() {
      child.stdin.end();
      child.kill();
    },
  });
}
