/**
 * Several spaces over the same generator, on threads, GPUs or machines, as one: each gets its share of every batch.
 * Candidates are plain data and their noise is a pure function of their lineage, so the result does not depend on how
 * many there are or who computed what.
 */
import type { Cost } from "../diffusion/nfe.ts";
import type { Video } from "../video/video.ts";
import type { Candidate, Position } from "./candidate.ts";
import type { AdvanceOptions, SearchSpace } from "./space.ts";

/** @throws RangeError for no space, or for spaces that differ in name or prompt */
export function fleet(spaces: readonly SearchSpace[]): SearchSpace {
  const [first] = spaces;
  if (!first) throw new RangeError("Cannot form a fleet of 0 spaces. Give at least one.");
  const other = spaces.find((space) => space.name !== first.name || space.prompt !== first.prompt);
  if (other) {
    throw new RangeError(
      `Cannot form a fleet of different spaces: "${first.name}" for "${first.prompt}" and "${other.name}" for "${other.prompt}". Make them from the same options.`,
    );
  }

  /** Contiguous shares, so that relatives tend to stay where their caches are. */
  async function shared<T>(
    candidates: readonly Candidate[],
    work: (space: SearchSpace, share: readonly Candidate[]) => Promise<T[]>,
  ): Promise<T[]> {
    const size = Math.ceil(candidates.length / spaces.length);
    const shares = spaces.map((space, i) => ({ space, share: candidates.slice(i * size, (i + 1) * size) }));
    const results = await Promise.all(
      shares.filter(({ share }) => share.length > 0).map(({ space, share }) => work(space, share)),
    );
    return results.flat();
  }

  return Object.freeze({
    ...first,
    batchSize: spaces.reduce((sum, space) => sum + space.batchSize, 0),
    advance: (candidates: readonly Candidate[], to: Position, options?: AdvanceOptions) =>
      shared<Candidate>(candidates, (space, share) => space.advance(share, to, options)),
    decode: (candidates: readonly Candidate[]) =>
      shared<Video>(candidates, (space, share) => space.decode(share)),
    preview: (candidates: readonly Candidate[]) =>
      shared<Video>(candidates, (space, share) => space.preview(share)),
    cost: () => spaces.map((space) => space.cost()).reduce(add),
    keep(live: readonly Candidate[]) {
      for (const space of spaces) space.keep(live);
    },
    get cacheBytes() {
      return spaces.reduce((sum, space) => sum + space.cacheBytes, 0);
    },
  });
}

function add(a: Cost, b: Cost): Cost {
  return {
    nfe: a.nfe + b.nfe,
    calls: a.calls + b.calls,
    forwards: a.forwards + b.forwards,
    cacheWrites: a.cacheWrites + b.cacheWrites,
    verifierCalls: a.verifierCalls + b.verifierCalls,
    seconds: Math.max(a.seconds, b.seconds),
  };
}
