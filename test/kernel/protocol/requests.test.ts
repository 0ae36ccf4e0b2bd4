import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toCodePoints, toUtf16 } from "../../../kernel/protocol/code-points.ts";
import { history } from "../../../kernel/protocol/history.ts";
import {
  commOpen,
  cursorRequest,
  executeRequest,
  historyRequest,
} from "../../../kernel/protocol/requests.ts";

describe("requests", () => {
  it("fills in the defaults of the specification", () => {
    expect(executeRequest({ code: "1" })).toEqual({
      code: "1",
      silent: false,
      storesHistory: true,
      userExpressions: {},
      allowsStdin: false,
      stopsOnError: true,
    });
  });
  it("never stores a silent request", () => {
    expect(executeRequest({ code: "", silent: true, store_history: true }).storesHistory).toBe(false);
  });
  it("takes the end of the code where no cursor is given", () => {
    expect(cursorRequest({ code: "abc" })).toEqual({ code: "abc", cursor: 3, detail: 0 });
  });
  it("reads any JSON without throwing", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (content) => {
        expect(typeof executeRequest(content).code).toBe("string");
        expect(cursorRequest(content).cursor).toBeGreaterThanOrEqual(0);
        expect(Array.isArray(history().select(historyRequest(content)))).toBe(true);
        expect(typeof commOpen(content).id).toBe("string");
      }),
    );
  });
});

describe("code points", () => {
  it.each([
    ["abc", 2, 2],
    ["a😀b", 2, 3],
    ["😀", 5, 2],
    ["", 3, 0],
  ])("places code point %s:%i at UTF-16 offset %i", (text, point, offset) => {
    expect(toUtf16(text, point)).toBe(offset);
  });
  it("goes there and back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 12 }), fc.nat(20), (text, point) => {
        const offset = toUtf16(text, point);
        expect(toCodePoints(text, offset)).toBe(Math.min(point, Array.from(text).length));
      }),
    );
  });
});

describe("history", () => {
  const past = history();
  ["a = 1", "b = 2", "a = 1", "print(b)"].forEach((input, at) => {
    past.add({ line: at + 1, input, output: at === 3 ? "2" : null });
  });
  const select = (content: Record<string, unknown>): unknown[] => past.select(historyRequest(content));
  it("gives the tail", () => {
    expect(select({ hist_access_type: "tail", n: 2 })).toEqual([
      [0, 3, "a = 1"],
      [0, 4, "print(b)"],
    ]);
  });
  it("gives a range of this session, and nothing of others", () => {
    expect(select({ hist_access_type: "range", session: 0, start: 2, stop: 4 })).toEqual([
      [0, 2, "b = 2"],
      [0, 3, "a = 1"],
    ]);
    expect(select({ hist_access_type: "range", session: -1, start: 0, stop: 9 })).toEqual([]);
  });
  it("searches by glob, once per text where asked", () => {
    expect(select({ hist_access_type: "search", pattern: "a*" })).toHaveLength(2);
    expect(select({ hist_access_type: "search", pattern: "? = 1", unique: true, n: 5 })).toEqual([
      [0, 3, "a = 1"],
    ]);
    expect(select({ hist_access_type: "search", pattern: "(" })).toEqual([]);
  });
  it("adds outputs on demand", () => {
    expect(select({ hist_access_type: "tail", n: 1, output: true })).toEqual([[0, 4, ["print(b)", "2"]]]);
  });
  it("holds no more than its capacity", () => {
    const short = history({ capacity: 3 });
    for (let line = 1; line <= 10; line++) short.add({ line, input: String(line), output: null });
    expect(short.select(historyRequest({ hist_access_type: "tail" }))).toHaveLength(3);
  });
});
