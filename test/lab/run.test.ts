/** The run store: safe at any byte, many writers, attach and follow, artifacts, ledgers, bad input. */
import { execFileSync, spawn } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { blobPath } from "../../src/lab/blobs.ts";
import { encodeRow, jsonlReader } from "../../src/lab/jsonl.ts";
import { attachRun, openRun } from "../../src/lab/run.ts";
import {
  collectGarbage,
  compareRuns,
  damagedRuns,
  deleteRun,
  listRuns,
  missingBlobs,
} from "../../src/lab/store.ts";
import type { Row } from "../../src/plot/row.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-runs-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const rowFile = (folder: string, kind: string) =>
  join(folder, "rows", readdirSync(join(folder, "rows")).find((name) => name.startsWith(`${kind}.`))!);

describe("a run", () => {
  it("records what was configured, with which code, on which machine", async () => {
    const schedule = function shifted() {
      return 3;
    };
    const run = await openRun(
      "Rf Mini",
      { forcing: { name: "resampling", shift: 0.6, schedule }, seed: 7 },
      { root },
    );
    expect(run.id).toBe("rf-mini-0001");
    expect(run.config).toMatchObject({
      forcing: { name: "resampling", shift: 0.6, schedule: { $function: "shifted" } },
    });
    expect(run.manifest.seeds).toEqual([7]);
    expect(run.manifest.code.lockfileHash).toMatch(/^[0-9a-f]{64}$/);
    expect(run.manifest.machine.node).toBe(process.version);
    expect(JSON.parse(readFileSync(run.path("run.json"), "utf8"))).toEqual(
      JSON.parse(JSON.stringify(run.manifest)),
    );
  });

  it("is new with a configuration, and the newest of its name without", async () => {
    const first = await openRun("twice", { a: 1 }, { root });
    const second = await openRun("twice", { a: 2 }, { root });
    expect([first.id, second.id]).toEqual(["twice-0001", "twice-0002"]);
    expect((await openRun("twice", undefined, { root })).id).toBe("twice-0002");
    expect(attachRun("twice-0001", { root }).config).toEqual({ a: 1 });
    expect((await openRun("fresh", undefined, { root })).id).toBe("fresh-0001");
  });

  it("gives back the rows it was given, numbers that are not finite included", async () => {
    const run = await openRun("rows", {}, { root });
    const rows = [
      { step: 1, loss: 0.5, note: 'größe\n"x"' },
      { step: 2, loss: Number.NaN, note: null },
      { step: 3, loss: Number.NEGATIVE_INFINITY, ok: true },
    ];
    run.append("train", rows[0]!);
    run.append("train", rows.slice(1));
    expect(run.rows("train")).toEqual(rows);
    expect(attachRun(run.id, { root }).rows("train")).toEqual(rows);
    expect(run.rows("nothing")).toEqual([]);
    expect(() => run.append("train", { _t: 1 })).toThrow('Cannot store the column "_t"');
    expect(() => run.append("../x", {})).toThrow("Cannot keep rows of kind");
  });

  it("reads more new rows at once than a call takes arguments", async () => {
    const run = await openRun("long", { seed: 0 }, { root });
    run.append("train", { step: 0 });
    const more = Array.from({ length: 200_000 }, (_, i) => JSON.stringify({ _t: Date.now(), step: i + 1 }));
    appendFileSync(rowFile(run.path(), "train"), `${more.join("\n")}\n`);
    const rows = attachRun(run.id, { root }).rows("train");
    expect(rows).toHaveLength(200_001);
    expect(rows.at(-1)!["step"]).toBe(200_000);
  });

  it("adds up what was spent", async () => {
    const run = await openRun("ledger", {}, { root });
    run.spend({ nfe: 128, calls: 16, verifierCalls: 4, seconds: 1.5 }, "linear");
    run.spend({ nfe: 64, seconds: 0.5 }, "tree");
    expect(run.cost()).toEqual({
      nfe: 192,
      calls: 16,
      forwards: 0,
      cacheWrites: 0,
      verifierCalls: 4,
      seconds: 2,
    });
  });

  it("says its state in a notebook", async () => {
    const run = await openRun("shown", {}, { root });
    run.append("train", { step: 1 });
    run.tag("paper", "draft");
    run.untag("draft");
    run.finish();
    expect(run.status()).toBe("finished");
    expect(run.tags()).toEqual(["paper"]);
    expect(run[Symbol.for("Jupyter.display")]!()["text/plain"]).toContain(
      "rows: 1 train; artifacts: 0; NFE: 0",
    );
  });
});

