/**
 * The engine bench: DiT-ref (train step through the tf tape, forward, sampling), the products of its layers, and the
 * overhead of an op, on our engines and on PyTorch. All engines take turns in every round, so that the ratios of one run
 * hold on a busy machine too.
 */
import { availableParallelism, cpus } from "node:os";
import type { EngineBackend } from "../backend.ts";
import type { NativeEngine } from "../backend-native.ts";
import { type Precision, setThreads, useDevice } from "../device.ts";
import { type Tensor, tf } from "../tf.ts";
import { type DitRef, ditRef } from "./dit-ref.ts";
import { type TorchPeer, torchPeer } from "./torch-peer.ts";

export interface EngineBenchOptions {
  /** Print only the JSON value. */
  readonly json?: boolean;
  /** A Python with torch; by default the first one found. */
  readonly python?: string;
  /** Rounds in which every engine has its turn; the first is a warm-up. Default 5. */
  readonly rounds?: number;
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
  /** "work engine/peer": our time over the peer's, medians of one run; below 1 we are faster. */
  readonly ratios: Record<string, number>;
}

const BATCH = 16;
/** m, n, k of x [m, k] times W^T of torch layout [n, k]: the products of DiT-ref's layers. */
const PRODUCTS: readonly [number, number, number][] = [
  [4096, 192, 192],
  [4096, 768, 192],
  [4096, 192, 768],
  [16, 768, 192],
];

interface Turn {
  readonly engine: string;
  readonly work: string;
  /** Runs once, or several times where one is too short to time, and gives milliseconds of one. */
  run(): Promise<number[]>;
}

const clock = (repetitions: number, f: () => void): number[] => {
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) f();
  return [(performance.now() - start) / repetitions];
};

async function ourTurns(
  engine: string,
  backend: "native" | "wasm",
  threads: number,
  precision: Precision = "float32",
): Promise<Turn[]> {
  await useDevice(backend);
  const model: DitRef = ditRef();
  const x = tf.keep(tf.zeros([BATCH, 256, 16]));
  const t = tf.keep(tf.fill([BATCH, 16], 0.5));
  const a = tf.keep(tf.ones([64, 64]));
  const products = PRODUCTS.map(
    ([m, n, k]) => [tf.keep(tf.ones([m, k])), tf.keep(tf.ones([n, k]))] as [Tensor, Tensor],
  );
  const turn = (work: string, repetitions: number, f: () => void): Turn => ({
    engine,
    work,
    async run() {
      await useDevice(backend, { precision });
      setThreads(threads);
      return clock(repetitions, f);
    },
  });
  return [
    turn("train", 1, () => model.trainStep(BATCH)),
    turn("forward", 1, () => {
      tf.tidy(() => {
        model.forward(x, t);
      });
    }),
    turn("sample1", 1, () => model.sample(1)),
    ...(threads > 1 || backend === "native" ? [turn("sample16", 1, () => model.sample(BATCH))] : []),
    ...PRODUCTS.map(([m, n, k], i) =>
      turn(`gemm ${m} ${n} ${k}`, m > 100 ? 10 : 200, () => {
        const [left, right] = products[i]!;
        tf.matMul(left as tf.Tensor2D, right as tf.Tensor2D, false, true).dispose();
      }),
    ),
    turn("add 64x64", 2000, () => {
      tf.add(a, a).dispose();
    }),
  ];
}

function peerTurns(peer: TorchPeer): Turn[] {
  const turn = (engine: string, work: string, asked = work, repetitions = 1): Turn => ({
    engine,
    work,
    run: () => peer.measure(asked, repetitions),
  });
  return [
    turn("torch-fp32", "train"),
    turn("torch-compiled", "train", "compiled"),
    turn("torch-bf16", "train", "bf16"),
    turn("torch-fp32", "forward"),
    turn("torch-fp32", "sample1"),
    turn("torch-fp32", "sample16"),
    ...PRODUCTS.map(([m, n, k]) => turn("torch-fp32", `gemm ${m} ${n} ${k}`, undefined, m > 100 ? 10 : 200)),
  ];
}

const median = (values: number[]): number => values.toSorted((p, q) => p - q)[values.length >> 1]!;

