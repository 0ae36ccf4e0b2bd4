import { describe, expect, test } from "vitest";
import { someOf, whole, wholes } from "../../src/cli/option-values.ts";

describe("values of options", () => {
  test("are numbers, not texts", () => {
    expect(whole()("0")).toBe(0);
    expect(whole(1)("1e3")).toBe(1000);
    expect(wholes("0,2,11")).toEqual([0, 2, 11]);
    expect(someOf(["a", "b", "c"])("c,a")).toEqual(["c", "a"]);
  });

  test.each(["", " ", "abc", "1.5", "-1", "NaN", "Infinity", "1e99", "2x"])(
    "refuse %j as a whole number",
    (text) => {
      expect(() => whole()(text)).toThrow("Give a whole number of at least 0.");
    },
  );

  test("refuse what is unknown or named twice", () => {
    expect(() => someOf(["a", "b"])("a,d")).toThrow('There is no "d". Choose from a, b.');
    expect(() => someOf(["a", "b"])("a,a")).toThrow("Name each once.");
    expect(() => wholes("1,,2")).toThrow("Give a whole number");
    expect(() => wholes("1,1")).toThrow("Name each once.");
  });
});
