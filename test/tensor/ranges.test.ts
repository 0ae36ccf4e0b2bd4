import { describe, expect, it } from "vitest";
import {
  finite,
  notNegative,
  positive,
  positiveInteger,
  type Range,
  requireNumbers,
  share,
} from "../../src/tensor/ranges.ts";

const values = [-1, 0, 0.5, 1, 1.5, 2, 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];

describe("requireNumbers", () => {
  it.each<[string, Range, number[], string]>([
    ["positive integer", positiveInteger, [1, 2, 3], "be a positive integer"],
    ["integer from 2", { whole: true, least: 2 }, [2, 3], "be an integer of at least 2"],
    ["integer in a range", { whole: true, least: 0, most: 2 }, [0, 1, 2], "be an integer in [0, 2]"],
    ["positive", positive, [0.5, 1, 1.5, 2, 3], "be positive"],
    ["not negative", notNegative, [0, 0.5, 1, 1.5, 2, 3], "be at least 0"],
    ["share", share, [0, 0.5, 1], "lie in [0, 1]"],
    ["open below", { above: 0, most: 1 }, [0.5, 1], "lie in (0, 1]"],
    ["open above", { least: 0, below: 1 }, [0, 0.5], "lie in [0, 1)"],
    ["finite", finite, [-1, 0, 0.5, 1, 1.5, 2, 3], "be a finite number"],
    [
      "endless",
      { ...positiveInteger, endless: true },
      [1, 2, 3, Number.POSITIVE_INFINITY],
      "be a positive integer or Infinity",
    ],
  ])("holds values to a range: %s", (_, range, allowed, requirement) => {
    for (const value of values) {
      const check = () => requireNumbers("count", { sheep: value }, range);
      if (allowed.includes(value)) expect(check).not.toThrow();
      else
        expect(check).toThrow(new RangeError(`Cannot count as "sheep" must ${requirement}: got ${value}.`));
    }
  });

  it("names the first that is wrong, and the remedy", () => {
    expect(() => requireNumbers("count", { sheep: 2, goats: 0 }, positiveInteger, "Buy one.")).toThrow(
      new RangeError('Cannot count as "goats" must be a positive integer: got 0. Buy one.'),
    );
  });
});
