/**
 * What search costs: bookkeeping (all that plain sampling, decoding and judging would not do) as a share of wall time,
 * candidates per second against batch size, memory of a live branch. CausalWan.mini with fresh weights (time does not
 * depend on them), the world's codec.
 */
import { pathToFileURL } from "node:url";
import type { Denoiser } from "../../diffusion/denoiser.ts";
import { type Solver, sdeDpmSolver } from "../../diffusion/solvers.ts";
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

/** About a minute on two cores. */
export async function bench({ repeats = 3 }: { readonly repeats?: number } = {}): Promise<SearchBench> {
  await useDevice("auto");
  const codec = await worldCodec();
  const model = CausalWan.mini({ codec, seed: 0 });
  const rows: SearchBenchRow[] = [];
  const ratios: Record<string, number> = {};

  let inside = 0;
  const timed =
    <A extends unknown[], R>(work: (...args: A) => R) =>
    (...args: A): R => {
      const started = performance.now();
      try {
        return work(...args);
      } finally {
        inside += performance.now() - started;
      }
    };
  // A solver step is the network, its noise and its arithmetic: what plain sampling does as well.
  const solver: Solver = { ...sdeDpmSolver(), step: timed(sdeDpmSolver().step) };
  const watched: Denoiser = { ...model, append: timed(model.append), encode: timed(model.encode) };
  const watchedCodec = { decode: timed((latents: Tensor) => codec.decode(latents)) };
  const verifier: Verifier = {
    name: "first pixel",
    score: timed(async (inputs) => inputs.map(({ video }) => video.data[0]!)),
  };
  const spaceOf = (batchSize: number) =>
    searchSpace(watched, { prompt, chunks: 6, steps: 8, solver, codec: watchedCodec, batchSize });

  const strategies: readonly [string, SearchStrategy][] = [
    ["linear 16", linearSearch({ n: 16 })],
    ["Tree-of-Frames 16", treeOfFrames({ roots: 16, branch: 2, keep: "median" })],
    ["EvoSearch 8 8 8", evoSearch({ schedule: [0, 20], population: [8, 8, 8] })],
    ["particles 16", particleSampling({ n: 16 })],
  ];
  for (const [name, strategy] of strategies) {
    const shares: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      inside = 0;
      const started = performance.now();
      await search(spaceOf(8), strategy, { verifier, seed: repeat });
      shares.push(1 - inside / (performance.now() - started));
    }
    ratios[`bookkeeping ${name}`] = median(shares);
    rows.push({ work: `bookkeeping of ${name}, share of wall time`, value: 100 * median(shares), unit: "%" });
  }

  for (const batchSize of [1, 2, 4, 8, 16]) {
    const rates: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const started = performance.now();
      await search(spaceOf(batchSize), linearSearch({ n: 16 }), { verifier, seed: repeat });
      rates.push((16 * 1000) / (performance.now() - started));
    }
    rows.push({ work: `linear search, batch ${batchSize}`, value: median(rates), unit: "candidates/s" });
  }

  const space = spaceOf(8);
  const roots = Array.from({ length: 8 }, (_, i) => space.root(i, 0));
  const grown = await space.advance(roots, { chunk: 5, step: 1 });
  rows.push({
    work: "KV cache of a live branch, 5 finished chunks",
    value: space.cacheBytes / 8 / 2 ** 20,
    unit: "MiB",
  });
  const [parent] = await space.advance(grown.slice(0, 1), { chunk: 5, step: 2 });
  space.keep([parent!]);
  const forks = Array.from({ length: 64 }, (_, i) => space.fork(parent!, i));
  const bytes = (candidate: object): number =>
    JSON.stringify(candidate, (_, value) => (ArrayBuffer.isView(value) ? undefined : value)).length;
  rows.push({
    work: "a fork before it is advanced (its past is shared)",
    value: bytes({ ...forks[63], finished: undefined }) / 1024,
    unit: "KiB",
  });
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const result = await bench();
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify(result)}\n`);
  else {
    process.stdout.write(`${result.machine}\n`);
    for (const { work, value, unit } of result.rows)
      process.stdout.write(`${work.padEnd(56)} ${value.toFixed(2).padStart(9)} ${unit}\n`);
  }
}
