/**
 * The engine bench: DiT-ref (train step through the tf tape, forward, sampling), the products of its layers, and the
 * overhead of an op, on our engines and on PyTorch. Every engine is a process of its own; in each round all have a turn,
 * so that the ratios of one run hold on a busy machine too.
 */
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { addonPath, nativeEngine } from "../backend-native.ts";
import { packageRoot } from "../package-root.ts";
import { type Peer, peer } from "./peer.ts";
import { readable, rounds, type Timing, type Turn } from "./rounds.ts";
import { type TorchPeer, torchPeer, torchPythons } from "./torch-peer.ts";
import { chosenWorks, type Work } from "./works.ts";

export interface EngineBenchOptions {
  /** Print only the JSON value on standard output. */
  readonly json?: boolean;
  /** Fewer rounds, one set-up of PyTorch, no compiled PyTorch. */
  readonly quick?: boolean;
  /** Pythons with torch, separated like PATH; by default the first one found. */
  readonly python?: string;
  /** Only works whose names begin so, separated by commas: "train,sample 16". */
  readonly only?: string;
  /** No work begins after this; by default 270 (100 when quick). */
  readonly limitSeconds?: number;
}
export interface EngineBenchRow {
  readonly work: string;
  readonly engine: string;
  readonly medianMs: number;
  readonly bestMs: number;
}
export interface EngineBench {
  readonly machine: Record<string, string | number>;
  readonly rows: readonly EngineBenchRow[];
  /** "work engine/peer": our median over the peer's, in one run; below 1 we are faster. */
  readonly ratios: Record<string, number>;
}

interface OurEngine {
  readonly name: string;
  readonly peer: Peer;
}

const ourPeer = (backend: "native" | "wasm", threads: number, precision = "float32"): Peer =>
  peer({
    command: process.execPath,
    args: [join(packageRoot, "dist/src/tensor/bench/engine-peer.js"), backend, String(threads), precision],
  });

/** Our engines on this machine, and why others are not among them. */
function ourEngines(threads: number): { engines: OurEngine[]; isa: string; missing: string[] } {
  const engines: OurEngine[] = [];
  const missing: string[] = [];
  let isa = "none";
  try {
    const native = nativeEngine();
    isa = native.isa;
    engines.push({ name: "native", peer: ourPeer("native", threads) });
    if (threads > 1) engines.push({ name: "native-1t", peer: ourPeer("native", 1) });
    if (native.hasBf16 && isa === "avx512") {
      engines.push({ name: "native-bf16", peer: ourPeer("native", threads, "bf16") });
    } else missing.push("native-bf16: the CPU has no AVX512_BF16");
  } catch (error) {
    missing.push(`native: ${addonPath} does not load (${(error as Error).message.split("\n")[0]})`);
  }
  engines.push({ name: "wasm", peer: ourPeer("wasm", threads) });
  return { engines, isa, missing };
}

const turnOf = (engine: string, { measure }: Peer, kind: string, warmUpMs?: number): Turn => ({
  engine,
  run: ({ name, repeat }, limitMs) => measure(kind, name, { repeat, limitMs }),
  ...(warmUpMs !== undefined && { warmUpMs }),
});

/** Compiling comes first: a compiler that hangs takes its process along, which then starts again for the others. */
const torchKinds = (quick: boolean): readonly string[] => [
  ...(quick ? [] : ["compiled", "bf16-compiled"]),
  "fp32",
  "bf16",
  "bf16-products",
];

