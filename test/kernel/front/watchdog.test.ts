/** A watchdog that ends, in every order: no loop that cannot be ended, no process that outlives the kernel. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { RawClient, UNCHECKED } from "../raw-client.ts";

const REPLACED = /The thread that stops cells has ended \(exit code 7\); another one has taken its place/;
const ALONE = /The thread that stops cells has ended \(exit code 7\)\. The stop button ends the process/;
const LOOP = "console.log('begun'); while (true) {}";

/** Reaches the thread as a debugger does; nothing else can once it runs. */
const TELL_IT_TO_END = `
  const session = new (require("node:inspector").Session)();
  session.connect();
  const sessionId = await new Promise((resolve) => {
    session.on("NodeWorker.attachedToWorker", ({ params }: any) => {
      if (params.workerInfo.url.endsWith("watchdog.js")) resolve(params.sessionId);
    });
    session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
  });
  const params = { expression: "process.exit(7)" };
  const message = JSON.stringify({ id: 1, method: "Runtime.evaluate", params });
  session.post("NodeWorker.sendMessageToWorker", { sessionId, message });`;

/** The main thread has no turn between the end of the thread, seen by its pipe, and the loop. */
const END_AND_LOOP = `{ ${TELL_IT_TO_END}
  const { fstatSync } = require("node:fs");
  const listens = () => { try { return fstatSync(4).isSocket(); } catch { return false; } };
  while (listens());
  ${LOOP}
}`;

const folder = mkdtempSync(join(tmpdir(), "zoetrope-watchdog-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Environment in which watchdogs do this first, before they listen; \`fd\` is 4 in the first one and 6 in the second. */
function first(name: string, body: string): Record<string, string> {
  const file = join(folder, `${name}.cjs`);
  writeFileSync(
    file,
    `const { isMainThread, workerData } = require("node:worker_threads");
    const fd = isMainThread ? undefined : workerData?.fd;
    const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    ${body}`,
  );
  return { ...UNCHECKED, NODE_OPTIONS: `--require ${file}` };
}

/** Sends a cell that prints when it begins to loop, and waits for that. */
async function begun(client: RawClient, code = LOOP): Promise<string> {
  const id = await client.executeLater(code);
  await client.until(() =>
    client.iopub.some(({ type, parent }) => type === "stream" && parent["msg_id"] === id),
  );
  return id;
}

/** Stops a loop: the watchdog listens, and does its work. */
async function expectStop(client: RawClient): Promise<void> {
  const id = await begun(client);
  await client.interrupt();
  expect((await client.outcome(id)).error).toMatchObject({ ename: "Interrupted" });
}

/** Presses the stop button, waits for the kernel's word about it, and presses again. */
async function expectEndByTwoPresses(client: RawClient, id: string): Promise<void> {
  await client.interrupt();
  await client.until(() =>
    client.iopub.some(({ content }) =>
      /the thread that stops cells does not answer\. Interrupt again to end/.test(content["text"] ?? ""),
    ),
  );
  await client.interrupt();
  expect((await client.outcome(id)).error).toMatchObject({
    ename: "ProcessDied",
    evalue: expect.stringContaining("ended by a second interrupt"),
  });
  expect((await client.execute("1 + 1")).result?.["data"]).toEqual({ "text/plain": "2" });
}

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Kills the kernel while `loop` runs: the process of the cell does not outlive it. */
async function expectEndWithKernel(client: RawClient, loop: string): Promise<void> {
  const pid = Number((await client.execute("process.pid")).result!["data"]["text/plain"]);
  await begun(client, loop);
  client.process.kill("SIGKILL");
  for (let wait = 0; wait < 500 && lives(pid); wait++)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(lives(pid)).toBe(false);
  await client.stop();
}

describe("a watchdog that ends", () => {
  it("is told of once, in the log and the next cell, and replaced; after that the second press is left", async () => {
    const client = await RawClient.start({ env: UNCHECKED });
    const END_IT = `{ ${TELL_IT_TO_END}
      await new Promise((resolve) => setTimeout(resolve, 300));
      session.disconnect();
    }`;
    await client.execute("let kept = 123;");
    await expectStop(client); // Node aborts where a debugger ends a thread that only just begins.
    await client.execute(END_IT);
    await client.until(() => REPLACED.test(client.log));
    const next = await client.execute("kept");
    expect(next.result?.["data"]).toEqual({ "text/plain": "123" });
    expect(next.stderr).toMatch(REPLACED);
    expect((await client.execute("kept")).stderr).toBe("");
    await expectStop(client);
    await client.execute(END_IT);
    await client.until(() => ALONE.test(client.log));
    expect((await client.execute("kept")).stderr).toMatch(ALONE);
    await expectEndByTwoPresses(client, await begun(client));
    await expectStop(client);
    await client.stop();
  });

  it("before it listens is replaced by one that hears what was said meanwhile", async () => {
    const env = first("late", "if (fd === 4) process.exit(7); if (fd === 6) sleep(500);");
    const client = await RawClient.start({ env });
    client.answer = () => "typed";
    await client.until(() => REPLACED.test(client.log));
    await client.execute("let kept = 123;");
    await expectStop(client);
    expect((await client.execute("kept")).result?.["data"]).toEqual({ "text/plain": "123" });
    const asked = await client.execute("prompt('?')", { allow_stdin: true });
    expect(asked.result?.["data"]).toEqual({ "text/plain": "'typed'" });
    await client.stop();
  });

  it("while a cell loops cannot be replaced: that is told, the second press and the kernel's end do what is left", async () => {
    const client = await RawClient.start({ env: UNCHECKED });
    await expectStop(client);
    await expectEndByTwoPresses(client, await begun(client, END_AND_LOOP));
    await expectStop(client);
    await expectEndWithKernel(client, END_AND_LOOP);
  });

  it("before it listens, while a cell loops, cannot be replaced either", async () => {
    const client = await RawClient.start({
      env: first("never", "if (fd !== undefined) { sleep(2000); process.exit(7); }"),
    });
    await expectEndByTwoPresses(client, await begun(client));
    await expectEndWithKernel(client, LOOP);
  });
});

describe("the kernel's end", () => {
  it("is that of a process whose watchdog is sound", async () => {
    await expectEndWithKernel(await RawClient.start({ env: UNCHECKED }), LOOP);
  });
});
