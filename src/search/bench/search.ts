/**
 * What search costs beside the network, in one run: where the wall time goes, candidates per second against batch
 * size, memory of a live branch. CausalWan.mini with fresh weights (time does not depend on them), the world's codec.
 *
 * "bookkeeping" is all that plain sampling of the same candidates would not do: copies of KV caches for branches and
 * regrouped batches, events, records, transfers, waiting for the event loop. What plain sampling does as well is shown
 * apart (network, the solver's arithmetic, noise, decoding), and so is the verifier, which here costs next to nothing.
 */
import type { Denoiser, History } from "../../diffusion/denoiser.ts";
import { type Solver, type SolverStep, sdeDpmSolver } from "../../diffusion/solvers.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { device, useDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tf.ts";
import type { Verifier } from "../../verify/verifier.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { evoSearch } from "../evo-search.ts";
import { searchSpace } from "../latent-space.ts";
import { linearSearch } from "../linear-search.ts";
import { particleSampling } from "../particle-sampling.ts";
import { search } from "../search.ts";
import type { SearchStrategy } from "../strategy.ts";
import { treeOfFrames } from "../tree-of-frames.ts";
import { type Stopwatch, stopwatch } from "./stopwatch.ts";

export interface SearchBenchRow {
  readonly work: string;
  readonly value: number;
  readonly unit: string;
}

export interface SearchBench {
  readonly machine: string;
  readonly rows: readonly SearchBenchRow[];
  readonly ratios: Readonly<Record<string, number>>;
}

const prompt = "a red ball bounces on the floor";
const batchSizes = [1, 2, 4, 8, 16] as const;

/** About a minute on two cores. */
export async function bench({ repeats = 3 }: { readonly repeats?: number } = {}): Promise<SearchBench> {
  await useDevice("auto");
  const codec = worldCodec();
  const model = CausalWan.mini({ codec, seed: 0 });
  const space = (batchSize: number, watch = stopwatch()) =>
    searchSpace(watched(model, watch), {
      prompt,
      chunks: 6,
      steps: 8,
      solver: watchedSolver(watch),
      codec: { decode: (latents: Tensor) => watch.time("decode", () => codec.decode(latents)) },
      batchSize,
    });
  const verifierOf = (watch: Stopwatch): Verifier => ({
    name: "first pixel",
    score: (inputs) =>
      watch.time("verifier", () => Promise.resolve(inputs.map(({ video }) => video.data[0]!))),
  });
  const rows: SearchBenchRow[] = [];
  const ratios: Record<string, number> = {};

  const strategies: readonly [string, SearchStrategy][] = [
    ["linear 16", linearSearch({ n: 16 })],
    ["Tree-of-Frames 16", treeOfFrames({ roots: 16, branch: 2, keep: "median" })],
    ["EvoSearch 8 8 8", evoSearch({ schedule: [0, 20], population: [8, 8, 8] })],
    ["particles 16", particleSampling({ n: 16 })],
  ];
  for (const [name, strategy] of strategies) {
    const runs: Map<string, number>[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const watch = stopwatch();
      const started = performance.now();
      await search(space(16, watch), strategy, { verifier: verifierOf(watch), seed: repeat });
      const whole = performance.now() - started;
      const times = new Map(watch.read());
      const plain = ["network", "solver", "noise", "decode", "verifier"];
      const known = plain.reduce((sum, part) => sum + (times.get(part) ?? 0), 0);
      times.set("bookkeeping", whole - known);
      runs.push(new Map([...times].map(([part, ms]) => [part, ms / whole])));
    }
    for (const part of ["bookkeeping", "copies", "noise", "solver", "decode"]) {
      const share = median(runs.map((run) => run.get(part) ?? 0));
      if (part === "bookkeeping") ratios[`${part} ${name}`] = share;
      const of = part === "copies" ? "of that, copies of KV caches" : part;
      rows.push({ work: `${name}: ${of}, share of wall time`, value: 100 * share, unit: "%" });
    }
  }

  for (const batchSize of batchSizes) {
    const rates: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const started = performance.now();
      await search(space(batchSize), linearSearch({ n: 16 }), {
        verifier: verifierOf(stopwatch()),
        seed: repeat,
      });
      rates.push((16 * 1000) / (performance.now() - started));
    }
    rows.push({ work: `linear search, batch ${batchSize}`, value: median(rates), unit: "candidates/s" });
  }

  rows.push(...(await memoryRows(space(8))));
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

/** What eight branches hold, and what a fork adds before it is advanced. */
async function memoryRows(space: ReturnType<typeof searchSpace>): Promise<SearchBenchRow[]> {
  const roots = Array.from({ length: 8 }, (_, i) => space.root(i, 0));
  const grown = await space.advance(roots, { chunk: 5, step: 1 });
  const cache = space.cacheBytes / 8 / 2 ** 20;
  const [parent] = await space.advance(grown.slice(0, 1), { chunk: 5, step: 2 });
  space.keep([parent!]);
  const before = space.cacheBytes;
  const forks = Array.from({ length: 64 }, (_, i) => space.fork(parent!, i));
  const own = JSON.stringify({ ...forks[63], finished: undefined }, (_, value) =>
    ArrayBuffer.isView(value) ? undefined : value,
  );
  return [
    { work: "KV cache of a live branch, 5 finished chunks", value: cache, unit: "MiB" },
    {
      work: "64 forks before they are advanced: more cache",
      value: space.cacheBytes - before,
      unit: "bytes",
    },
    { work: "a fork before it is advanced: its own data", value: own.length / 1024, unit: "KiB" },
  ];
}

function watched(model: Denoiser, watch: Stopwatch): Denoiser {
  const network =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R =>
      watch.time("network", () => work(...args));
  return {
    ...model,
    encode: network(model.encode),
    velocity: network(model.velocity),
    emptyHistory: (batch) => watchedHistory(model.emptyHistory(batch), watch),
    append: network((x0, history, condition) => watchedHistory(model.append(x0, history, condition), watch)),
  };
}

/** A history whose copies are timed; all else passes through, so that its own network knows it. */
function watchedHistory(history: History, watch: Stopwatch): History {
  const timed = (copy: () => History): History => watchedHistory(watch.time("copies", copy), watch);
  // A proxy may not stand in for members of a frozen object, so it stands before an empty one.
  return new Proxy({} as History, {
    get(_, key) {
      if (key === "gather") return (rows: readonly number[]) => timed(() => history.gather(rows));
      if (key === "join" && history.join)
        return (others: readonly History[]) => timed(() => history.join!(others));
      return Reflect.get(history, key, history);
    },
  });
}

function watchedSolver(watch: Stopwatch): Solver {
  const solver = sdeDpmSolver();
  return {
    ...solver,
    step: (xt: Tensor, step: SolverStep) =>
      watch.time("solver", () =>
        solver.step(xt, { ...step, noise: () => watch.time("noise", () => step.noise()) }),
      ),
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
