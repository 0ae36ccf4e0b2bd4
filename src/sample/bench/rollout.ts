/**
 * What a chunk costs as the history grows: time of one denoising step and memory of the cache at 5 to 200 finished chunks,
 * for dense, windowed and routed history. All cases are stepped in turn, so that a busy
 * machine slows all alike. CausalWan.mini with fresh weights (time does not depend on them), batch 1.
 */
import type { Measured } from "../../cli/bench.ts";
import { CausalWan } from "../../model/causal-wan.ts";
import { dense, type HistoryPolicy, routing, slidingWindow } from "../../model/history-policy.ts";
import { device, useDevice } from "../../tensor/device.ts";
import { chunkNoise } from "../noise.ts";

const lengths = [5, 10, 20, 50, 100, 200];
const prompt = "a red ball bounces on the floor";

/** @param repeats measured steps per length and policy */
export async function bench({ repeats = 25 }: { readonly repeats?: number } = {}): Promise<Measured> {
  await useDevice("auto");
  const model = CausalWan.mini();
  const condition = model.encode([prompt]);
  const xt = chunkNoise(model.chunkShape, [0], 0);
  const policies: readonly HistoryPolicy[] = [dense(), slidingWindow({ chunks: 7 }), routing({ topK: 5 })];
  const cases = policies.flatMap((policy) => {
    const view = model.withHistory(policy);
    let history = view.emptyHistory(1);
    return lengths.map((length) => {
      while (history.numChunks < length) {
        const next = view.append(xt, history, condition);
        // Writes the keys that wait, so that the measured steps only denoise.
        view.velocity(xt, 0.5, next, condition).dispose();
        if (!lengths.includes(history.numChunks)) history.dispose();
        history = next;
      }
      return { policy, view, history, length, times: [] as number[] };
    });
  });
  for (let repeat = 0; repeat <= repeats; repeat++) {
    for (const { view, history, times } of cases) {
      const started = performance.now();
      const velocity = view.velocity(xt, 0.5, history, condition);
      await velocity.data();
      // The first call may move a history into memory of its own.
      if (repeat > 0) times.push(performance.now() - started);
      velocity.dispose();
    }
  }
  const rows: Measured["rows"][number][] = [];
  for (const { policy, length, history, times } of cases) {
    rows.push({ work: `${policy.name}, ${length} chunks: step`, value: median(times), unit: "ms" });
    rows.push({
      work: `${policy.name}, ${length} chunks: cache`,
      value: history.bytes / 2 ** 20,
      unit: "MiB",
    });
  }
  const ratios: Record<string, number> = {};
  for (const policy of policies) {
    const timesAt = (length: number) => cases.find((c) => c.policy === policy && c.length === length)!.times;
    // Steps of one round lie next to each other in time: drift of the machine's load cancels.
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
