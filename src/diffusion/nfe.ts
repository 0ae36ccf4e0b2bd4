/**
 * Cost, counted at the primitive: wrap the denoiser, and no strategy can forget it.
 *
 * NFE follows Video-T1 (2503.18942, section 4.1): denoiser calls x latent frames denoised, summed over all branches
 * (batch rows). Guidance counts once, verifier calls and cache writes are not NFE but are kept beside it, so that any
 * other convention can be recomputed from a row.
 */
import type { Denoiser } from "./denoiser.ts";

export interface Cost {
  /** Denoiser calls x batch rows x latent frames. */
  readonly nfe: number;
  /** Denoiser calls x batch rows: the count of EvoSearch (steps x individuals), whatever the clip length. */
  readonly calls: number;
  /** Network forwards x batch rows, guidance branches counted each; 0 where the network is not metered itself. */
  readonly forwards: number;
  readonly cacheWrites: number;
  readonly verifierCalls: number;
  readonly seconds: number;
}

export interface Meter {
  /** Totals since creation. */
  read(): Cost;
  add(part: Partial<Omit<Cost, "seconds">>): void;
}

export function meter(): Meter {
  const total = { nfe: 0, calls: 0, forwards: 0, cacheWrites: 0, verifierCalls: 0 };
  const start = performance.now();
  return Object.freeze({
    read: () => ({ ...total, seconds: (performance.now() - start) / 1000 }),
    add(part: Partial<Omit<Cost, "seconds">>) {
      for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += part[key] ?? 0;
    },
  });
}

/** What was spent between two readings. */
export function spent(before: Cost, after: Cost): Cost {
  return {
    nfe: after.nfe - before.nfe,
    calls: after.calls - before.calls,
    forwards: after.forwards - before.forwards,
    cacheWrites: after.cacheWrites - before.cacheWrites,
    verifierCalls: after.verifierCalls - before.verifierCalls,
    seconds: after.seconds - before.seconds,
  };
}

/** The denoiser as strategies see it (outside guidance): every call is counted in `nfe` and `calls`. */
export function metered(denoiser: Denoiser, cost: Meter): Denoiser {
  const frames = denoiser.chunkShape[0];
  return Object.freeze({
    ...denoiser,
    velocity(...args: Parameters<Denoiser["velocity"]>) {
      const rows = args[0].shape[0]!;
      cost.add({ nfe: rows * frames, calls: rows });
      return denoiser.velocity(...args);
    },
    append(...args: Parameters<Denoiser["append"]>) {
      cost.add({ cacheWrites: args[0].shape[0]! });
      return denoiser.append(...args);
    },
  });
}

/** The bare network (inside guidance): every forward is counted in `forwards`. */
export function meteredNetwork(denoiser: Denoiser, cost: Meter): Denoiser {
  return Object.freeze({
    ...denoiser,
    velocity(...args: Parameters<Denoiser["velocity"]>) {
      cost.add({ forwards: args[0].shape[0]! });
      return denoiser.velocity(...args);
    },
  });
}
