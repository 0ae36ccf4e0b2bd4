/**
 * What a chunk of a rollout costs as the history grows: time and memory of the cache at 5 to 200 finished chunks, for
 * dense, windowed and routed history. A chunk is what `rollout` does for it: remember the chunk before, `steps` calls of
 * the network, of which the first also writes the keys of that chunk. It is then forgotten, so that each repeat does the
 * same work at the same length. All cases take turns, so that a busy machine slows all alike.
 *
 * CausalWan.mini with fresh weights on noise: its queries choose more chunks (90 of 200 by a head) than those of a trained
 * model (30), and what routing costs is to fetch them.
 */
import type { Measured } from "../../cli/bench.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { dense, type HistoryPolicy, routing, slidingWindow } from "../../model/history-policy.ts";
import { device, useDevice } from "../../tensor/device.ts";
import { chunkNoise } from "../noise.ts";

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
  repeats = 15,
  steps = 10,
  batch = 1,
}: RolloutBenchOptions = {}): Promise<Measured> {
  await useDevice("auto");
  const model = CausalWan.mini();
  const condition = model.encode(Array.from({ length: batch }, () => prompt));
  const seeds = Array.from({ length: batch }, (_, row) => row);
  const policies: readonly HistoryPolicy[] = [dense(), slidingWindow({ chunks: 7 }), routing({ topK: 5 })];
  const xt = chunkNoise(model.chunkShape, seeds, lengths.at(-1)!);
  const cases = policies.flatMap((policy) => {
    const view = model.withHistory(policy);
    let history = view.emptyHistory(batch);
    return lengths.map((length) => {
      while (history.numChunks < length - 1) {
        const chunk = chunkNoise(model.chunkShape, seeds, history.numChunks);
        const next = view.append(chunk, history, condition);
        // Writes the keys that wait.
        view.velocity(chunk, 0.5, next, condition).dispose();
        if (!lengths.includes(history.numChunks + 1)) history.dispose();
        history = next;
        chunk.dispose();
      }
      return { policy, view, history, length, times: [] as number[], bytes: 0 };
    });
  });
  for (let repeat = 0; repeat <= repeats; repeat++) {
    for (const current of cases) {
      const { view, history, times } = current;
      const started = performance.now();
      const next = view.append(xt, history, condition);
      for (let step = 0; step < steps; step++) {
        const velocity = view.velocity(xt, 1 - step / steps, next, condition);
        await velocity.data();
        velocity.dispose();
      }
      // The first time a history may move into memory of its own.
      if (repeat > 0) times.push(performance.now() - started);
      current.bytes = next.bytes;
      next.dispose();
    }
  }
  const rows: Measured["rows"][number][] = [];
  for (const { policy, length, times, bytes } of cases) {
    rows.push({ work: `${policy.name}, ${length} chunks: ${steps} steps`, value: median(times), unit: "ms" });
    rows.push({ work: `${policy.name}, ${length} chunks: cache`, value: bytes / 2 ** 20, unit: "MiB" });
  }
  const ratios: Record<string, number> = {};
  for (const policy of policies) {
    const timesAt = (length: number) => cases.find((c) => c.policy === policy && c.length === length)!.times;
    // Chunks of one round lie next to each other in time: drift of the machine's load cancels.
    ratios[`${policy.name}, 200 / 20 chunks`] = median(timesAt(200).map((time, i) => time / timesAt(20)[i]!));
  }
  for (const { history } of cases) history.dispose();
  condition.tokens.dispose();
  xt.dispose();
  model.dispose();
  return { machine: `${device().backend}: ${device().why}`, rows, ratios };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