function torchTurns(peers: readonly TorchPeer[], quick: boolean): Turn[] {
  return peers.flatMap((torch) => {
    const label = peers.length > 1 ? ` ${torch.version}` : "";
    return torchKinds(quick).map((kind) =>
      turnOf(`torch-${kind}${label}`, torch, kind, kind.endsWith("compiled") ? 60_000 : undefined),
    );
  });
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((p, q) => p - q);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/** The yardsticks: PyTorch's best with float32 products, and its best with bf16 in any form; any version of torch. */
const YARDSTICKS: readonly (readonly [string, RegExp])[] = [
  ["torch-fp32", /^torch-(fp32|compiled)/],
  ["torch-bf16", /^torch-bf16/],
];

/** Our median over the peer's best median, for every work that both did. */
export function ratiosOf(rows: readonly EngineBenchRow[]): Record<string, number> {
  const ratios: Record<string, number> = {};
  const put = (key: string, ours: number, theirs: number): void => {
    if (Number.isFinite(theirs)) ratios[key] = Number((ours / theirs).toFixed(3));
  };
  for (const { work, engine, medianMs } of rows) {
    if (engine.startsWith("torch")) continue;
    const same = rows.filter((row) => row.work === work);
    for (const [name, pattern] of YARDSTICKS) {
      const times = same.filter((row) => pattern.test(row.engine)).map((row) => row.medianMs);
      put(`${work} ${engine}/${name}`, medianMs, Math.min(...times));
    }
  }
  // How close the train step is to its floor, the products that it cannot do without.
  for (const { engine, medianMs } of rows.filter(
    (row) => row.work === "train" && !row.engine.startsWith("torch"),
  )) {
    const floor = rows.find((row) => row.work === "train products" && row.engine === engine);
    if (floor) put(`train ${engine}/its products`, medianMs, floor.medianMs);
  }
  return ratios;
}

/** The table, with a line for everything that could not be measured. */
export function engineTable({ machine, rows, ratios }: EngineBench): string {
  const pad = (cells: readonly string[]): string =>
    `${cells[0]!.padEnd(22)}${cells[1]!.padEnd(28)}${cells
      .slice(2)
      .map((cell) => cell.padStart(12))
      .join("")}`;
  return [
    ...Object.entries(machine).map(([key, value]) => `${key}: ${value}`),
    "",
    pad(["work", "engine", "median", "best"]),
    ...rows.map((row) => pad([row.work, row.engine, readable(row.medianMs), readable(row.bestMs)])),
    "",
    "ours / PyTorch's best with float32 products (torch-fp32) or with bf16 (torch-bf16); below 1 we are faster",
    ...Object.entries(ratios).map(([name, ratio]) => `${name.padEnd(50)}${ratio.toFixed(2).padStart(6)}`),
  ].join("\n");
}

/** Reasons of pairs of engine and work that are left out on purpose (see `peer_torch.py`). */
const NOT_MEANT = /^(measured eagerly|measured by autocast|not measured|this torch has no torch.compile)$/;

/** One sentence for each reason why something has no row. */
function unmeasured(timings: readonly Timing[]): string[] {
  const byReason = new Map<string, Map<string, string[]>>();
  for (const timing of timings) {
    if (timing.why === undefined || NOT_MEANT.test(timing.why)) continue;
    const engines = byReason.get(timing.why) ?? new Map<string, string[]>();
    engines.set(timing.engine, [...(engines.get(timing.engine) ?? []), timing.work]);
    byReason.set(timing.why, engines);
  }
  return [...byReason].map(
    ([why, engines]) =>
      `${[...engines].map(([engine, works]) => `${engine} (${works.join(", ")})`).join(", ")}: ${why}`,
  );
}

const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

/** Peak memory of a process that makes 100 GB of tensors in a loop. */
async function loopMemory(skipped: boolean, log: (line: string) => void): Promise<Record<string, string>> {
  if (skipped) return {};
  // A process of its own: what training held is not the loop's.
  const fresh = ourPeer("native", 1);
  try {
    const [ms] = await fresh.measure("time", "loop 100 GB", { limitMs: 60_000 });
    const [peak] = await fresh.measure("peak bytes", "loop 100 GB");
    log(`loop over 100 GB of tensors: peak ${mib(peak!)}`);
    return { loop100GBPeak: mib(peak!), loop100GB: readable(ms!) };
  } catch (error) {
    return { loop100GBPeak: `not measured: ${(error as Error).message}` };
  } finally {
    fresh.close();
  }
}

const shorter = (work: Work): Work => ({
  ...work,
  rounds: Math.min(work.rounds, 2),
  seconds: work.seconds / 3,
});

/**
 * Measures, prints the table (or the JSON alone) and returns the value; progress goes to standard error. A peer that is
 * missing, slow or broken is left out with its reason.
 */
export async function benchEngine({
  json = false,
  quick = false,
  python,
  only,
  limitSeconds = quick ? 100 : 270,
}: EngineBenchOptions = {}): Promise<EngineBench> {
  const works = chosenWorks(only);
  const start = performance.now();
  let deadline = start + limitSeconds * 1000;
  const log = (line: string): void =>
    void process.stderr.write(`${((performance.now() - start) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
  const cores = availableParallelism();
  const { engines, isa, missing } = ourEngines(cores);
  const torches: TorchPeer[] = [];
  const closeAll = (): void => {
    for (const { peer: running } of engines) running.close();
    for (const torch of torches) torch.close();
  };
  // A run that is stopped prints what it has.
  const stop = (): void => {
    deadline = 0;
    closeAll();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    const pythons = torchPythons(python);
    missing.push(...pythons.missing.map((reason) => `torch: ${reason}`));
    for (const path of pythons.found) {
      try {
        torches.push(await torchPeer(path, { quick, threads: cores, log, limitSeconds: limitSeconds / 6 }));
      } catch (error) {
        missing.push(`torch of ${path}: ${(error as Error).message}`);
      }
    }
    const turns = [
      ...engines.map((ours) => turnOf(ours.name, ours.peer, "time")),
      ...torchTurns(torches, quick),
    ];
    const timings: Timing[] = [];
    const peaks: Record<string, string | number> = {};
    for (const work of quick ? works.map(shorter) : works) {
      // Compiling takes a minute or more; on a slow machine the other engines come first.
      const late = performance.now() > start + limitSeconds * 400;
      const now = late ? turns.filter((turn) => turn.warmUpMs === undefined) : turns;
      const done = await rounds(work, now, { log, deadline: () => deadline });
      timings.push(...done);
      log(
        `${work.name}: ${done.flatMap((t) => ("times" in t ? [`${t.engine} ${readable(median(t.times))}`] : [])).join(", ")}`,
      );
      // Nothing but training has run in these processes yet.
      if (work.name === "train") {
        for (const ours of engines) {
          const [bytes] = await ours.peer.measure("peak bytes", "train").catch(() => []);
          if (bytes !== undefined) peaks[`trainPeak ${ours.name}`] = mib(bytes);
        }
      }
    }
    for (const torch of torches) peaks[`trainPeak torch-fp32 ${torch.version}`] = mib(torch.trainPeakBytes);
    const native = engines.find((ours) => ours.name === "native");
    Object.assign(
      peaks,
      await loopMemory(native === undefined || quick || only !== undefined || deadline === 0, log),
    );
    const rows = timings.flatMap((timing): EngineBenchRow[] =>
      "times" in timing && timing.times.length > 0
        ? [
            {
              work: timing.work,
              engine: timing.engine,
              medianMs: median(timing.times),
              bestMs: Math.min(...timing.times),
            },
          ]
        : [],
    );
    missing.push(...unmeasured(timings));
    const result: EngineBench = {
      machine: {
        cpu: cpus()[0]?.model ?? "unknown",
        cores,
        node: process.version,
        isa,
        ...Object.fromEntries(torches.map((torch) => [`torch ${torch.version}`, torch.setup])),
        ...peaks,
        ...(missing.length > 0 && { missing: missing.join("; ") }),
        seconds: Math.round((performance.now() - start) / 1000),
      },
      rows,
      ratios: ratiosOf(rows),
    };
    console.log(json ? JSON.stringify(result) : engineTable(result));
    return result;
  } finally {
    closeAll();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  }
}
