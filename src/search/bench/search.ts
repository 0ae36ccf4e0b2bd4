/**
 * What search costs beside the network, in one run: where the wall time goes, candidates per second against batch
 * size, memory of a live branch. CausalWan.mini with fresh weights (time does not depend on them), the world's codec.
 *
 * "bookkeeping" is all that plain sampling of the same candidates in the same batches would not do: copies of KV caches
 * for branches and regrouped batches, states brought down and up again at stops, lineages, events, records, turns of the
 * event loop, and whatever has no name. What plain sampling does as well is shown apart (network, the solver's
 * arithmetic, noise, decoding), and so is the verifier, which here costs nothing (beside it the same with the world's oracle), and the pauses of the garbage
 * collector between these pieces: V8 takes them when the event loop turns, for what the network and the noise have left
 * behind. "all but network, codec and verifier" adds to the bookkeeping what plain sampling has beside those three: noise,
 * the solver's arithmetic and these pauses. All of it is timed inside the same searches, so that a busy machine slows
 * every part and distorts no share;
 * a first search warms up and is not counted, and the median of the others is told.
 */
import { type PerformanceEntry, PerformanceObserver } from "node:perf_hooks";
import { CausalWan } from "../../model/causal-wan.ts";
import { device, useDevice } from "../../tensor/device.ts";
import { oracle } from "../../verify/oracle.ts";
import type { Verifier } from "../../verify/verifier.ts";
import { worldCodec } from "../../video/pca-codec.ts";
import { evoSearch } from "../evo-search.ts";
import { type LatentSpace, searchSpace } from "../latent-space.ts";
import { linearSearch } from "../linear-search.ts";
import { particleSampling } from "../particle-sampling.ts";
import { search } from "../search.ts";
import { type Stopwatch, stopwatch, untimed } from "../stopwatch.ts";
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

export interface SearchBenchOptions {
  /** Searches per row, at most; default 5. */
  readonly repeats?: number;
  /** No search of a row starts after so many seconds of it; default 5. */
  readonly seconds?: number;
  /** Told each row as it is measured; default: standard error. */
  readonly tell?: (line: string) => void;
}

/** What plain sampling would do too, and the verifier. */
const plain = ["network", "solver", "noise", "decode", "verifier"] as const;
const prompt = "a red ball bounces on the floor";
const batchSizes = [1, 2, 4, 8, 16, 32] as const;