describe("a kill at any byte", () => {
  it("keeps every earlier row and reports the torn one", async () => {
    const run = await openRun("killed", {}, { root });
    const rows = Array.from({ length: 12 }, (_, i) => ({ step: i, text: "é".repeat(i), loss: i / 3 }));
    run.append("train", rows);
    const whole = readFileSync(rowFile(run.path(), "train"));
    const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at + 1);
    for (let cut = 0; cut <= whole.length; cut += 3) {
      const path = join(root, "cut.jsonl");
      writeFileSync(path, whole.subarray(0, cut));
      const reader = jsonlReader(path);
      const complete = ends.filter((end) => end <= cut).length;
      expect(reader.read().length).toBe(complete);
      const isTorn = cut > (ends[complete - 1] ?? 0);
      expect(reader.problems().length).toBe(isTorn ? 1 : 0);
      if (isTorn) expect(reader.problems()[0]!.problem).toContain("torn last line");
    }
  });

  it("a really killed process loses nothing that append returned from", async () => {
    const run = await openRun("sigkill", {}, { root });
    const file = join(run.path(), "rows", "train.killed.jsonl");
    const script = `
      import { appendFileSync } from "node:fs";
      for (let i = 0; ; i++) { appendFileSync(${JSON.stringify(file)}, JSON.stringify({ i, _t: i }) + "\\n"); process.stdout.write(i + "\\n"); }`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
    let said = -1;
    await new Promise<void>((done) => {
      child.stdout.on("data", (data: Buffer) => {
        const lines = data.toString().trim().split("\n");
        said = Math.max(said, Number(lines.at(-1)));
        if (said > 200) child.kill("SIGKILL");
      });
      child.on("close", () => done());
    });
    const rows = run.rows("train");
    expect(rows.length).toBeGreaterThan(said);
    expect(rows.map((row) => row["i"])).toEqual(rows.map((_, i) => i));
  });

  it("reads on past damaged lines and names them", async () => {
    const run = await openRun("damaged", {}, { root });
    run.append("train", { step: 1 });
    appendFileSync(rowFile(run.path(), "train"), "{broken\n\0\0\0\n[1,2]\n");
    run.append("train", { step: 2 });
    expect(run.rows("train")).toEqual([{ step: 1 }, { step: 2 }]);
    expect(run.problems().map((problem) => problem.problem)).toEqual([
      "line does not parse: {broken",
      "line does not parse: \\0\\0\\0",
      "line does not parse: [1,2]",
    ]);
    expect(damagedRuns({ root }).filter((one) => one.id === run.id).length).toBe(3);
  });

  it("begins again when a file was replaced by a shorter one", async () => {
    const run = await openRun("replaced", {}, { root });
    run.append("train", [{ step: 1 }, { step: 2 }]);
    const path = rowFile(run.path(), "train");
    const reader = jsonlReader(path);
    expect(reader.read().length).toBe(2);
    truncateSync(path, 0);
    writeFileSync(path, encodeRow({ step: 9 }));
    expect(reader.read()).toEqual([{ step: 9 }]);
  });
});

