/** Prints stand still at their end, and only while the watchdog looks for a moment to strike. */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { dwellingConsole } from "../../../kernel/child/dwell.ts";
import { SHARED_BYTES, Shared } from "../../../kernel/child/frames.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

function begin() {
  const shared = new Int32Array(new SharedArrayBuffer(SHARED_BYTES));
  let text = "";
  const stdout = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      done();
    },
  });
  const printing = dwellingConsole(new Console({ stdout, stderr: stdout }), shared);
  const seen: string[] = [];
  vi.spyOn(Atomics, "wait").mockImplementation(() => {
    seen.push(text);
    return "timed-out";
  });
  return { shared, printing, seen, text: () => text };
}

describe("dwellingConsole", () => {
  it("prints as ever, at once, while nothing is stopped", () => {
    const { printing, seen, text } = begin();
    printing.log("a %d", 1);
    printing.error("b");
    printing.dir({ c: 1 });
    expect(text()).toBe("a 1\nb\n{ c: 1 }\n");
    expect(seen).toEqual([]);
    expect(printing.log.name).toBe("log");
  });

  it("stands still while the watchdog looks, when all is written", () => {
    const { shared, printing, seen, text } = begin();
    Atomics.store(shared, Shared.PURSUED, 1);
    printing.log("a");
    printing.warn("b");
    expect(seen).toEqual(["a\n", "a\nb\n"]);
    Atomics.store(shared, Shared.PURSUED, 0);
    printing.log("c");
    expect(seen.length).toBe(2);
    expect(text()).toBe("a\nb\nc\n");
  });

  it("stands still no longer than a look or two take", () => {
    const shared = new Int32Array(new SharedArrayBuffer(SHARED_BYTES));
    Atomics.store(shared, Shared.PURSUED, 1);
    const printing = dwellingConsole(
      new Console({ stdout: new Writable({ write: (_, __, done) => done() }) }),
      shared,
    );
    printing.log("a"); // Comes back though nobody ends the look.
    expect(Atomics.load(shared, Shared.PURSUED)).toBe(1);
  });
});
