/**
 * From the events of a search to the rows of its two pictures: `searchTree(treeRows(outcome.events))` and
 * `populationLineage(populationRows(outcome.events))`. Events are read by shape, so that a stored journal serves too.
 */
import type { Row } from "./row.ts";

/** The fields of a search's events that are drawn; any event with a `type` may be passed. */
export interface LineageEvent {
  readonly type: string;
  readonly lineage?: readonly number[];
  readonly parent?: readonly number[];
  readonly lineages?: readonly (readonly number[])[];
  readonly origin?: string;
  readonly chunk?: number;
  readonly step?: number;
  readonly score?: number;
}

const idOf = (lineage: readonly number[]) => lineage.join(".");

interface Member {
  readonly id: string;
  parent: string;
  origin: string;
  depth: number;
  score: number;
  kept: boolean;
}

function members(events: readonly LineageEvent[]): Member[] {
  const all = new Map<string, Member>();
  for (const event of events) {
    if (event.type === "born" && event.lineage) {
      const id = idOf(event.lineage);
      all.set(id, {
        id,
        parent: event.parent ? idOf(event.parent) : "",
        origin: event.origin ?? "candidate",
        depth: event.chunk ?? 0,
        score: Number.NaN,
        kept: true,
      });
    } else if (event.type === "scored" && event.lineage) {
      const member = all.get(idOf(event.lineage));
      if (!member) continue;
      member.score = event.score ?? Number.NaN;
      member.depth = Math.max(member.depth, event.chunk ?? 0);
    } else if (event.type === "pruned") {
      for (const lineage of event.lineages ?? []) {
        const member = all.get(idOf(lineage));
        if (member) member.kept = false;
      }
    }
  }
  return [...all.values()];
}

/** One row a candidate: id, parent, depth (chunk of its last score), score, kept, origin. */
export function treeRows(events: readonly LineageEvent[]): Row[] {
  return members(events).map((member) => ({ ...member }));
}

/** One row a candidate, with its generation: the number of its ancestors. */
export function populationRows(events: readonly LineageEvent[]): Row[] {
  const all = members(events);
  const byId = new Map(all.map((member) => [member.id, member]));
  const generations = new Map<string, number>();
  const generationOf = (member: Member): number => {
    const known = generations.get(member.id);
    if (known !== undefined) return known;
    generations.set(member.id, 0);
    const parent = byId.get(member.parent);
    const generation = parent && parent !== member ? generationOf(parent) + 1 : 0;
    generations.set(member.id, generation);
    return generation;
  };
  return all.map(({ id, parent, origin, score }) => ({
    id,
    parent,
    origin,
    score,
    generation: generationOf(byId.get(id)!),
  }));
}