describe("many writers", () => {
  it("do not disturb each other, and each keeps its order", async () => {
    const run = await openRun("many", {}, { root });
    const others = [attachRun(run.id, { root }), attachRun(run.id, { root }), run];
    for (let i = 0; i < 30; i++) for (const [w, writer] of others.entries()) writer.append("train", { w, i });
    const rows = run.rows("train");
    expect(rows.length).toBe(90);
    for (let w = 0; w < 3; w++) {
      expect(rows.filter((row) => row["w"] === w).map((row) => row["i"])).toEqual(
        Array.from({ length: 30 }, (_, i) => i),
      );
    }
  });

  it("keep their order when the clock jumps back", async () => {
    const run = await openRun("clock", {}, { root });
    vi.useFakeTimers({ now: 2_000_000, toFake: ["Date"] });
    run.append("train", { step: 1 });
    vi.setSystemTime(1_000);
    run.append("train", { step: 2 });
    vi.useRealTimers();
    run.append("train", { step: 3 });
    expect(
      attachRun(run.id, { root })
        .rows("train")
        .map((row) => row["step"]),
    ).toEqual([1, 2, 3]);
  });

  it("number their runs apart when they start at once", async () => {
    const runs = await Promise.all(Array.from({ length: 8 }, () => openRun("race", {}, { root })));
    expect(new Set(runs.map((run) => run.id)).size).toBe(8);
  });
});

