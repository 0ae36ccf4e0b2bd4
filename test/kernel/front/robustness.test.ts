/** Whatever a client or a cell does, the kernel lives and answers the next good request. */
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as zmq from "zeromq";
import { RawClient, UNCHECKED } from "../raw-client.ts";

let client: RawClient;
beforeAll(async () => {
  client = await RawClient.start({ env: UNCHECKED });
});
afterAll(() => client.stop());

const sound = async (): Promise<void> => {
  expect((await client.execute("6 * 7")).result?.["data"]).toEqual({ "text/plain": "42" });
};

describe("signatures", () => {
  it("drops a message with a wrong signature, unanswered, and logs it", async () => {
    const forged = client.frames("execute_request", { code: "globalThis.forged = true" });
    forged[1] = Buffer.from("0".repeat(64));
    const unsigned = client.frames("kernel_info_request", {});
    unsigned[1] = Buffer.alloc(0);
    const before = client.replies.length;
    await client.sendFrames("shell", forged);
    await client.sendFrames("control", unsigned);
    await client.sendFrames("stdin", forged);
    expect((await client.execute("typeof (globalThis as any).forged")).result?.["data"]).toEqual({
      "text/plain": "'undefined'",
    });
    expect(client.replies.length).toBe(before + 1);
    await client.until(() => (client.log.match(/was dropped: wrong signature/g) ?? []).length >= 3);
  });
});

