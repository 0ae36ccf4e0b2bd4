/** The stop button: every kind of stuck code, variables kept, the kernel responsive meanwhile and sound afterwards. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Execution, RawClient, UNCHECKED } from "../raw-client.ts";

let client: RawClient;
beforeAll(async () => {
  client = await RawClient.start({ env: UNCHECKED });
  await client.execute("let kept = 123;");
});
afterAll(() => client.stop());

/** The print tells that the cell has got there; then it is stopped after `delay` ms. */
async function stop(code: string, delay = 30): Promise<{ outcome: Execution; took: number }> {
  const id = await client.executeLater(`console.log("begun");\n${code}`);
  await client.until(() =>
    client.iopub.some(({ type, parent }) => type === "stream" && parent["msg_id"] === id),
  );
  await new Promise((resolve) => setTimeout(resolve, delay));
  const started = performance.now();
  await client.interrupt();
  const outcome = await client.outcome(id, 15_000);
  return { outcome, took: performance.now() - started };
}

/**
 * Timers, immediates, ticks, file system promises, intervals and the variables work as if nothing had been, and the event
 * loop sleeps when there is nothing to do: an immediate that Node believes to be waiting keeps it turning.
 */
const HEALTH = `const fsp = require("node:fs/promises");
const { eventLoopUtilization } = performance, before = eventLoopUtilization();
await new Promise((r) => setTimeout(r, 20));
const { utilization } = eventLoopUtilization(before);
if (utilization > 0.9) throw new Error("the event loop does not rest: " + utilization);
await new Promise((r) => setTimeout(r, 1));
await new Promise((r) => setImmediate(r));
await new Promise((r) => process.nextTick(r));
await fsp.readFile("/dev/null");
await new Promise((r) => { const i = setInterval(() => { clearInterval(i); r(0); }, 1); });
kept`;

async function healthy(): Promise<void> {
  const { error, result } = await client.execute(HEALTH);
  expect(error).toBeUndefined();
  expect(result?.["data"]).toEqual({ "text/plain": "123" });
}

const FOR_EVER = "await new Promise(() => {});";
const STUCK: readonly (readonly [string, string])[] = [
  ["a loop", "while (true) {}"],
  ["a loop that catches all", "while (true) { try { for (;;) {} } catch {} }"],
  ["Atomics.wait", "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);"],
  ["a loop after an await", "await new Promise((r) => setTimeout(r, 5)); while (true) {}"],
  ["a loop in a timer", "await new Promise(() => setTimeout(() => { while (true) {} }, 5));"],
  [
    "a loop in a file system callback",
    "await new Promise(() => require('node:fs').readFile('/dev/null', () => { while (true) {} }));",
  ],
  ["a loop in a promise", "await new Promise(() => { Promise.resolve().then(() => { while (true) {} }); });"],
  ["an await for ever", "await new Promise(() => {});"],
  ["a loop of awaits", "while (true) await new Promise((r) => setTimeout(r, 2));"],
  ["awaits that catch all", "while (true) { try { await new Promise((r) => setTimeout(r, 2)); } catch {} }"],
  [
    "for await",
    "for await (const x of (async function* () { while (true) { yield 1; await new Promise((r) => setTimeout(r, 2)); } })()) {}",
  ],
  ["a loop in a builtin", "(() => { while (true) JSON.stringify([1, 2, 3]); })();"],
  ["a loop in an interval", `setInterval(() => { while (true) {} }, 2); ${FOR_EVER}`],
  ["a loop in an immediate", `setImmediate(() => { while (true) {} }); setImmediate(() => {}); ${FOR_EVER}`],
  [
    "a loop in a later immediate",
    `setImmediate(() => {}); setImmediate(() => { while (true) {} }); setImmediate(() => {}); ${FOR_EVER}`,
  ],
  [
    "a loop in a tick",
    `process.nextTick(() => { while (true) {} }); process.nextTick(() => {}); ${FOR_EVER}`,
  ],
  [
    "a loop in an event",
    `setTimeout(() => new (require("node:events"))().on("x", () => { while (true) {} }).emit("x")); ${FOR_EVER}`,
  ],
  [
    "a loop in a stream",
    `require("node:fs").createReadStream("/dev/zero").on("data", () => { while (true) {} }); ${FOR_EVER}`,
  ],
  [
    "a loop in a message",
    `const c = new MessageChannel(); c.port1.onmessage = () => { while (true) {} }; c.port2.postMessage(1); ${FOR_EVER}`,
  ],
  ["a loop of timers", "for (;;) clearTimeout(setTimeout(() => {}, 1e6));"],
  ["a loop of reads", "for (;;) require('node:fs').readFileSync('/dev/null');"],
  ["a loop of microtasks", "while (true) { try { await null; } catch {} }"],
  ["a loop of ticks", `const again = () => process.nextTick(again); again(); ${FOR_EVER}`],
];

