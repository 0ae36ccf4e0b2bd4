/** Sweeps: only what changed is computed, failures stay, stopping and crashing lose only what was in work. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { childProcesses, inProcess } from "../../src/lab/executor.ts";
import { openRun } from "../../src/lab/run.ts";
import { combinations, type SweepState, sweep } from "../../src/lab/sweep.ts";
import { readTask, taskHash, writeTask } from "../../src/lab/task-store.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-sweep-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const forcing = (name: string, shift: number) => Object.freeze({ name, shift });
const grid = { forcing: [forcing("teacher", 1), forcing("resampling", 0.6)], topK: [1, 5] };
const shown = (state: SweepState) =>
  (state as unknown as Record<symbol, () => Record<string, string>>)[Symbol.for("Jupyter.display")]!();

describe("a sweep", () => {
  it("takes every combination, the last setting fastest", () => {
    expect(combinations({ a: [1, 2], b: ["x", "y"] })).toEqual([
      { a: 1, b: "x" },
      { a: 1, b: "y" },
      { a: 2, b: "x" },
      { a: 2, b: "y" },
    ]);
  });

  it("computes each task once, shows progress, and reuses everything when run again", async () => {
    let calls = 0;
    const make = () =>
      sweep(
        grid,
        [0, 1],
        async ({ forcing, topK }, { seed }) => {
          calls++;
          return { score: forcing.shift + topK + seed / 10 };
        },
        { name: "once", root },
      );
    const counts: number[] = [];
    let last: SweepState | undefined;
    for await (const state of make()) {
      counts.push(state.done);
      last = state;
    }
    expect(counts).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(calls).toBe(8);
    expect(last!.rows[0]).toMatchObject({ forcing: "teacher", topK: "1", seed: 0, score: 2 });
    expect(last!.table()!.lines.map((line) => line.names)).toEqual([
      ["teacher", "1"],
      ["teacher", "5"],
      ["resampling", "1"],
      ["resampling", "5"],
    ]);
    const again = await make().finish();
    expect([again.done, again.reused, calls]).toEqual([8, 8, 8]);
    expect(again.rows).toEqual(last!.rows);
    expect(shown(again)["text/plain"]).toContain("once: 8 of 8 tasks, 8 reused");
  });

  it("computes only what changed: a new value, a new seed, another task", async () => {
    const ran: string[] = [];
    const task = async ({ x }: { readonly x: number }, { seed }: { seed: number }) => {
      ran.push(`${x}/${seed}`);
      return { score: x * 2 };
    };
    await sweep({ x: [1, 2] }, [0], task, { name: "diff", root }).finish();
    await sweep({ x: [1, 2, 3] }, [0, 1], task, { name: "diff", root }).finish();
    expect(ran).toEqual(["1/0", "2/0", "1/1", "2/1", "3/0", "3/1"]);
    await sweep({ x: [1] }, [0], task, { name: "diff", root, version: "2" }).finish();
    expect(ran.length).toBe(7);
  });

  it("shows results of an earlier version as stale, without running, until they are replaced", async () => {
    await sweep({ x: [1, 2] }, [0], async ({ x }) => ({ score: x }), { name: "stale", root }).finish();
    const changed = sweep({ x: [1, 2, 3] }, [0], async ({ x }) => ({ score: x + 100 }), {
      name: "stale",
      root,
    });
    const before = changed.peek();
    expect([before.stale, before.done, before.rows.length]).toEqual([2, 0, 2]);
    expect(before.rows[0]).toMatchObject({ score: 1, stale: true });
    expect(shown(before)["text/html"]).toContain(
      "Stale: 2 of 3 results come from an earlier version of this cell",
    );
    const after = await changed.finish();
    expect([after.stale, after.done]).toEqual([0, 3]);
    expect(after.rows.map((row) => row["score"])).toEqual([101, 102, 103]);
    expect(after.rows[0]).not.toHaveProperty("stale");
  });

  it("keeps and shows a failing task, goes on with the others, and tries it again next time", async () => {
    let isBroken = true;
    const make = () =>
      sweep(
        { x: [1, 2, 3] },
        [0],
        async ({ x }) => {
          if (x === 2 && isBroken) throw new Error("out of memory\nat somewhere");
          return { score: x };
        },
        { name: "failing", root },
      );
    const first = await make().finish();
    expect([first.done, first.failed]).toEqual([2, 1]);
    expect(first.tasks[1]).toMatchObject({ status: "failed" });
    expect(first.tasks[1]!.error).toContain("out of memory");
    expect(shown(first)["text/plain"]).toContain("failed: 2, seed 0: Error: out of memory");
    isBroken = false;
    const second = await make().finish();
    expect([second.done, second.failed, second.reused]).toEqual([3, 0, 2]);
  });

  it("stops when told to, and continues where it was", async () => {
    const stop = new AbortController();
    let calls = 0;
    const task = async ({ x }: { readonly x: number }) => {
      calls++;
      return { score: x };
    };
    const options = { name: "stopped", root };
    let last: SweepState | undefined;
    for await (const state of sweep({ x: [1, 2, 3, 4] }, [0], task, { ...options, signal: stop.signal })) {
      last = state;
      if (state.done === 2) stop.abort();
    }
    expect([last!.isStopped, last!.done, calls]).toEqual([true, 2, 2]);
    expect(shown(last!)["text/plain"]).toContain("stopped: run the cell to continue");
    const rest = await sweep({ x: [1, 2, 3, 4] }, [0], task, options).finish();
    expect([rest.done, rest.reused, calls]).toEqual([4, 2, 4]);
  });

  it("leaves nothing running after break", async () => {
    let aborted = false;
    const task = (_: unknown, { signal }: { signal: AbortSignal }) =>
      new Promise<{ score: number }>((done) => {
        signal.addEventListener("abort", () => {
          aborted = true;
        });
        setTimeout(() => done({ score: 1 }), 20);
      });
    for await (const state of sweep({ x: [1, 2, 3] }, [0], task, {
      name: "break",
      root,
      executor: inProcess({ slots: 2 }),
    })) {
      if (state.done === 1) break;
    }
    expect(aborted).toBe(true);
  });

  it("appends its rows to a run, failures included, numbers that are not finite included", async () => {
    const run = await openRun("ablation", {}, { root });
    const task = async ({ x }: { readonly x: number }) => {
      if (x === 3) throw new Error("no");
      return { score: x === 2 ? Number.NaN : x };
    };
    const state = await sweep({ x: [1, 2, 3] }, [7], task, { name: "rows", root, run }).finish();
    expect(run.rows("sweep").map((row) => [row["x"], row["seed"], row["score"]])).toEqual([
      ["1", 7, 1],
      ["2", 7, Number.NaN],
      ["3", 7, undefined],
    ]);
    expect(readTask(root, state.tasks[1]!.hash)!.rows).toEqual([{ score: Number.NaN }]);
  });

  it("refuses empty axes and cells that cannot be told apart", () => {
    const task = async () => ({ score: 1 });
    expect(() => sweep({ x: [] }, [0], task, { root })).toThrow('Cannot sweep over "x" as it has no values');
    expect(() => sweep({ x: [1] }, [], task, { root })).toThrow('Cannot sweep over "seeds"');
    expect(() => sweep({ x: [{ a: 1 }, { a: 1 }] }, [0], task, { root }).peek()).toThrow(
      "two tasks cannot be told apart",
    );
  });
});

describe("stored results", () => {
  const result = (rows: readonly { score: number }[]) => ({
    hash: taskHash({ x: 1 }, 0, "t", ""),
    rows,
    seconds: 1,
    finished: "",
  });

  it("of two processes finishing the same task keep the first, and tell when they differ", () => {
    expect(writeTask(root, result([{ score: 1 }]))).toBe("stored");
    expect(writeTask(root, { ...result([{ score: 1 }]), seconds: 9 })).toBe("same");
    expect(writeTask(root, result([{ score: 2 }]))).toBe("conflict");
    const { hash } = result([]);
    expect(readTask(root, hash)!.rows).toEqual([{ score: 1 }]);
    expect(readdirSync(join(root, "tasks", hash.slice(0, 2))).some((name) => name.includes("conflict"))).toBe(
      true,
    );
  });

  it("that were damaged or edited are computed again", () => {
    const { hash } = result([]);
    const path = join(root, "tasks", hash.slice(0, 2), `${hash}.json`);
    const whole = readFileSync(path, "utf8");
    writeFileSync(path, whole.replace('"score":1', '"score":5'));
    expect(readTask(root, hash)).toBe(undefined);
    writeFileSync(path, whole.slice(0, 30));
    expect(readTask(root, hash)).toBe(undefined);
    expect(writeTask(root, result([{ score: 1 }]))).toBe("stored");
    expect(readTask(root, hash)!.rows).toEqual([{ score: 1 }]);
  });

  it("have hashes that see the objects, the seed and the code", () => {
    const base = taskHash({ forcing: forcing("a", 1) }, 0, "code", "");
    expect(taskHash({ forcing: { shift: 1, name: "a" } }, 0, "code", "")).toBe(base);
    for (const other of [
      taskHash({ forcing: forcing("a", 2) }, 0, "code", ""),
      taskHash({ forcing: forcing("a", 1) }, 1, "code", ""),
      taskHash({ forcing: forcing("a", 1) }, 0, "code!", ""),
      taskHash({ forcing: forcing("a", 1) }, 0, "code", "2"),
    ]) {
      expect(other).not.toBe(base);
    }
  });
});

describe("child processes", () => {
  const built = existsSync(join(packageRoot, "dist/src/lab/sweep-worker.js"));
  let module: string;
  beforeAll(() => {
    module = join(root, "task.mjs");
    writeFileSync(
      module,
      `export const task = async ({ x }, { seed }) => {
         if (x === "crash") process.kill(process.pid, "SIGKILL");
         if (x === "throw") throw new Error("told to");
         if (x === "slow") await new Promise((done) => setTimeout(done, 60_000));
         return [{ score: x * 10 + seed, pid: process.pid }, { score: NaN }];
       };`,
    );
  });

  it("run tasks elsewhere, survive a crash and an exception, and return NaN whole", async () => {
    expect(built).toBe(true);
    const executor = childProcesses({ module, slots: 2 });
    const never = async () => ({ score: -1 });
    const state = await sweep({ x: [1, "crash", 2, "throw", 3] }, [0], never, {
      name: "children",
      root,
      executor,
    }).finish();
    expect(state.tasks.map((task) => task.status)).toEqual(["done", "failed", "done", "failed", "done"]);
    expect(state.tasks[1]!.error).toBe("The worker process ended (SIGKILL) before the task did.");
    expect(state.tasks[3]!.error).toContain("told to");
    expect(state.tasks[4]!.rows.map((row) => row["score"])).toEqual([30, Number.NaN]);
    expect(state.tasks[0]!.rows[0]!["pid"]).not.toBe(process.pid);
  });

  it("stop at once", async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 300);
    const start = performance.now();
    const executor = childProcesses({ module, slots: 1 });
    const state = await sweep({ x: ["slow"] }, [0], async () => ({ score: 0 }), {
      name: "slow",
      root,
      executor,
      signal: stop.signal,
    }).finish();
    expect(state.isStopped).toBe(true);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("refuse settings that cannot travel", async () => {
    const executor = childProcesses({ module, slots: 1 });
    const settings = { x: [{ run: () => 1 }] };
    await expect(
      sweep(settings, [0], async () => ({ score: 0 }), { name: "fn", root, executor }).finish(),
    ).rejects.toThrow("Cannot send the settings to another process as they must be plain JSON");
    expect(() => childProcesses({ module: "/nowhere.mjs" })).toThrow("it does not exist");
  });
});