describe("following", () => {
  it("yields old rows, then new ones, and ends when the run is finished", async () => {
    const run = await openRun("followed", {}, { root });
    run.append("train", { step: 0 });
    const seen: unknown[] = [];
    const watching = (async () => {
      for await (const row of attachRun(run.id, { root }).follow("train")) seen.push(row["step"]);
    })();
    for (let step = 1; step <= 5; step++) {
      await new Promise((done) => setTimeout(done, 20));
      run.append("train", { step });
    }
    run.finish();
    await watching;
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("stops at once when told to", async () => {
    const run = await openRun("stopped", {}, { root });
    const stop = new AbortController();
    const watching = (async () => {
      for await (const _ of run.follow("train", { signal: stop.signal }));
    })();
    setTimeout(() => stop.abort(), 30);
    const start = performance.now();
    await watching;
    expect(performance.now() - start).toBeLessThan(200);
  });
});

describe("artifacts", () => {
  it("are stored once, read back, and found out when damaged or missing", async () => {
    const run = await openRun("artifacts", {}, { root });
    const first = run.artifact("a.txt", "hello");
    const second = run.artifact("b.txt", "hello");
    expect(second.sha256).toBe(first.sha256);
    expect(first.media).toBe("text/plain");
    expect(run.read("a.txt").toString()).toBe("hello");
    const path = blobPath(root, first.sha256);
    writeFileSync(path, "hellO");
    expect(() => run.read("a.txt")).toThrow("the blob was damaged");
    rmSync(path);
    expect(() => run.read("a.txt")).toThrow("its blob is missing");
    expect(missingBlobs({ root }).map((one) => one.name)).toEqual(["a.txt", "b.txt"]);
    expect(() => run.read("c.txt")).toThrow('has no artifact of that name: it has "a.txt", "b.txt"');
  });

  it("go with garbage collection once no run refers to them, not before", async () => {
    const own = mkdtempSync(join(tmpdir(), "zoetrope-gc-"));
    const kept = await openRun("kept", {}, { root: own });
    const gone = await openRun("gone", {}, { root: own });
    kept.artifact("x", "shared");
    gone.artifact("x", "shared");
    gone.artifact("y", "alone");
    deleteRun(gone.id, { root: own });
    expect(collectGarbage({ root: own })).toEqual({ blobs: 0, bytes: 0 });
    expect(collectGarbage({ root: own, graceSeconds: 0, isDryRun: true })).toEqual({ blobs: 1, bytes: 5 });
    expect(collectGarbage({ root: own, graceSeconds: 0 })).toEqual({ blobs: 1, bytes: 5 });
    expect(collectGarbage({ root: own, graceSeconds: 0 }).blobs).toBe(0);
    expect(kept.read("x").toString()).toBe("shared");
    const broken = await openRun("broken", {}, { root: own });
    const lost = await openRun("lost", {}, { root: own });
    broken.artifact("z", "still wanted");
    lost.artifact("z", "wanted too");
    writeFileSync(broken.path("run.json"), "{");
    rmSync(lost.path("run.json"));
    expect(collectGarbage({ root: own, graceSeconds: 0 }).blobs).toBe(0);
    expect(() => deleteRun("gone-0001", { root: own })).toThrow('Cannot delete the run "gone-0001"');
    rmSync(own, { recursive: true });
  });
});

describe("all runs", () => {
  it("are listed by name and tag, without the archived, and survive a damaged neighbour", async () => {
    const own = mkdtempSync(join(tmpdir(), "zoetrope-list-"));
    const a = await openRun("a", {}, { root: own });
    const b = await openRun("b", {}, { root: own });
    const c = await openRun("c", {}, { root: own });
    a.tag("x");
    b.archive();
    writeFileSync(c.path("run.json"), "{");
    expect(listRuns({ root: own }).map((run) => run.id)).toEqual(["a-0001"]);
    expect(listRuns({ root: own, includesArchived: true }).map((run) => run.id)).toEqual([
      "a-0001",
      "b-0001",
    ]);
    expect(listRuns({ root: own, tag: "x" }).length).toBe(1);
    expect(damagedRuns({ root: own })[0]!.problem).toContain("its run.json does not parse");
    rmSync(own, { recursive: true });
  });

  it("compare by setting and by paired difference", async () => {
    const a = await openRun("cmp", { forcing: { shift: 0.6 }, steps: 8 }, { root });
    const b = await openRun("cmp", { forcing: { shift: 3 }, steps: 8 }, { root });
    for (let seed = 0; seed < 6; seed++) {
      a.append("search", { prompt: "p", seed, score: seed / 10 });
      b.append("search", { prompt: "p", seed, score: seed / 10 + 0.2 });
    }
    const comparison = compareRuns(a, b, { metrics: ["score"] });
    expect(comparison.config).toEqual([{ setting: "forcing.shift", a: 0.6, b: 3 }]);
    expect(comparison.metrics[0]).toMatchObject({ metric: "score", pairs: 6 });
    expect(comparison.metrics[0]!.estimate).toBeCloseTo(0.2, 10);
    expect([comparison.metrics[0]!.a, comparison.metrics[0]!.b].map((mean) => mean.toFixed(2))).toEqual([
      "0.25",
      "0.45",
    ]);
    const bundle = comparison[Symbol.for("Jupyter.display")]!();
    expect(bundle["text/plain"]).toContain("forcing.shift: 0.6 -> 3");
    expect(bundle["text/html"]).toContain("<tr><td>forcing.shift</td><td>0.6</td><td>3</td></tr>");
    expect(bundle["text/html"]).toMatch(
      /<td>score<\/td><td>0.25<\/td><td>0.45<\/td><td>0.2 \[0.2, 0.2\]<\/td>/,
    );
  });
});

describe("the store as a whole", () => {
  it("returns any rows that were appended, in order, whatever they contain", async () => {
    const cell = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.integer());
    const column = fc
      .string({ minLength: 1 })
      .filter((name) => !name.startsWith("_") && name !== "__proto__");
    const rows = fc.array(fc.dictionary(column, cell, { maxKeys: 5 }), { maxLength: 20 });
    const run = await openRun("property", {}, { root });
    let kind = 0;
    fc.assert(
      fc.property(rows, (given) => {
        const name = `k${kind++}`;
        const plain = given.map((row) => ({ ...row })) as Row[];
        run.append(name, plain);
        // JSON has no negative zero.
        const expected = plain.map((row) =>
          Object.fromEntries(
            Object.entries(row).map(([key, value]) => [key, Object.is(value, -0) ? 0 : value]),
          ),
        );
        expect(run.rows(name)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it("can be copied elsewhere and read there", async () => {
    const run = await openRun("moved", { a: 1 }, { root });
    run.append("train", { step: 1 });
    const elsewhere = mkdtempSync(join(tmpdir(), "zoetrope-moved-"));
    cpSync(root, elsewhere, { recursive: true });
    expect(attachRun(run.id, { root: elsewhere }).rows("train")).toEqual([{ step: 1 }]);
    rmSync(elsewhere, { recursive: true });
  });

  it("is plain files that any tool can read", async () => {
    const run = await openRun("plain", {}, { root });
    run.append("train", { step: 1, loss: 0.25 });
    const line = execFileSync("head", ["-n", "1", rowFile(run.path(), "train")], { encoding: "utf8" });
    expect(JSON.parse(line)).toMatchObject({ step: 1, loss: 0.25 });
  });
});
