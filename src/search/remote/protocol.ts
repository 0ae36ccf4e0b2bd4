/**
 * A search space over a wire: messages that survive structured cloning, so a child process, a worker or a socket can carry
 * them. Finished chunks are sent once and then named by id, because caches are kept by chunk (`history-cache.ts`) and a
 * candidate's past is most of its bytes.
 */
import type { Cost } from "../../diffusion/nfe.ts";
import type { VideoInit } from "../../video/video.ts";
import type { Candidate, Finished, Genome, Position } from "../candidate.ts";
import type { PlanNumbers } from "../candidate-plan.ts";

export interface WireCandidate extends Position {
  readonly seed: number;
  readonly lineage: readonly number[];
  readonly genome: Genome;
  /** Id of the newest finished chunk. */
  readonly finished?: string;
  readonly xt?: Float32Array;
  readonly x0?: Float32Array;
}

/** A finished chunk that the other side has not seen; its past comes before it. */
export interface WireNode {
  readonly id: string;
  readonly previous?: string;
  readonly latents: Float32Array;
}

export interface Batch {
  readonly candidates: readonly WireCandidate[];
  readonly nodes: readonly WireNode[];
}

export type Request =
  | ({ readonly call: "advance"; readonly id: number; readonly to: Position } & Batch)
  | ({ readonly call: "decode" | "preview"; readonly id: number } & Batch)
  | ({ readonly call: "keep" } & Batch)
  | { readonly call: "abort"; readonly id: number };

/** What the space held and had spent when it answered. */
export interface Standing {
  readonly cost: Cost;
  readonly cacheBytes: number;
}

/** What stands in for the space needs to know once. */
export interface Introduction extends Standing {
  readonly name: string;
  readonly prompt: string;
  readonly batchSize: number;
  readonly numbers: PlanNumbers;
}

export type Answer =
  | { readonly ready: Introduction }
  | ({ readonly id: number; readonly standing: Standing } & (
      | { readonly batch: Batch }
      | { readonly videos: readonly VideoInit[] }
      | { readonly error: { readonly name: string; readonly message: string } }
    ))
  | { readonly failed: string };

/** Messages both ways, in order. */
export interface Channel<Out, In> {
  send(message: Out): void;
  onMessage(listener: (message: In) => void): void;
  /** Called once when nothing will come any more, with the reason. */
  onClose(listener: (reason: string) => void): void;
  close(): void;
}

/** What one side knows of the chunks that both sides have. */
export interface Ledger {
  /** Candidates as messages, with the chunks that the other side lacks. */
  pack(candidates: readonly Candidate[]): Batch;
  unpack(batch: Batch): Candidate[];
  /** The newest chunk on the way back from `node` that both sides have. */
  nearest(node: Finished | undefined): Finished | undefined;
  /** Forgets all chunks but those of these candidates. */
  keep(live: readonly Candidate[]): void;
}

/** @param idOf names a chunk that has no id yet */
export function ledger(ids: WeakMap<Finished, string>, idOf: () => string): Ledger {
  let known = new Map<string, Finished>();

  /** Registers a chunk and its past; those that were not known go to `fresh`, oldest first. */
  function introduce(node: Finished, fresh: WireNode[]): string {
    const id = ids.get(node) ?? idOf();
    ids.set(node, id);
    if (known.has(id)) return id;
    const previous = node.previous && introduce(node.previous, fresh);
    known.set(id, node);
    fresh.push({ id, latents: node.latents, ...(previous !== undefined && { previous }) });
    return id;
  }

  return Object.freeze({
    pack(candidates: readonly Candidate[]): Batch {
      const nodes: WireNode[] = [];
      const packed = candidates.map(({ finished, ...rest }) => ({
        ...rest,
        ...(finished && { finished: introduce(finished, nodes) }),
      }));
      return { candidates: packed, nodes };
    },
    unpack({ candidates, nodes }: Batch): Candidate[] {
      for (const { id, previous, latents } of nodes) {
        const before = previous === undefined ? undefined : known.get(previous)!;
        const node: Finished = Object.freeze({ latents, ...(before && { previous: before }) });
        ids.set(node, id);
        known.set(id, node);
      }
      return candidates.map(({ finished, ...rest }) =>
        Object.freeze({ ...rest, ...(finished !== undefined && { finished: known.get(finished)! }) }),
      );
    },
    nearest(node: Finished | undefined) {
      while (node && !known.has(ids.get(node) ?? "")) node = node.previous;
      return node;
    },
    keep(live: readonly Candidate[]) {
      const kept = new Map<string, Finished>();
      for (const { finished } of live) {
        for (let node = finished; node; node = node.previous) {
          const id = ids.get(node);
          if (id !== undefined && known.has(id)) kept.set(id, node);
        }
      }
      known = kept;
    },
  });
}
