/** Lines reach whichever watchdog listens, in every order of its beginning and end. */
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { watchdogLines } from "../../../kernel/front/watchdog-lines.ts";

/** A pipe with a watchdog that does what the test says. */
class Pipe extends Duplex {
  heard = "";
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.heard += chunk.toString();
    done();
  }
  override _read(): void {}
  /** The watchdog listens, or has taken `lines`. */
  async say(lines = 1): Promise<void> {
    this.push(".".repeat(lines));
    await new Promise((resolve) => setImmediate(resolve));
  }
  async endNow(): Promise<void> {
    this.destroy();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const INTERRUPT = '{"interrupt":"a"}\n';
const INPUT = '{"input":1,"value":"x"}\n';

function begin() {
  const pipes = [new Pipe(), new Pipe()] as const;
  return { first: pipes[0], second: pipes[1], lines: watchdogLines(pipes) };
}

describe("watchdogLines", () => {
  it("says a line at once to a watchdog that listens, and knows when it was taken", async () => {
    const { first, second, lines } = begin();
    await first.say();
    expect(lines.isHeard()).toBe(true);
    lines.say({ interrupt: "a" });
    expect(first.heard).toBe(INTERRUPT);
    expect(lines.isHeard()).toBe(false);
    await first.say();
    expect(lines.isHeard()).toBe(true);
    expect(second.heard).toBe("");
  });

  it("keeps what is said before the first one listens", async () => {
    const { first, lines } = begin();
    lines.say({ interrupt: "a" });
    lines.say({ input: 1, value: "x" });
    expect(first.heard).toBe("");
    expect(lines.isHeard()).toBe(false);
    await first.say();
    expect(first.heard).toBe(INTERRUPT + INPUT);
    await first.say(2);
    expect(lines.isHeard()).toBe(true);
  });

  it("says nothing to a pipe whose watchdog ended before it listened", async () => {
    const { first, second, lines } = begin();
    lines.say({ interrupt: "a" });
    await second.say();
    lines.say({ input: 1, value: "x" });
    expect(first.heard).toBe("");
    expect(second.heard).toBe(INTERRUPT + INPUT);
  });

  it("says once more to the second what the first had taken and may not have done", async () => {
    const { first, second, lines } = begin();
    await first.say();
    lines.say({ interrupt: "a" });
    await first.say();
    await first.endNow();
    expect(lines.isHeard()).toBe(false);
    lines.say({ input: 1, value: "x" });
    expect(first.heard).toBe(INTERRUPT);
    await second.say();
    expect(second.heard).toBe(INTERRUPT + INPUT);
  });

  it("does not take the end of the first, seen late, for that of the second", async () => {
    const { first, second, lines } = begin();
    await first.say();
    lines.say({ interrupt: "a" });
    await second.say();
    await first.say(); // Was on its way.
    expect(lines.isHeard()).toBe(false);
    await first.endNow();
    await second.say();
    expect(lines.isHeard()).toBe(true);
    lines.say({ input: 1, value: "x" });
    expect(second.heard).toBe(INTERRUPT + INPUT);
  });

  it("does not say to the second what was over before", async () => {
    const { first, second, lines } = begin();
    await first.say();
    lines.say({ interrupt: "a" });
    lines.forget();
    await first.endNow();
    await second.say();
    expect(second.heard).toBe("");
    expect(lines.isHeard()).toBe(true);
  });

  it("is not heard when both have ended", async () => {
    const { first, second, lines } = begin();
    for (const pipe of [first, second]) {
      await pipe.say();
      await pipe.endNow();
    }
    lines.say({ interrupt: "a" });
    expect(lines.isHeard()).toBe(false);
  });
});