/** Half a minute on two idle cores. */
export async function bench({
  repeats = 5,
  seconds = 5,
  tell = (line) => void process.stderr.write(`  ... ${line}\n`),
}: SearchBenchOptions = {}): Promise<SearchBench> {
  await useDevice("auto");
  const codec = worldCodec();
  const model = CausalWan.mini({ codec, seed: 0 });
  const space = (batchSize: number, watch: Stopwatch = untimed): LatentSpace =>
    searchSpace(model, {
      prompt,
      chunks: 6,
      steps: 8,
      codec,
      batchSize,
      watch,
    });
  const rows: SearchBenchRow[] = [];
  const ratios: Record<string, number> = {};
  const note = (...measured: SearchBenchRow[]): void => {
    rows.push(...measured);
    for (const { work, value, unit } of measured) tell(`${work}: ${value.toPrecision(3)} ${unit}`);
  };
  /** The median of what several runs give, part by part. */
  const repeated = async (run: (seed: number) => Promise<Readonly<Record<string, number>>>) => {
    const started = performance.now();
    const runs: Readonly<Record<string, number>>[] = [];
    while (runs.length === 0 || (runs.length < repeats && performance.now() - started < 1000 * seconds)) {
      runs.push(await run(runs.length));
    }
    return (part: string): number => median(runs.map((one) => one[part] ?? 0));
  };

  const strategies: readonly [string, SearchStrategy][] = [
    ["linear 16", linearSearch({ n: 16 })],
    ["Tree-of-Frames 16", treeOfFrames({ roots: 16, branch: 2, keep: "median" })],
    ["EvoSearch 8 8 8", evoSearch({ schedule: [0, 20], population: [8, 8, 8] })],
    ["particles 16", particleSampling({ n: 16 })],
  ];
  const collector = watchCollector();
  tell("warming up");
  for (const [, strategy] of strategies) await search(space(16), strategy, { verifier: firstPixel });
  /** Shares of the wall time of one search. */
  const sharesOf = async (strategy: SearchStrategy, judge: Verifier, seed: number) => {
    const watch = stopwatch();
    const started = performance.now();
    await search(space(16, watch), strategy, { verifier: timed(judge, watch), seed });
    const whole = performance.now() - started;
    const times: Record<string, number> = Object.fromEntries(watch.read());
    times["collector"] = await collector.between(watch, started, started + whole);
    const named = [...plain, "collector"].reduce((sum, part) => sum + (times[part] ?? 0), 0);
    const strict = whole - (times["network"] ?? 0) - (times["decode"] ?? 0) - (times["verifier"] ?? 0);
    const all = { ...times, bookkeeping: whole - named, strict };
    return Object.fromEntries(Object.entries(all).map(([part, ms]) => [part, ms / whole]));
  };
  for (const [name, strategy] of strategies) {
    const share = await repeated((seed) => sharesOf(strategy, firstPixel, seed));
    const judged = await repeated((seed) => sharesOf(strategy, oracle(), seed));
    ratios[`bookkeeping ${name}`] = share("bookkeeping");
    ratios[`bookkeeping ${name}, judged by the oracle`] = judged("bookkeeping");
    const percent = (part: string, what = part): SearchBenchRow => ({
      work: `${name}: ${what}, share of wall time`,
      value: 100 * share(part),
      unit: "%",
    });
    note(
      percent("bookkeeping"),
      percent("caches", "of that, copies of KV caches"),
      percent("states", "of that, states of candidates"),
      ...plain.slice(0, -1).map((part) => percent(part)),
      percent("collector", "garbage collection between these"),
      percent("strict", "all but network, codec and verifier"),
      {
        work: `${name}, judged by the oracle: bookkeeping, share of wall time`,
        value: 100 * judged("bookkeeping"),
        unit: "%",
      },
      {
        work: `${name}, judged by the oracle: verifier, share of wall time`,
        value: 100 * judged("verifier"),
        unit: "%",
      },
    );
  }

  collector.stop();

  const candidates = batchSizes.at(-1)!;
  for (const batchSize of batchSizes) {
    const rate = await repeated(async (seed) => {
      const started = performance.now();
      await search(space(batchSize), linearSearch({ n: candidates }), {
        verifier: firstPixel,
        seed,
      });
      return { rate: (1000 * candidates) / (performance.now() - started) };
    });
    note({ work: `linear search, batch ${batchSize}`, value: rate("rate"), unit: "candidates/s" });
  }
  note(...(await memoryRows(space(8))));
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

/** Pauses of the garbage collector, from V8 itself. */
function watchCollector() {
  let pauses: PerformanceEntry[] = [];
  const observer = new PerformanceObserver((list) => pauses.push(...list.getEntries()));
  observer.observe({ entryTypes: ["gc"] });
  return {
    stop: () => observer.disconnect(),
    /** Milliseconds of pauses from `begin` to `end` that fell into nothing that was timed. */
    async between(watch: Stopwatch, begin: number, end: number): Promise<number> {
      // Entries come a turn of the event loop after the pause.
      await new Promise((resolve) => setTimeout(resolve, 1));
      const own = pauses.filter(({ startTime }) => startTime >= begin && startTime < end);
      pauses = [];
      const spans = watch.spans();
      return own
        .filter(({ startTime }) => !spans.some(([from, to]) => startTime >= from && startTime < to))
        .reduce((sum, { duration }) => sum + duration, 0);
    },
  };
}

/** Costs nothing, so that all other shares are as large as they can be. */
const firstPixel: Verifier = {
  name: "first pixel",
  score: (inputs) => Promise.resolve(inputs.map(({ video }) => video.data[0]!)),
};

function timed(verifier: Verifier, watch: Stopwatch): Verifier {
  return { ...verifier, score: (...inputs) => watch.time("verifier", () => verifier.score(...inputs)) };
}

/** What eight branches hold, and what a fork adds before it is advanced. */
async function memoryRows(space: LatentSpace): Promise<SearchBenchRow[]> {
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

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
