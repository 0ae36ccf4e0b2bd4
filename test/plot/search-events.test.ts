import { expect, it } from "vitest";
import { populationLineage, populationRows, searchTree, treeRows } from "../../src/plot/plot.ts";

const events = [
  { type: "born", lineage: [0], origin: "root", chunk: 0, step: 0 },
  { type: "born", lineage: [1], origin: "root", chunk: 0, step: 0 },
  { type: "scored", lineage: [0], score: 0.4, chunk: 1, stage: "scene" },
  { type: "scored", lineage: [1], score: 0.2, chunk: 1, stage: "scene" },
  { type: "pruned", lineages: [[1]], reason: "median" },
  { type: "born", lineage: [0, 0], parent: [0], origin: "fork", chunk: 1, step: 0 },
  { type: "scored", lineage: [0, 0], score: 0.7, chunk: 2, stage: "end" },
  { type: "best", lineage: [0, 0], score: 0.7 },
];

it("reads the tree out of a search's events", () => {
  expect(treeRows(events)).toEqual([
    { id: "0", parent: "", origin: "root", depth: 1, score: 0.4, kept: true },
    { id: "1", parent: "", origin: "root", depth: 1, score: 0.2, kept: false },
    { id: "0.0", parent: "0", origin: "fork", depth: 2, score: 0.7, kept: true },
  ]);
  expect(searchTree(treeRows(events)).description).toBe("Search tree of 3 nodes over 2 stages, 1 pruned.");
});

it("numbers generations by descent", () => {
  expect(populationRows(events).map((row) => row["generation"])).toEqual([0, 0, 1]);
  expect(populationLineage(populationRows(events)).description).toContain("3 candidates over 2 generations");
});

it("draws a lineage that runs in a circle instead of hanging on it", () => {
  const circle = [
    { id: "a", parent: "b", depth: 0, score: 1 },
    { id: "b", parent: "a", depth: 1, score: 2 },
  ];
  expect(searchTree(circle).svg()).toContain("<svg");
});
