/**
 * PyTorch as a peer of the engine bench, at its best: every set-up below that this machine allows is tried on a few train
 * steps, and the fastest is used.
 *
 * What makes the difference: Debian's torch runs on whichever BLAS is preferred, by default one that fights with torch's
 * own OpenMP threads over the cores (2 to 5 times slower); an environment made for another CPU (OPENBLAS_CORETYPE) halves
 * it again; jemalloc that keeps its pages removes page faults.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import { packageRoot } from "../package-root.ts";
import { type Hello, type Peer, peer } from "./peer.ts";

export interface TorchPeer extends Peer {
  readonly version: string;
  readonly python: string;
  /** The set-up that won, and the best train step of each that was tried: "openmp blas, jemalloc 380 ms; plain 1100 ms". */
  readonly setup: string;
  /** Peak memory of the process that had only trained, bytes. */
  readonly trainPeakBytes: number;
}

interface Setup {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
}

const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
const library = (name: string): string | undefined =>
  LIBRARIES.map((folder) => join(folder, name)).find(existsSync);

/** The name OpenBLAS has for this CPU's widest kernels: it recognises AVX-512 on Intel alone. */
function openBlasCore(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const flags = readFileSync("/proc/cpuinfo", "utf8").match(/^flags\s*:(.*)$/m)?.[1] ?? "";
  if (/\bavx512_bf16\b/.test(flags)) return "Cooperlake";
  return /\bavx512dq\b/.test(flags) ? "SkylakeX" : undefined;
}

/** Best guess first. */
function setupsFor({ blas }: Hello, threads: number): Setup[] {
  const { OPENBLAS_CORETYPE: _core, OPENBLAS_L2_SIZE: _l2, ...rest } = process.env;
  const base = { ...rest, THREADS: String(threads), OMP_NUM_THREADS: String(threads) };
  const setup = (name: string, preload: (string | undefined)[], env: NodeJS.ProcessEnv = {}): Setup => ({
    name,
    env: { ...base, ...(preload.length > 0 && { LD_PRELOAD: preload.join(" ") }), ...env },
  });
  const found: Setup[] = [];
  const jemalloc = library("libjemalloc.so.2");
  const pages = { MALLOC_CONF: "dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,thp:always" };
  const openMp = blas === "mkl" ? undefined : library("openblas-openmp/libopenblas.so.0");
  const core = openBlasCore();
  if (openMp && jemalloc) {
    if (core) {
      const env = { ...pages, OPENBLAS_CORETYPE: core };
      found.push(setup(`OpenMP OpenBLAS as ${core}, jemalloc`, [openMp, jemalloc], env));
    }
    found.push(setup("OpenMP OpenBLAS, jemalloc", [openMp, jemalloc], pages));
  } else if (jemalloc) found.push(setup("jemalloc", [jemalloc], pages));
  found.push(setup("as installed", []));
  return found;
}

/** Pythons that have torch: those asked for (a list as in PATH), else the first on PATH, else the system's. */
export function torchPythons(asked?: string): { found: string[]; missing: string[] } {
  const onPath = (process.env["PATH"] ?? "")
    .split(delimiter)
    .flatMap((folder) => [join(folder, "python3"), join(folder, "python")]);
  const candidates =
    asked?.split(delimiter) ?? [...new Set([...onPath, "/usr/bin/python3"])].filter(existsSync);
  const has = (python: string): boolean => {
    const script = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)";
    return spawnSync(python, ["-c", script], { stdio: "ignore", timeout: 15_000 }).status === 0;
  };
  if (asked === undefined) {
    const first = candidates.find(has);
    return first === undefined
      ? { found: [], missing: ["no Python with torch"] }
      : { found: [first], missing: [] };
  }
  const found = candidates.filter(has);
  const missing = candidates
    .filter((python) => !found.includes(python))
    .map((python) => `${python} has no torch`);
  return { found, missing };
}

/**
 * Tries the set-ups (`quick`: the first that works), for about `limitSeconds`, and gives the fastest.
 * @throws Error when this torch does not train with any
 */
export async function torchPeer(
  python: string,
  { quick = false, threads = availableParallelism(), log = (_: string): void => {}, limitSeconds = 60 } = {},
): Promise<TorchPeer> {
  const end = performance.now() + limitSeconds * 1000;
  const script = join(packageRoot, "src/tensor/bench/peer_torch.py");
  const command = (env: NodeJS.ProcessEnv) => ({ command: python, args: [script], env });
  const first = peer(command({ ...process.env, THREADS: String(threads) }));
  const hello = await first.hello().finally(first.close);
  let best: { setup: Setup; ms: number; peak: number } | undefined;
  const tried: string[] = [];
  for (const setup of setupsFor(hello, threads)) {
    if (best !== undefined && (quick || performance.now() > end)) break;
    const trial = peer(command(setup.env));
    try {
      const times: number[] = [];
      for (let i = 0; i < 4; i++) times.push(...(await trial.measure("fp32", "train")));
      const [peak] = await trial.measure("peak bytes", "train");
      const ms = Math.min(...times.slice(1));
      tried.push(`${setup.name} ${ms.toFixed(0)} ms`);
      if (best === undefined || ms < best.ms) best = { setup, ms, peak: peak! };
    } catch (error) {
      tried.push(`${setup.name}: ${(error as Error).message}`);
    } finally {
      trial.close();
    }
    log(`torch ${hello["torch"]}, ${tried.at(-1)}`);
  }
  if (best === undefined) throw new Error(`torch does not train: ${tried.join("; ")}`);
  return Object.freeze({
    ...peer(command(best.setup.env)),
    version: String(hello["torch"]),
    python,
    setup: `${best.setup.name} (train steps tried: ${tried.join("; ")})`,
    trainPeakBytes: best.peak,
  });
}