function ratiosOf(rows: readonly EngineBenchRow[]): Record<string, number> {
  const ratios: Record<string, number> = {};
  const time = (work: string, engine: string) =>
    rows.find((r) => r.work === work && r.engine === engine)?.medianMs;
  for (const { work, engine, medianMs } of rows) {
    if (engine.startsWith("torch")) continue;
    for (const peer of ["torch-fp32", "torch-bf16"]) {
      // The yardstick of fp32 is the better of eager and compiled.
      const times = [time(work, peer), ...(peer === "torch-fp32" ? [time(work, "torch-compiled")] : [])];
      const best = Math.min(...times.filter((ms) => ms !== undefined));
      if (Number.isFinite(best)) ratios[`${work} ${engine}/${peer}`] = Number((medianMs / best).toFixed(3));
    }
  }
  return ratios;
}

function table({ machine, rows, ratios }: EngineBench): string {
  const lines = [
    Object.entries(machine)
      .map(([key, value]) => `${key} ${value}`)
      .join(", "),
    "",
  ];
  const pad = (cells: string[]) =>
    `${cells[0]!.padEnd(20)}${cells[1]!.padEnd(16)}${cells
      .slice(2)
      .map((c) => c.padStart(12))
      .join("")}`;
  lines.push(pad(["work", "engine", "median ms", "best ms"]));
  const digits = (ms: number) => (ms < 1 ? ms.toFixed(4) : ms.toFixed(1));
  for (const row of rows) lines.push(pad([row.work, row.engine, digits(row.medianMs), digits(row.bestMs)]));
  if (Object.keys(ratios).length > 0) lines.push("", "ours / PyTorch (below 1: faster)");
  for (const [name, ratio] of Object.entries(ratios))
    lines.push(`${name.padEnd(48)}${ratio.toFixed(2).padStart(6)}`);
  return lines.join("\n");
}

/** Measures, prints the table (or the JSON alone) and returns the value. */
export async function benchEngine({
  json = false,
  python,
  rounds = 5,
}: EngineBenchOptions = {}): Promise<EngineBench> {
  const cores = availableParallelism();
  const peer = await torchPeer(python === undefined ? {} : { python });
  try {
    const native = await useDevice("native").then(
      () => true,
      () => false,
    );
    const turns: Turn[] = [];
    let isa = "none";
    if (native) {
      const engine = (tf.backend() as EngineBackend).engine as NativeEngine;
      isa = engine.isa;
      turns.push(...(await ourTurns("native", "native", cores)));
      if (engine.hasBf16 && isa === "avx512")
        turns.push(...(await ourTurns("native-bf16", "native", cores, "bf16")));
      if (cores > 1) turns.push(...(await ourTurns("native-1t", "native", 1)));
    }
    turns.push(...(await ourTurns("wasm", "wasm", cores)));
    if (peer) turns.push(...peerTurns(peer));
    // One work after the other, and in it all engines in turn.
    const works = [...new Set(turns.map((turn) => turn.work))];
    const times = new Map<Turn, number[]>(turns.map((turn) => [turn, []]));
    let peakRss = 0;
    for (const work of works) {
      for (let round = 0; round <= rounds; round++) {
        for (const turn of turns.filter((candidate) => candidate.work === work)) {
          const measured = await turn.run();
          if (round > 0) times.get(turn)!.push(...measured);
          if (work === "train" && turn.engine === "native")
            peakRss = Math.max(peakRss, process.memoryUsage.rss());
        }
      }
    }
    const rows = turns.flatMap((turn): EngineBenchRow[] => {
      const all = times.get(turn)!;
      if (all.length === 0) return [];
      return [{ work: turn.work, engine: turn.engine, medianMs: median(all), bestMs: Math.min(...all) }];
    });
    const result: EngineBench = {
      machine: {
        cpu: cpus()[0]?.model ?? "unknown",
        cores,
        node: process.version,
        isa,
        torch: peer?.version ?? "not found",
        trainPeakRssBytes: peakRss,
      },
      rows,
      ratios: ratiosOf(rows),
    };
    console.log(json ? JSON.stringify(result) : table(result));
    return result;
  } finally {
    peer?.close();
  }
}
