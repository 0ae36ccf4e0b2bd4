/** The stop button: every kind of stuck code, variables kept, the kernel responsive meanwhile and sound afterwards. */
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

/** Timers, immediates, ticks, file system promises, intervals and the variables work as if nothing had been. */
const HEALTH = `const fsp = require("node:fs/promises");
await new Promise((r) => setTimeout(r, 1));
await new Promise((r) => setImmediate(r));
await new Promise((r) => process.nextTick(r));
await fsp.readFile("/dev/null");
await new Promise((r) => { const i = setInterval(() => { clearInterval(i); r(0); }, 1); });
kept`;

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
  ["a prompt in a function", "(() => { while (true) JSON.stringify([1, 2, 3]); })();"],
];

describe("the stop button", () => {
  it.each(STUCK)("stops %s and keeps the variables", async (_, code) => {
    const { outcome, took } = await stop(code);
    expect(outcome.error).toMatchObject({ ename: "Interrupted" });
    expect(outcome.reply["status"]).toBe("error");
    expect(took).toBeLessThan(2000);
    expect((await client.execute(HEALTH)).result?.["data"]).toEqual({ "text/plain": "123" });
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
      const { result } = await client.execute(HEALTH);
      expect(result?.["data"]).toEqual({ "text/plain": "123" });
    }
    expect(times.sort((a, b) => a - b)[50]).toBeLessThan(500);
  }, 180_000);
});
