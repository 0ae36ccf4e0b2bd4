import { describe, expect, it } from "vitest";
import { isComplete } from "../../../kernel/cell/is-complete.ts";
import { isPlainlySound } from "../../../kernel/cell/plainly-sound.ts";

describe("is-complete", () => {
  it.each([
    "",
    "1 + 1",
    "const f = () => 1",
    "await x",
    "foo // bar",
    "`a`",
    "for (const a of b) {}",
    "/a+/.test(b)",
  ])("%j is complete", (code) => {
    expect(isComplete(code)).toEqual({ status: "complete" });
  });
  it.each([
    ["foo(", "  "],
    ["if (a) {", "  "],
    ["class A {\n  b() {", "    "],
    ["const x =", ""],
    ["a = 1;\nb = (2 +", ""],
    ["`abc", ""],
    ["/* c", ""],
    ["x.", ""],
    ["const f = () =>", "  "],
    ["function f() { // comment", "  "],
    ["`a ${ b", ""],
  ])("%j is incomplete", (code, indent) => {
    expect(isComplete(code)).toEqual({ status: "incomplete", indent });
  });
  it.each(["a b c", "}", "const = 1", '"abc', "/re", "1 +* 2", "if (a) }"])("%j is invalid", (code) => {
    expect(isComplete(code)).toEqual({ status: "invalid" });
  });
});

describe("cells without possible type errors", () => {
  const isKnown = (name: string): boolean => name === "known";
  it.each(["1 + 1", "-1 * 2".slice(1), '"text"', "known", "(1 + 2) / 3", "1; known"])(
    "%j needs no check",
    (code) => {
      expect(isPlainlySound(code, isKnown)).toBe(true);
    },
  );
  it.each(["unknown", "known.x", "known()", "1 + known", '1 - "a"', "let a = 1", "known = 2"])(
    "%j needs one",
    (code) => {
      expect(isPlainlySound(code, isKnown)).toBe(false);
    },
  );
});
