/** Options that the types forbid: cells lose their types before they run, so strategies check them too. */
import { expect, test } from "vitest";
import { evoSearch, noiseMutation, resampling } from "../../src/search/evo-search.ts";
import { particleSampling } from "../../src/search/particle-sampling.ts";
import { treeOfFrames } from "../../src/search/tree-of-frames.ts";

/** As plain JavaScript would give it. */
const untyped = (value: unknown): never => value as never;

test.each<[string, () => unknown, string]>([
  [
    "a NaN lambda",
    () => particleSampling({ n: 2, lambda: Number.NaN }),
    '"lambda" must be at least 0: got NaN',
  ],
  ["a negative lambda", () => particleSampling({ n: 2, lambda: -5 }), '"lambda" must be at least 0: got -5'],
  [
    "an unknown potential",
    () => particleSampling({ n: 2, potential: untyped("sum") }),
    '"potential" must be one of "max", "add", "diff", "rt": got "sum"',
  ],
  [
    "an unknown look ahead",
    () => particleSampling({ n: 2, lookahead: untyped("far") }),
    '"lookahead" must be one of "prediction", "rollout": got "far"',
  ],
  [
    "a selection without bounds",
    () => resampling({ lambda: Number.POSITIVE_INFINITY }),
    '"lambda" must be at least 0: got Infinity',
  ],
  ["a mutation beyond all noise", () => noiseMutation({ rate: 1.5 }), '"rate" must lie in [0, 1]: got 1.5'],
  ["a mutation of negative scale", () => noiseMutation({ scale: -1 }), '"scale" must be at least 0: got -1'],
  [
    "unknown parents",
    () => evoSearch({ population: [2, 2], parents: untyped("best") }),
    '"parents" must be one of "all", "newest": got "best"',
  ],
  [
    "an unknown rule",
    () => treeOfFrames({ roots: 2, keep: untyped("half") }),
    '"keep" must be one of "mean", "median", "all": got "half"',
  ],
  [
    "a rule that keeps none",
    () => treeOfFrames({ roots: 2, keep: ["mean", 0] }),
    '"keep" must be a positive integer: got 0',
  ],
  ["no rule", () => treeOfFrames({ roots: 2, keep: [] }), '"keep" is an empty list'],
  [
    "an unknown rule for pictures",
    () => treeOfFrames({ roots: 2, image: { at: [1], keep: untyped("few") } }),
    '"keep" must be one of "mean", "median", "all": got "few"',
  ],
  [
    "an unknown heuristic",
    () => treeOfFrames({ roots: 2, heuristic: untyped("sum") }),
    '"heuristic" must be one of "cumulative", "last": got "sum"',
  ],
])("%s is refused by name", (_, make, message) => {
  expect(make).toThrow(RangeError);
  expect(make).toThrow(message);
});
