/**
 * One chunk from noise to clean latents, given the finished chunks: the inner loop of a rollout (Resampling Forcing
 * 2512.15702, section 3.4).
 *
 *   x_1 = noise(seed, chunk);  for each step of the schedule: x_t' = solver(x_t, v(x_t, t, history))
 */
import type { Denoiser, History } from "../diffusion/denoiser.ts";
import type { Solver, SolverMemory } from "../diffusion/solvers.ts";
import type { Schedule } from "../diffusion/timesteps.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { chunkNoise } from "./noise.ts";

export interface ChunkTask {
  /** Its number in the clip, which its noise depends on. */
  readonly chunk: number;
  /** One per row. */
  readonly seeds: readonly number[];
  readonly solver: Solver;
  readonly schedule: Schedule;
  /** The finished chunks; stays yours. */
  readonly history: History;
  readonly condition: ReturnType<Denoiser["encode"]>;
  /** Looked at before every step. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns [B, frames, H, W, C], yours to dispose
 * @throws the signal's reason once it is aborted; memory is freed
 */
export async function denoiseChunk(
  network: Denoiser,
  { chunk, seeds, solver, schedule, history, condition, signal }: ChunkTask,
): Promise<Tensor> {
  let xt = chunkNoise(network.chunkShape, seeds, chunk);
  let memory: SolverMemory | undefined;
  try {
    for (let index = 0; index < schedule.length - 1; index++) {
      // Gives timers, output and the stop button a turn between steps.
      await new Promise(setImmediate);
      signal?.throwIfAborted();
      const before = memory;
      const result = tf.tidy(() => {
        const step = solver.step(xt, {
          schedule,
          index,
          velocity: (x, t) => network.velocity(x, t, history, condition),
          noise: () => chunkNoise(network.chunkShape, seeds, chunk, index + 1),
          memory: before,
        });
        return { xt: step.xt, x0: step.memory?.x0, t: step.memory?.t };
      });
      xt.dispose();
      before?.x0.dispose();
      xt = result.xt;
      memory = result.x0 && { x0: result.x0, t: result.t! };
    }
    return xt;
  } catch (error) {
    xt.dispose();
    throw error;
  } finally {
    memory?.x0.dispose();
  }
}