describe("the stop button", () => {
  it.each(STUCK)("stops %s and keeps the variables", async (_, code) => {
    const { outcome, took } = await stop(code);
    expect(outcome.error).toMatchObject({ ename: "Interrupted" });
    expect(outcome.reply["status"]).toBe("error");
    expect(took).toBeLessThan(6000); // On a machine with ten times the work that it can do; the benchmark has the figure.
    await healthy();
  });

  it.each([
    ["", "while (true) console.log({ a: [1] });"],
    [" after an await", "await null; while (true) { console.log(1); await null; }"],
    [
      " in an immediate",
      `setImmediate(() => { while (true) console.log(1); }); setImmediate(() => {}); ${FOR_EVER}`,
    ],
    [" of a table", "while (true) console.table([{ a: 1 }]);"],
  ])("stops a loop of prints%s and keeps the variables", async (_, code) => {
    expect((await stop(code)).outcome.error).toMatchObject({ ename: "Interrupted" });
    await healthy();
  });

  it("stops one cell and not the next", async () => {
    for (const code of ["while (true) {}", "await new Promise(() => {});"]) {
      await stop(code);
      const next = await client.execute(
        "const until = Date.now() + 400; let turns = 0; while (Date.now() < until) turns++; 'done'",
      );
      expect(next.result?.["data"]).toEqual({ "text/plain": "'done'" });
    }
  });

  it("works by signal too", async () => {
    const id = await client.executeLater("console.log('begun'); while (true) {}");
    await client.until(() =>
      client.iopub.some(({ type, parent }) => type === "stream" && parent["msg_id"] === id),
    );
    client.process.kill("SIGINT");
    expect((await client.outcome(id)).error).toMatchObject({ ename: "Interrupted" });
  });

  it("stops a subprocess that the cell waits for", async () => {
    const { took, outcome } = await stop('require("node:child_process").execSync("sleep 20");', 200);
    expect(outcome.reply["status"]).toBe("error");
    expect(took).toBeLessThan(5000);
  });

  it("stops a prompt", async () => {
    client.answer = () => null;
    const asked = client.questions.length;
    const id = await client.executeLater('prompt("waiting")', { allow_stdin: true });
    await client.until(() => client.questions.length > asked);
    await client.interrupt();
    expect((await client.outcome(id)).error).toMatchObject({ ename: "Interrupted" });
    expect((await client.execute("kept")).result?.["data"]).toEqual({ "text/plain": "123" });
  });

  it("aborts the cell's signal and lets finally blocks finish", async () => {
    await client.execute(`let aborted = "no"; let cleaned = "no";
      kernel.signal.addEventListener("abort", () => {});`);
    const { outcome } = await stop(
      `const { signal } = kernel; signal.addEventListener("abort", () => { aborted = String(signal.reason.name); });
       try { await new Promise(() => {}); } finally { await null; cleaned = "yes"; console.log("cleaned"); }`,
    );
    expect(outcome.stdout).toBe("begun\ncleaned\n");
    expect(
      (await client.execute("[aborted, cleaned, kernel.signal.aborted]")).result!["data"]["text/plain"],
    ).toBe("[ 'Interrupted', 'yes', false ]");
  });

  it("stops a training loop at its next await, for good", async () => {
    await client.execute("let ticks = 0;");
    await stop("while (true) { await new Promise((r) => setTimeout(r, 2)); ticks++; }", 60);
    const first = (await client.execute("ticks")).result!["data"]["text/plain"];
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await client.execute("ticks")).result!["data"]["text/plain"]).toBe(first);
  });

  it("keeps values of a stopped cell that were declared before", async () => {
    await stop("const before = [1, 2]; while (true) {}");
    expect((await client.execute("before.length")).result?.["data"]).toEqual({ "text/plain": "2" });
  });

  it.each([
    ["a loop", "while (true) { turns++; halves += 0.5; }"],
    ["a nested loop", "for (;;) for (let i = 0; i < 1000; i++) { turns++; halves += 0.5; }"],
    [
      "a loop of slow turns",
      "for (;;) { turns++; halves += 0.5; [0.5].concat(Array.from({ length: 3e4 }, (_, i) => i)); }",
    ],
    ["a loop that calls a function", "for (;;) { turns++; halves = half(turns); }"],
    ["a loop that prints", "for (;;) { turns++; halves += 0.5; console.log(turns); }"],
    [
      "a loop behind an immediate",
      "await new Promise((r) => setImmediate(r)); for (;;) { turns++; halves += 0.5; }",
    ],
  ])("keeps what %s had counted", async (_, code) => {
    await client.execute("let turns = 0, halves = 0; function half(x: number) { return x / 2; }");
    await stop(code, 100);
    const [turns, off] = JSON.parse(
      (await client.execute("JSON.stringify([turns, turns - 2 * halves])")).result!["data"][
        "text/plain"
      ].slice(1, -1),
    ) as [number, number];
    expect(turns).toBeGreaterThan(0);
    expect([0, 1]).toContain(off); // Stopped between the two assignments at the earliest.
    await healthy();
  });

  it("ends the process on a second press when the first did not help, and says so", async () => {
    const mortal = await RawClient.start({ env: UNCHECKED });
    const id = await mortal.executeLater(
      "console.log('begun'); process.on('SIGINT', () => {}); require('node:crypto').pbkdf2Sync('a', 'b', 3e7, 64, 'sha512');",
    );
    await mortal.until(() =>
      mortal.iopub.some(({ type, parent }) => type === "stream" && parent["msg_id"] === id),
    );
    await mortal.interrupt();
    await mortal.until(() =>
      mortal.iopub.some(({ content }) => /Interrupt again to end/.test(content["text"] ?? "")),
    );
    await mortal.interrupt();
    expect((await mortal.outcome(id)).error).toMatchObject({
      ename: "ProcessDied",
      evalue: expect.stringMatching(/second interrupt/),
    });
    expect((await mortal.execute("1 + 1")).result?.["data"]).toEqual({ "text/plain": "2" });
    await mortal.stop();
  });

  it("is harmless when nothing runs", async () => {
    expect(await client.interrupt()).toEqual({ status: "ok" });
    expect((await client.execute("kept")).result?.["data"]).toEqual({ "text/plain": "123" });
  });
});

