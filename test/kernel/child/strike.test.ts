/** Where a termination may strike: read from stacks as V8 gives them, innermost frame first. */
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { type StackFrame, standingOf } from "../../../kernel/child/strike.ts";
import { packageRoot } from "../../../kernel/package-root.ts";

const frame = (script: string, name = "f"): StackFrame => ({ script, name });
const cell = frame("cell[1].ts");
const module = frame("file:///training.js");
const timers = frame("node:internal/timers", "listOnTimeout");
const inspection = frame("node:internal/util/inspect", "formatValue");
const kernel = frame(new URL("kernel/child/channel.js", `${pathToFileURL(packageRoot).href}/`).href, "send");
const render = frame(new URL("kernel/child/render.js", `${pathToFileURL(packageRoot).href}/`).href, "render");

describe("standingOf", () => {
  it.each([
    ["user", "a cell", [cell, kernel, timers]],
    ["user", "a module of the user's in a timer", [module, timers]],
    ["user", "eval", [frame("eval"), timers]],
    ["inside", "Node's inspection that a cell asked for", [inspection, cell]],
    ["inside", "Node's inspection of a cell's value", [inspection, render, kernel]],
    ["away", "Node's timers that a cell sets", [timers, cell]],
    ["away", "Node's timers", [timers]],
    ["away", "the kernel's own output", [kernel, cell]],
    ["away", "an idle thread", []],
  ] as const)("is %s in %s", (standing, _, frames) => {
    expect(standingOf(frames)).toBe(standing);
  });
});