describe("fuzz", () => {
  it("survives 3000 malformed frames", async () => {
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(Buffer.from("<IDS|MSG>")),
      fc.json().map((text) => Buffer.from(text)),
    );
    const messages = fc.sample(fc.array(frame, { minLength: 1, maxLength: 9 }), { numRuns: 3000, seed: 1 });
    for (const [at, frames] of messages.entries())
      await client.sendFrames((["shell", "control", "stdin"] as const)[at % 3]!, frames);
    await sound();
    expect(client.log).not.toMatch(/^\s+at /m);
  });

  it("survives 2000 signed messages with arbitrary contents, and answers every request among them", async () => {
    const types = [
      "is_complete_request",
      "history_request",
      "kernel_info_request",
      "comm_info_request",
      "comm_open",
      "comm_msg",
      "comm_close",
      "input_reply",
      "interrupt_request",
      "nonsense",
      "__proto__",
      "toString",
    ];
    // The two that ask the type service take a hundred times as long as the others.
    const type = fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom(...types) },
      { weight: 1, arbitrary: fc.constantFrom("complete_request", "inspect_request") },
    );
    const field = fc.constantFrom(
      "code",
      "cursor_pos",
      "detail_level",
      "hist_access_type",
      "pattern",
      "n",
      "session",
      "comm_id",
      "target_name",
      "data",
      "value",
    );
    const content = fc.dictionary(
      field,
      fc.oneof(fc.jsonValue(), fc.string(), fc.double(), fc.constant("range")),
    );
    const messages = fc.sample(fc.tuple(type, content), { numRuns: 2000, seed: 2 });
    const requests: string[] = [];
    for (const [type, body] of messages) {
      const id = await client.send("shell", type, body);
      if (type.endsWith("_request")) requests.push(id);
    }
    const missing = (): string[] => {
      const answered = new Set(client.replies.map(({ parent }) => parent["msg_id"]));
      const idle = new Set(client.iopub.map(({ parent }) => parent["msg_id"]));
      return requests.filter((id) => !answered.has(id) || !idle.has(id));
    };
    for (let wait = 0; wait < 400 && missing().length > 0; wait++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(missing()).toEqual([]);
    await sound();
  }, 60_000);

  it("survives execute requests of arbitrary text", async () => {
    const codes = fc.sample(
      fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.stringMatching(/^[(){};=>`'"a1 \n]+$/)),
      {
        numRuns: 150,
        seed: 3,
      },
    );
    for (const code of codes) {
      const { reply } = await client.execute(code, { stop_on_error: false });
      expect(reply["status"]).toMatch(/ok|error/);
    }
    await sound();
  });

  it("reads a message without parent, metadata of another kind, and extra frames", async () => {
    const frames = client.frames("kernel_info_request", {});
    const parts = [frames[2]!, Buffer.from("[]"), Buffer.from("null"), frames[5]!];
    const id = (JSON.parse(frames[2]!.toString()) as { msg_id: string }).msg_id;
    await client.sendFrames("shell", [
      frames[0]!,
      Buffer.from(client.sign(parts)),
      ...parts,
      Buffer.from("more"),
    ]);
    expect((await client.replyTo(id)).content["status"]).toBe("ok");
  });
});

describe("clients that leave", () => {
  it("goes on after clients vanish in the middle of a cell", async () => {
    for (let round = 0; round < 5; round++) {
      const guest = new RawClient();
      guest.connection = client.connection;
      guest.connect();
      await guest.executeLater("for (let i = 0; i < 2000; i++) console.log(i)");
      await client.until(() => client.iopub.some(({ header }) => header["msg_id"] !== undefined));
      guest.disconnect();
    }
    await sound();
  });

  it("serves two clients, each with its own replies", async () => {
    const guest = new RawClient();
    guest.connection = client.connection;
    guest.connect();
    const [mine, theirs] = await Promise.all([
      client.request("kernel_info_request", {}),
      guest.request("comm_info_request", {}),
    ]);
    expect(mine["implementation"]).toBe("zoetrope");
    expect(theirs).toHaveProperty("comms");
    guest.disconnect();
  });

  it("takes a connection that does not speak ZeroMQ", async () => {
    const { connect } = await import("node:net");
    const port = client.connection["shell_port"] as number;
    await new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.write("GET / HTTP/1.1\r\n\r\n");
        setTimeout(() => {
          socket.destroy();
          resolve();
        }, 50);
      });
    });
    await sound();
  });

  it("accepts identities of any length", async () => {
    const dealer = new zmq.Dealer({ routingId: "i".repeat(200), linger: 0 });
    dealer.connect(`tcp://127.0.0.1:${client.connection["shell_port"]}`);
    const id = randomUUID();
    await dealer.send(client.frames("kernel_info_request", {}, { id }) as Buffer[]);
    const [, , , parent] = await dealer.receive();
    expect((JSON.parse(parent!.toString()) as { msg_id: string }).msg_id).toBe(id);
    dealer.close();
  });
});

describe("the death of the user's process", () => {
  it.each([
    ["process.exit(3)", /exit code 3/],
    ["process.kill(process.pid, 'SIGKILL'); while (true) {}", /SIGKILL/],
    ["process.abort()", /SIGABRT/],
    ["setTimeout(() => process.exit(4), 10); await new Promise(() => {})", /exit code 4/],
  ])("%s is reported in the cell, and the next cell works", async (code, cause) => {
    await client.execute("const lost = 1;", { stop_on_error: false });
    const { error, reply } = await client.execute(`console.log("last words"); ${code}`);
    expect(error).toMatchObject({ ename: "ProcessDied", evalue: expect.stringMatching(cause) });
    expect(reply["status"]).toBe("error");
    await sound();
    expect((await client.execute("typeof lost")).result?.["data"]).toEqual({ "text/plain": "'undefined'" });
  });

  it("between cells is told, comms are closed, and the next cell works", async () => {
    await client.execute('kernel.comm.open("widget"); setTimeout(() => process.exit(5), 100);');
    await client.until(() => client.iopub.some(({ content }) => /exit code 5/.test(content["text"] ?? "")));
    expect(client.iopub.some(({ type }) => type === "comm_close")).toBe(true);
    expect((await client.request("comm_info_request", {}))["comms"]).toEqual({});
    await sound();
  });

  it("by running out of memory is told with V8's last words", async () => {
    const small = await RawClient.start({ env: { NODE_OPTIONS: "--max-old-space-size=80", ...UNCHECKED } });
    const { error, stderr } = await small.execute(
      "// @ts-nocheck\nconst hoard = []; while (true) hoard.push(new Array(1e5).fill(Math.PI).map((x) => ({ x })));",
      {},
      50_000,
    );
    expect(error).toMatchObject({ ename: "ProcessDied" });
    expect(stderr).toMatch(/heap/i);
    expect((await small.execute("1 + 1")).result?.["data"]).toEqual({ "text/plain": "2" });
    await small.stop();
  });

  it("is not the end for faults outside of any cell", async () => {
    const id = await client.executeLater(
      'Promise.reject(new Error("stray")); setTimeout(() => { throw new Error("timer"); }, 5); 1',
    );
    await client.outcome(id);
    await client.until(() => {
      const text = client.iopub.map(({ content }) => content["text"] ?? "").join("");
      return text.includes("stray") && text.includes("timer");
    });
    await sound();
  });
});

describe("code that meddles with the kernel", () => {
  it.each([
    ["removes all listeners", "process.removeAllListeners(); process.removeAllListeners('message'); 1"],
    ["replaces JSON.stringify and Buffer.from", "JSON.stringify = () => 'x'; Buffer.from = null as any; 1"],
    ["closes the standard descriptors", "require('fs').closeSync(1); require('fs').closeSync(2); 1"],
    [
      "leaves a deleted folder",
      "process.chdir(require('fs').mkdtempSync(require('os').tmpdir() + '/gone-')); require('fs').rmdirSync(process.cwd()); 1",
    ],
  ])("and %s is no harm", async (_, code) => {
    const mortal = await RawClient.start({ env: UNCHECKED });
    expect((await mortal.execute(code)).result?.["data"]).toEqual({ "text/plain": "1" });
    expect((await mortal.execute("1 + 1")).result?.["data"]).toEqual({ "text/plain": "2" });
    await mortal.stop();
  });

  it.each([
    [
      "writes to the kernel's pipe",
      "require('fs').writeSync(3, 'x'.repeat(99)); await new Promise(() => {});",
    ],
    ["closes the kernel's pipe", "require('fs').closeSync(3); console.log(1);"],
    [
      "gives all objects a form of their own in JSON",
      "(Object.prototype as any).toJSON = () => 1; console.log(1);",
    ],
    ["leaves the kernel", "process.disconnect(); await new Promise(() => {});"],
  ])("and %s costs the process, not the kernel", async (_, code) => {
    const { error } = await client.execute(code, { stop_on_error: false });
    expect(error).toMatchObject({ ename: "ProcessDied" });
    await sound();
    expect(client.process.exitCode).toBe(null);
  });
});