describe("the stop button while a module is loading", () => {
  const SLOW = "console.log('begun'); const until = Date.now() + 900; while (Date.now() < until) {}";
  const FILES: Readonly<Record<string, string>> = {
    "waits.ts":
      "console.log('begun'); await new Promise((r) => setTimeout(r, 900)); export const value: number = 1;",
    "works.ts": `export { value } from "./worker.ts";`,
    "worker.ts": `${SLOW}; export const value: number = 2;`,
    "node_modules/module-that-works/package.json": `{ "type": "module", "exports": "./index.js" }`,
    "node_modules/module-that-works/index.js": `export { value } from "./inner.js";`,
    "node_modules/module-that-works/inner.js": `${SLOW}; export const value = 3;`,
    "node_modules/script-that-works/package.json": `{ "main": "index.js" }`,
    "node_modules/script-that-works/index.js": `exports.early = 4; ${SLOW}; exports.value = 4;`,
    "node_modules/script-required/package.json": `{ "main": "index.js" }`,
    "node_modules/script-required/index.js": `exports.early = 5; ${SLOW.replace("900", "1800")}; exports.value = 5;`,
  };

  it.each([
    ["a local one that waits", "const { value } = await import('./waits'); value", "1"],
    ["a local one that works", "import { value } from './works'; value", "2"],
    ["one of a package", "import { value } from 'module-that-works'; value", "3"],
    ["a CommonJS one", "import { value } from 'script-that-works'; value", "4"],
    ["a required one", "require('script-required').value", "5"],
  ])("stops %s, and the next import of it works", async (_, code, value) => {
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(client.folder, name)), { recursive: true });
      writeFileSync(join(client.folder, name), text);
    }
    const id = await client.executeLater(code);
    await client.until(() =>
      client.iopub.some(({ type, parent }) => type === "stream" && parent["msg_id"] === id),
    );
    await client.interrupt();
    expect((await client.outcome(id)).error).toMatchObject({ ename: "Interrupted" });
    expect((await client.execute(code)).result?.["data"]).toEqual({ "text/plain": value });
    await healthy();
  });
});

