/** Loss and gradient of a batch, in micro-batches: rows are independent, so splitting changes rounding only. */
import type { CausalWan } from "../model/causal-wan.ts";
import type { Rng } from "../tensor/rng.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import type { Objective } from "./objective.ts";

export interface LatentBatch {
  /** [B, F, H, W, C] clean latents. */
  readonly latents: Tensor;
  /** After dropout. */
  readonly prompts: readonly string[];
}

export interface BatchGradient {
  readonly loss: number;
  /** By weight name; yours to dispose. */
  readonly grads: ReadonlyMap<string, Tensor>;
  /** Seconds spent on the past (resampling). */
  readonly pastSeconds: number;
}

export async function batchGradient(
  model: CausalWan,
  objective: Objective,
  batch: LatentBatch,
  { step, rng, microBatches }: { readonly step: number; readonly rng: Rng; readonly microBatches: number },
): Promise<BatchGradient> {
  const rows = batch.prompts.length;
  const variables = [...model.weights.values()];
  let total = new Map<string, Tensor>();
  let loss = 0;
  let pastSeconds = 0;
  for (let part = 0; part < microBatches; part++) {
    const from = Math.floor((part * rows) / microBatches);
    const count = Math.floor(((part + 1) * rows) / microBatches) - from;
    if (count === 0) continue;
    const condition = model.encode(batch.prompts.slice(from, from + count));
    const x0 = batch.latents.slice([from], [count]);
    const start = performance.now();
    const prepared = objective.prepare({
      model,
      x0,
      condition,
      rowRng: (row) => rng.at("row", from + row),
      step,
    });
    pastSeconds += (performance.now() - start) / 1000;
    const { value, grads } = tf.variableGrads(
      () => prepared.loss().mul(count / rows) as tf.Scalar,
      variables,
    );
    loss += (await value.data())[0]!;
    prepared.observe();
    prepared.dispose();
    tf.dispose([value, x0, condition.tokens]);
    const next = new Map<string, Tensor>();
    for (const [name, variable] of model.weights) {
      const grad = grads[variable.name]!;
      const before = total.get(name);
      next.set(name, before ? before.add(grad) : grad);
      if (before) tf.dispose([before, grad]);
    }
    total = next;
  }
  return { loss, grads: total, pastSeconds };
}
