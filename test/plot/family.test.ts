import { expect, it } from "vitest";
import { ancestry, mostRelatives, places, type Relative, telling } from "../../src/plot/family.ts";
import { populationLineage, searchTree } from "../../src/plot/plot.ts";
import { rng } from "../../src/tensor/rng.ts";

const one = (id: number, parent: number | "", score: number, isKept = true): Relative => ({
  id: String(id),
  parent: String(parent),
  depth: parent === "" ? 0 : 1,
  score,
  isKept,
});

/** A forest of `count` nodes: each hangs on an earlier one, the first ten are roots. */
function forest(count: number): Relative[] {
  const random = (what: string, i: number) => rng(3).at(what, i).float();
  const family: Relative[] = [];
  for (let i = 0; i < count; i++) {
    const above = i < 10 ? undefined : family[Math.floor(random("parent", i) * i)]!;
    family.push({
      id: String(i),
      parent: above?.id ?? "",
      depth: (above?.depth ?? -1) + 1,
      score: i % 7 === 0 ? Number.NaN : random("score", i),
      isKept: random("kept", i) < 0.5,
    });
  }
  return family;
}

it("a small family stays as it is", () => {
  const family = forest(100);
  expect(telling(family, new Set(), 100)).toBe(family);
});

it("a large one keeps the path, then the kept, the better first, each with its ancestors", () => {
  const family = forest(5000);
  const path = ancestry(family, family[4321]);
  const shown = telling(family, path, 300);
  expect(shown.length).toBeLessThanOrEqual(300);
  expect(shown.length).toBeGreaterThan(290);
  const ids = new Set(shown.map(({ id }) => id));
  for (const id of path) expect(ids).toContain(id);
  for (const { parent } of shown) if (parent !== "") expect(ids).toContain(parent);
  expect(shown).toEqual(family.filter(({ id }) => ids.has(id)));
  const kept = family.filter(({ isKept, score }) => isKept && Number.isFinite(score));
  const best = kept.reduce((a, b) => (b.score > a.score ? b : a));
  expect(ids).toContain(best.id);
  const few = [one(0, "", 0.1), one(1, "", 0.9, false), one(2, "", 0.5), one(3, "", Number.NaN)];
  expect(telling(few, new Set(), 2).map(({ id }) => id)).toEqual(["0", "2"]);
});

it("a parent stands in the middle of its children, leaves one after the other", () => {
  const family = [one(0, "", 1), one(1, 0, 1), one(2, 0, 1), one(3, "", 1), one(4, 3, 1)];
  expect(Object.fromEntries(places(family))).toEqual({ 0: 0.5, 1: 0, 2: 1, 3: 2, 4: 2 });
});

it("chains longer than the stack, rings and ids that occur twice have places", () => {
  const chain = Array.from({ length: 100_000 }, (_, i) => one(i, i === 0 ? "" : i - 1, 1));
  expect(new Set(places(chain).values())).toEqual(new Set([0]));
  const ring = [one(0, 1, 1), one(1, 0, 1)];
  expect([...places(ring).values()].sort()).toEqual([0, 1]);
  const twice = [one(0, "", 1), one(1, 0, 1), one(0, 1, 1)];
  for (const at of places(twice).values()) expect(at).toBeTypeOf("number");
  for (const at of places(twice).values()) expect(Number.isFinite(at)).toBe(true);
});

it("charts of a huge search stay small, and say so", () => {
  const family = forest(60_000);
  const rows = family.map(({ isKept, ...row }) => ({ ...row, kept: isKept, generation: row.depth }));
  for (const drawn of [searchTree(rows), populationLineage(rows)]) {
    const text = JSON.stringify(drawn.spec);
    expect(text.length).toBeLessThan(200_000);
    expect(text).toMatch(/\d+ best of \d+/);
  }
  expect(searchTree(rows).description).toContain("60000 nodes");
  expect(mostRelatives).toBe(600);
});
