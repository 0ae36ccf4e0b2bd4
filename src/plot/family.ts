/**
 * A family of candidates, as the views of a search draw it: who descends from whom, thinned to what a screen can show
 * before it enters the spec.
 */

export interface Relative {
  readonly id: string;
  /** Id of the parent; one that no relative has makes a root. */
  readonly parent: string;
  /** Stage, chunk or generation. */
  readonly depth: number;
  /** NaN where the verifier could not judge. */
  readonly score: number;
  readonly isKept: boolean;
}

/** More marks than this lie on top of each other on any screen, and a notebook would carry megabytes of them. */
export const mostRelatives = 600;

/** Ids from a relative back to its root, its own included; a cycle ends where it closes. */
export function ancestry(family: readonly Relative[], youngest: Relative | undefined): Set<string> {
  const byId = new Map(family.map((one) => [one.id, one]));
  const path = new Set<string>();
  for (let at = youngest; at && !path.has(at.id); at = byId.get(at.parent)) path.add(at.id);
  return path;
}

/**
 * At most `most` of a family, in its order: `path` first, then who was kept, then who was pruned, the better scores
 * first, each with all of its ancestors, so that no line is torn. A family that is small enough comes back as it is.
 */
export function telling<T extends Relative>(
  family: readonly T[],
  path: ReadonlySet<string>,
  most: number = mostRelatives,
): readonly T[] {
  if (family.length <= most) return family;
  const byId = new Map(family.map((one) => [one.id, one]));
  const shown = new Set(path);
  const worth = (one: T) => (Number.isFinite(one.score) ? one.score : -Infinity);
  const rank = (a: T, b: T) => Number(b.isKept) - Number(a.isKept) || worth(b) - worth(a) || 0;
  for (const one of [...family].sort(rank)) {
    if (shown.size >= most) break;
    const line = new Set<string>();
    for (let at: T | undefined = one; at && !shown.has(at.id) && !line.has(at.id); at = byId.get(at.parent))
      line.add(at.id);
    if (shown.size + line.size <= most) for (const id of line) shown.add(id);
  }
  return family.filter((one) => shown.has(one.id));
}

/** Leaves get consecutive places in order of appearance, a parent the middle of its children. */
export function places(family: readonly Relative[]): Map<string, number> {
  const known = new Set(family.map((one) => one.id));
  const children = new Map<string, string[]>([["", []]]);
  for (const one of family) {
    const key = known.has(one.parent) && one.parent !== one.id ? one.parent : "";
    const own = children.get(key);
    if (own) own.push(one.id);
    else children.set(key, [one.id]);
  }
  const place = new Map<string, number>();
  let next = 0;
  // Depth first without recursion, as a chain may be longer than the stack is deep: a node is met twice, before its
  // children and after them.
  const met = new Set<string>();
  const waiting = [...children.get("")!].reverse();
  while (waiting.length > 0) {
    const id = waiting.at(-1)!;
    const own = children.get(id) ?? [];
    if (!met.has(id) && own.length > 0) {
      met.add(id);
      for (const child of own.toReversed()) if (!met.has(child) && !place.has(child)) waiting.push(child);
      continue;
    }
    waiting.pop();
    if (place.has(id)) continue;
    // A child without a place is an ancestor too: ids that occur twice can close a ring.
    const below = own.map((child) => place.get(child)).filter((at) => at !== undefined);
    place.set(id, below.length === 0 ? next++ : (below[0]! + below.at(-1)!) / 2);
  }
  // A cycle hangs on no root; it is drawn flat rather than dropped.
  for (const one of family) if (!place.has(one.id)) place.set(one.id, next++);
  return place;
}