describe("the stop button while no cell runs", () => {
  const CALLBACKS: readonly (readonly [string, string])[] = [
    ["a timer", "setTimeout(stuck);"],
    ["an interval", "setInterval(stuck, 1);"],
    ["an immediate", "setImmediate(() => {}); setImmediate(stuck); setImmediate(() => {});"],
    ["a tick", "setTimeout(() => process.nextTick(stuck));"],
    ["a promise", "setTimeout(() => { Promise.resolve().then(stuck); });"],
    ["a file system callback", "require('node:fs').stat('/', stuck);"],
    ["an event", "setTimeout(() => new (require('node:events'))().on('x', stuck).emit('x'));"],
    ["a stream", "require('node:fs').createReadStream('/dev/zero').on('data', stuck);"],
  ];

  it.each(CALLBACKS)("stops a loop in %s", async (_, code) => {
    const id = await client.executeLater(
      `function stuck() { console.log("stuck"); while (true) {} }\n${code}; "over"`,
    );
    expect((await client.outcome(id)).result?.["data"]).toEqual({ "text/plain": "'over'" });
    const shown = (text: string): Promise<void> =>
      client.until(() =>
        client.iopub.some(
          ({ parent, content }) => parent["msg_id"] === id && (content["text"] ?? "").includes(text),
        ),
      );
    await shown("stuck");
    await client.interrupt();
    await shown("Code that ran while no cell did was stopped");
    await healthy();
  });

  it("goes on with what waited behind it", async () => {
    await client.execute(`let ran: number[] = [];
      setImmediate(() => ran.push(1)); setImmediate(() => { console.log("stuck"); while (true) {} });
      setImmediate(() => ran.push(2)); setTimeout(() => ran.push(3), 1);`);
    await client.until(() => client.iopub.slice(-3).some(({ content }) => content["text"] === "stuck\n"));
    await client.interrupt();
    expect(
      (await client.execute("await new Promise((r) => setTimeout(r, 5)); ran.sort()")).result?.["data"],
    ).toEqual({
      "text/plain": "[ 1, 2, 3 ]",
    });
  });
});

describe("a stop that breaks the event loop", () => {
  it("ends the process with a clear word, and the next cell starts afresh", async () => {
    const mortal = await RawClient.start({ env: UNCHECKED });
    const id = await mortal.executeLater(`require("node:fs").stat = () => {};
      require("node:module").syncBuiltinESMExports(); console.log("begun"); while (true) {}`);
    await mortal.until(() => mortal.iopub.some(({ content }) => content["text"] === "begun\n"));
    await mortal.interrupt();
    const { error, stderr } = await mortal.outcome(id);
    expect(error).toMatchObject({ ename: "ProcessDied" });
    expect(stderr).toMatch(/Stopping has left Node's event loop broken. The process is replaced/);
    expect((await mortal.execute("1 + 1")).result?.["data"]).toEqual({ "text/plain": "2" });
    await mortal.stop();
  });
});

describe("while a loop runs", () => {
  it("answers heartbeat, control, completion, inspection and is_complete; prints arrive", async () => {
    const id = await client.executeLater("for (let i = 0; ; i++) if (i % 1e7 === 0) console.log(i);");
    await client.until(
      () =>
        client.iopub.filter(({ type, parent }) => type === "stream" && parent["msg_id"] === id).length > 2,
    );
    expect(await client.beat()).toBeLessThan(1000);
    expect((await client.request("kernel_info_request", {}, "control"))["status"]).toBe("ok");
    expect((await client.request("kernel_info_request", {}))["status"]).toBe("ok");
    expect((await client.request("complete_request", { code: "kep", cursor_pos: 3 }))["matches"]).toContain(
      "kept",
    );
    expect((await client.request("inspect_request", { code: "kept", cursor_pos: 1 }))["found"]).toBe(true);
    expect((await client.request("is_complete_request", { code: "1" }))["status"]).toBe("complete");
    await client.interrupt();
    expect((await client.outcome(id)).error).toMatchObject({ ename: "Interrupted" });
  });

  it("stops a flood of prints, and shows all that was printed before idle", async () => {
    const { outcome } = await stop("for (let i = 0; ; i++) console.log(i);");
    const lines = outcome.stdout.trimEnd().split("\n").slice(1);
    expect(lines.every((line, at) => line === String(at))).toBe(true);
    expect(lines.length).toBeGreaterThan(100);
  });
});

describe("soak", () => {
  it("stays sound through 100 interrupts at random moments", async () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48271) % 2147483647;
      return seed % below;
    };
    const times: number[] = [];
    for (let round = 0; round < 100; round++) {
      const [, code] = STUCK[random(STUCK.length)]!;
      const { outcome, took } = await stop(code, random(40));
      expect(outcome.error).toMatchObject({ ename: "Interrupted" });
      times.push(took);
      await healthy();
    }
    expect(times.sort((a, b) => a - b)[50]).toBeLessThan(500);
  }, 180_000);
});
