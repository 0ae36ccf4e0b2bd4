/**
 * What a chunk of a rollout costs as the history grows: time and memory of the cache at 5 to 200 finished chunks, for
 * dense, windowed and routed history. A chunk is what `rollout` does for it: remember the chunk before, then denoise, where
 * the first call of the network also writes the keys of that chunk. Both are then forgotten, so that each repeat does the
 * same work at the same length. All cases take turns, so that a busy machine slows all alike.
 *
 * CausalWan.mini with fresh weights on noise, and the shipped routed model on chunks of its own, with its cache in float32
 * and in bf16. What routing costs is to fetch the chunks that a head's queries choose between them: 90 of 200 with fresh
 * weights, about 20 with trained ones.
 */
import type { Measured } from "../../cli/bench.ts";
import { euler } from "../../diffusion/solvers.ts";
import { shiftedSchedule } from "../../diffusion/timesteps.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { dense, routing, slidingWindow } from "../../model/history-policy.ts";
import { pretrained } from "../../model/model-file.ts";
import { device, useDevice } from "../../tensor/device.ts";
import type { Tensor } from "../../tensor/tf.ts";
import { denoiseChunk } from "../denoise-chunk.ts";
import { chunkNoise } from "../noise.ts";
import { rollout } from "../rollout.ts";

const lengths = [5, 10, 20, 50, 100, 200];
const prompt = "a red ball bounces on the floor";

export interface RolloutBenchOptions {
  /** Measured chunks per length and policy. */
  readonly repeats?: number;
  /** Network calls per chunk; default as in `rollout`. */
  readonly steps?: number;
  readonly batch?: number;
}

export async function bench({
  repeats = 40,
  steps = 10,
  batch = 1,
}: RolloutBenchOptions = {}): Promise<Measured> {
  await useDevice("auto");
  const fresh = CausalWan.mini();
  const trained = await pretrained("mini-routed-resampling-forcing");
  const seeds = Array.from({ length: batch }, (_, row) => row);
  const noise = (chunk: number) => chunkNoise(fresh.chunkShape, seeds, chunk);
  const solver = euler();
  const schedule = shiftedSchedule({ steps, shift: 2 });
  const condition = fresh.encode(seeds.map(() => prompt));
  const own = await ownChunks(trained, seeds);
  const subjects: readonly Subject[] = [
    ...[dense(), slidingWindow({ chunks: 7 }), routing({ topK: 5 })].map((policy) => ({
      name: policy.name,
      model: fresh.withHistory(policy),
      chunkAt: noise,
    })),
    ...(["float32", "bf16"] as const).map((cachePrecision) => ({
      name: `${trained.historyPolicy.name}, trained${cachePrecision === "bf16" ? ", bf16 cache" : ""}`,
      model: trained.withHistory(trained.historyPolicy, { cachePrecision }),
      chunkAt: (i: number) => own[i]!.clone(),
    })),
  ];
  const cases = subjects.flatMap(({ name, model, chunkAt }) => {
    let history = model.emptyHistory(batch);
    return lengths.map((length) => {
      while (history.numChunks < length - 1) {
        const chunk = chunkAt(history.numChunks);
        const next = model.append(chunk, history, condition);
        // Writes the keys that wait.
        model.velocity(chunk, 0.5, next, condition).dispose();
        if (!lengths.includes(history.numChunks + 1)) history.dispose();
        history = next;
        chunk.dispose();
      }
      const before = chunkAt(length - 1);
      return { name, model, history, before, length, times: [] as number[], bytes: 0 };
    });
  });
  for (let repeat = 0; repeat <= repeats; repeat++) {
    for (const current of cases) {
      const { model, history, before, length, times } = current;
      const started = performance.now();
      const next = model.append(before, history, condition);
      const task = { chunk: length, seeds, solver, schedule, history: next, condition };
      const latents = await denoiseChunk(model, task);
      // A GPU has only been asked so far.
      await latents.data();
      latents.dispose();
      // The first time a history may move into memory of its own.
      if (repeat > 0) times.push(performance.now() - started);
      current.bytes = next.bytes;
      next.dispose();
    }
  }
  const rows: Measured["rows"][number][] = [];
  for (const { name, length, times, bytes } of cases) {
    rows.push({ work: `${name}, ${length} chunks: ${steps} steps`, value: median(times), unit: "ms" });
    rows.push({ work: `${name}, ${length} chunks: cache`, value: bytes / 2 ** 20, unit: "MiB" });
  }
  const ratios: Record<string, number> = {};
  for (const { name } of subjects) {
    const timesAt = (length: number) => cases.find((c) => c.name === name && c.length === length)!.times;
    // Chunks of one round lie next to each other in time: drift of the machine's load cancels.
    ratios[`${name}, 200 / 20 chunks`] = median(timesAt(200).map((time, i) => time / timesAt(20)[i]!));
  }
  for (const { history, before } of cases) {
    history.dispose();
    before.dispose();
  }
  condition.tokens.dispose();
  for (const chunk of own) chunk.dispose();
  fresh.dispose();
  trained.dispose();
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

interface Subject {
  readonly name: string;
  readonly model: CausalWan;
  readonly chunkAt: (chunk: number) => Tensor;
}

/** What the model itself makes, as long as the longest history. */
async function ownChunks(model: CausalWan, seeds: readonly number[]): Promise<readonly Tensor[]> {
  const chunks: Tensor[] = [];
  const prompts = seeds.map(() => prompt);
  for await (const { latents } of rollout(model, { prompts, seeds, chunks: lengths.at(-1)!, steps: 4 })) {
    chunks.push(latents);
  }
  return chunks;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
