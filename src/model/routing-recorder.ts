/**
 * How often routing picked each finished chunk, by layer, head, denoising step and chunk (Resampling Forcing
 * 2512.15702, figure 8). Counts arrive summed over tokens; they stay on the device until `rows` is asked for, so
 * recording costs one small tensor per layer and step.
 */
import { type Tensor, tf } from "../tensor/tf.ts";

export type RoutingRow = {
  readonly layer: number;
  readonly head: number;
  /** Number of the denoiser call within the chunk, from 0. */
  readonly step: number;
  /** The chunk that was being denoised, and the finished chunk that was picked. */
  readonly chunk: number;
  readonly picked: number;
  /** Share of (batch row, token) queries that picked it, in [0, 1]; sums to min(topK, history) over `picked`. */
  readonly frequency: number;
};

/** A routing row averaged over the axes that are not named. */
export type RoutingSummaryRow = Pick<RoutingRow, "chunk" | "picked" | "frequency"> &
  Partial<Pick<RoutingRow, "layer" | "head" | "step">>;

export interface RoutingRecorder {
  /** The next velocity call works on this chunk. */
  begin(chunk: number): void;
  /** @param counts [B, heads, query chunks, key chunks]; the last query chunk is recorded. */
  record(layer: number, counts: Tensor, slots: readonly number[], chunkTokens: number): void;
  rows(): Promise<readonly RoutingRow[]>;
  /** Averaged over all axes but `by`, which keeps long rollouts small: by layer, a tenth of the rows or less. */
  rows(options: {
    readonly by: readonly ("layer" | "head" | "step")[];
  }): Promise<readonly RoutingSummaryRow[]>;
  dispose(): void;
}

interface Entry {
  readonly layer: number;
  readonly step: number;
  readonly chunk: number;
  readonly slots: readonly number[];
  /** [heads, key chunks], a share of queries. */
  readonly share: Tensor;
}

export function routingRecorder(): RoutingRecorder {
  let entries: Entry[] = [];
  let chunk = -1;
  let step = -1;
  const dispose = () => {
    for (const entry of entries) entry.share.dispose();
    entries = [];
  };
  return Object.freeze({
    begin(next: number) {
      step = next === chunk ? step + 1 : 0;
      chunk = next;
    },
    record(layer: number, counts: Tensor, slots: readonly number[], chunkTokens: number) {
      const [batch, heads, queries, keys] = counts.shape as [number, number, number, number];
      const share = tf.keep(
        tf.tidy(() =>
          counts
            .slice([0, 0, queries - 1, 0], [batch, heads, 1, keys])
            .sum([0, 2])
            .div(batch * chunkTokens),
        ),
      );
      entries.push({ layer, step, chunk, slots, share });
    },
    async rows(options?: { readonly by: readonly ("layer" | "head" | "step")[] }) {
      const rows: RoutingRow[] = [];
      for (const { layer, step: at, chunk: current, slots, share } of entries) {
        const values = await share.data();
        const [heads, keys] = share.shape as [number, number];
        for (let head = 0; head < heads; head++) {
          for (const [slot, picked] of slots.entries()) {
            rows.push({
              layer,
              head,
              step: at,
              chunk: current,
              picked,
              frequency: values[head * keys + slot]!,
            });
          }
        }
      }
      return (options ? summed(rows, options.by) : rows) as readonly RoutingRow[];
    },
    dispose,
  });
}

function summed(
  rows: readonly RoutingRow[],
  by: readonly ("layer" | "head" | "step")[],
): RoutingSummaryRow[] {
  const cells = new Map<string, { row: RoutingSummaryRow; sum: number; n: number }>();
  for (const { chunk, picked, frequency, ...axes } of rows) {
    const kept = Object.fromEntries(by.map((axis) => [axis, axes[axis]]));
    const key = JSON.stringify([chunk, picked, kept]);
    const cell = cells.get(key) ?? { row: { ...kept, chunk, picked, frequency }, sum: 0, n: 0 };
    cells.set(key, { ...cell, sum: cell.sum + frequency, n: cell.n + 1 });
  }
  return [...cells.values()].map(({ row, sum, n }) => ({ ...row, frequency: sum / n }));
}
