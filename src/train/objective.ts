/**
 * What a training step minimises. `prepare` runs outside the tape (data, noise, resampled pasts), `loss` inside it.
 * Flow matching under a forcing is the one objective so far; objectives that distil (a bidirectional teacher, scores of
 * a model's own rollouts) are further implementations of this protocol.
 */
import { addNoise, dataFrom, velocityTarget } from "../diffusion/path.ts";
import type { TimestepSampler } from "../diffusion/timesteps.ts";
import { flowMatchingLoss } from "../tensor/ops/flow-matching-loss.ts";
import { positive, requireNumbers } from "../tensor/ranges.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type Forcing, type ForcingInput, rowNoise } from "./forcing/forcing.ts";

export interface PreparedLoss {
  /** Called once, while a gradient is recorded. @returns a scalar */
  loss(): Tensor;
  /** After the gradient. */
  observe(): void;
  dispose(): void;
}

export interface Objective {
  /** Says every option. */
  readonly name: string;
  prepare(input: ForcingInput): PreparedLoss;
  state?(): ReadonlyMap<string, Tensor>;
  restore?(state: ReadonlyMap<string, Tensor>): void;
}

export interface FlowMatchingOptions {
  readonly forcing: Forcing;
  /** Times of the noisy chunks, independent per chunk. */
  readonly timestep: TimestepSampler;
  /** Weight of the first chunk against 1 for the others: only it learns to start from nothing. */
  readonly firstChunkWeight?: number;
}

/** mean over chunks of w_i || (eps - x^i) - v(x^i_t, past, t^i) ||^2, t^i independent (2512.15702, algorithm 1, lines 9-13). */
export function flowMatching({ forcing, timestep, firstChunkWeight = 1 }: FlowMatchingOptions): Objective {
  requireNumbers("weigh the first chunk", { firstChunkWeight }, positive);
  return Object.freeze({
    name: `flow-matching(${forcing.name}; t ${timestep.name}; first chunk x${firstChunkWeight})`,
    prepare(input: ForcingInput): PreparedLoss {
      const { model, x0, condition, rowRng } = input;
      const [rows, totalFrames] = x0.shape as [number, number];
      const [frames] = model.chunkShape;
      const chunks = totalFrames / frames;
      const times = new Float32Array(rows * chunks);
      for (let row = 0; row < rows; row++) {
        times.set(timestep.sample(rowRng(row).at("time"), chunks), row * chunks);
      }
      const past = forcing.makePast(input);
      const { t, xt, target, weight } = tf.tidy(() => {
        const perChunk = tf.tensor2d(times, [rows, chunks]);
        const perFrame = perChunk.expandDims(2).tile([1, 1, frames]).reshape([rows, totalFrames]);
        const noise = rowNoise(input, "noise");
        // Normalised to mean 1, so that the loss stays comparable.
        const weights = Float32Array.from(
          { length: rows * totalFrames },
          (_, i) =>
            ((i % totalFrames < frames ? firstChunkWeight : 1) * chunks) / (chunks - 1 + firstChunkWeight),
        );
        return {
          t: perChunk,
          xt: addNoise(x0, noise, perFrame),
          target: velocityTarget(x0, noise),
          weight: firstChunkWeight === 1 ? undefined : tf.tensor2d(weights, [rows, totalFrames]),
        };
      });
      let velocity: Tensor | undefined;
      return {
        loss() {
          const predicted = past.history
            ? model.dualVelocity(past.history, xt, t, condition, past.historyTime)
            : model.causalVelocity(xt, t, condition);
          if (forcing.observe) velocity = tf.keep(predicted.clone());
          return flowMatchingLoss(predicted, target, weight);
        },
        observe() {
          if (!forcing.observe || !velocity) return;
          const perFrame = tf.tidy(() => t.expandDims(2).tile([1, 1, frames]).reshape([rows, totalFrames]));
          const predicted = tf.tidy(() => dataFrom(xt, velocity!, perFrame));
          forcing.observe(input, { x0: predicted, t: times });
          tf.dispose([predicted, perFrame]);
        },
        dispose() {
          tf.dispose(
            [past.history, past.historyTime, t, xt, target, weight, velocity].filter((x) => x !== undefined),
          );
        },
      };
    },
    ...(forcing.state && { state: () => forcing.state!() }),
    ...(forcing.restore && { restore: (state: ReadonlyMap<string, Tensor>) => forcing.restore!(state) }),
  });
}
