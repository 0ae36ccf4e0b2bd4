/**
 * The message specification, checked from outside: the 27 checks of runtimed/kernel-testbed, and what passing those
 * does not tell (silent, history, stop_on_error both ways, topics, code points, stdin refused).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Content, RawClient } from "../raw-client.ts";

let client: RawClient;
beforeAll(async () => {
  client = await RawClient.start();
});
afterAll(() => client.stop());

describe("basics", () => {
  it("echoes the heartbeat", async () => {
    expect(await client.beat()).toBeLessThan(500);
  });
  it("welcomes a subscriber on iopub", () => {
    const welcome = client.iopub.find(({ type }) => type === "iopub_welcome");
    expect(welcome?.content).toEqual({ subscription: "" });
  });
  it.each(["shell", "control"] as const)("answers kernel_info on %s", async (channel) => {
    const info = await client.request("kernel_info_request", {}, channel);
    expect(info).toMatchObject({
      status: "ok",
      protocol_version: "5.5",
      implementation: "zoetrope",
      language_info: {
        name: "typescript",
        version: "6.0.3",
        mimetype: "application/typescript",
        file_extension: ".ts",
        codemirror_mode: "typescript",
      },
      supported_features: [],
    });
    expect(info["banner"]).toContain("TypeScript");
  });
  it("says busy first and idle last, with the request as parent of everything", async () => {
    const { messages, reply } = await client.execute('console.log("hi"); 6 * 7');
    expect(messages.map(({ type }) => type)).toEqual([
      "status",
      "execute_input",
      "stream",
      "execute_result",
      "status",
    ]);
    expect(messages[0]!.content).toEqual({ execution_state: "busy" });
    expect(messages.at(-1)!.content).toEqual({ execution_state: "idle" });
    expect(messages[1]!.content).toEqual({ code: 'console.log("hi"); 6 * 7', execution_count: 1 });
    expect(messages[3]!.content).toEqual({ execution_count: 1, data: { "text/plain": "42" }, metadata: {} });
    expect(reply).toEqual({ status: "ok", execution_count: 1, user_expressions: {}, payload: [] });
  });
  it("says busy and idle around every request, and keeps quiet about unknown ones", async () => {
    const unknown = await client.send("shell", "no_such_request", {});
    const debug = await client.send("control", "debug_request", { type: "request", command: "initialize" });
    const known = await client.send("shell", "comm_info_request", {});
    await client.until(() => [unknown, debug, known].every(client.isIdle));
    expect(client.replies.filter(({ parent }) => [unknown, debug].includes(parent["msg_id"]))).toEqual([]);
  });
});

describe("execution", () => {
  it("counts, and keeps the count of requests that are not stored", async () => {
    const first = (await client.execute("1")).reply["execution_count"];
    expect((await client.execute("2")).reply["execution_count"]).toBe(first + 1);
    expect((await client.execute("3", { store_history: false })).reply["execution_count"]).toBe(first + 1);
    expect((await client.execute("4")).reply["execution_count"]).toBe(first + 2);
  });
  it("runs a silent request without a trace on iopub but its output", async () => {
    const { messages, reply } = await client.execute("var silent = 5; silent", { silent: true });
    expect(messages.map(({ type }) => type)).toEqual(["status", "status"]);
    expect(reply["status"]).toBe("ok");
    expect((await client.execute("silent")).result?.["data"]).toEqual({ "text/plain": "5" });
    const failing = await client.execute("throw new Error('quiet')", { silent: true, stop_on_error: false });
    expect(failing.messages.map(({ type }) => type)).toEqual(["status", "status"]);
    expect(failing.reply).toMatchObject({ status: "error", ename: "Error", evalue: "quiet" });
  });
  it("evaluates user expressions, faults included", async () => {
    const { reply } = await client.execute("const ue = [1, 2];", {
      user_expressions: {
        sum: "ue[0] + ue[1]",
        bad: "nothing.here",
        typed: "(ue[0] as number)!",
        awaited: "await Promise.resolve(3)",
      },
    });
    const values = reply["user_expressions"] as Record<string, Content>;
    expect(values["sum"]).toEqual({ status: "ok", data: { "text/plain": "3" }, metadata: {} });
    expect(values["bad"]).toMatchObject({ status: "error", ename: "ReferenceError" });
    expect(values["typed"]).toMatchObject({ data: { "text/plain": "1" } });
    expect(values["awaited"]).toMatchObject({ data: { "text/plain": "3" } });
  });
  it("shows nothing for undefined, quotes a string, keeps colours out of text/plain", async () => {
    expect((await client.execute("undefined")).result).toBeUndefined();
    expect((await client.execute("'a'")).result?.["data"]).toEqual({ "text/plain": "'a'" });
    expect((await client.execute("({ a: [1, 'b'] })")).result?.["data"]).toEqual({
      "text/plain": "{ a: [ 1, 'b' ] }",
    });
  });
  it("reports an error on iopub and in the reply alike", async () => {
    const { error, reply, messages } = await client.execute(
      "const one = 1;\nthrow new RangeError('too far');",
      { stop_on_error: false },
    );
    expect(error).toMatchObject({ ename: "RangeError", evalue: "too far" });
    expect(reply).toMatchObject({
      status: "error",
      ename: "RangeError",
      evalue: "too far",
      traceback: error!["traceback"],
    });
    expect(messages.some(({ type }) => type === "execute_result")).toBe(false);
  });
  it("aborts what waits behind an error, and nothing that is sent afterwards", async () => {
    const ids = await Promise.all(
      ["throw 1", "globalThis.ran = 1", "2"].map((code) => client.executeLater(code)),
    );
    const [failed, ...behind] = await Promise.all(ids.map((id) => client.outcome(id)));
    expect(failed!.reply["status"]).toBe("error");
    for (const { reply, messages } of behind) {
      expect(reply).toMatchObject({ status: "aborted" });
      expect(messages.map(({ type }) => type)).toEqual(["status", "status"]);
    }
    const after = await client.execute("typeof (globalThis as any).ran");
    expect(after.result?.["data"]).toEqual({ "text/plain": "'undefined'" });
  });
  it("goes on behind an error where stop_on_error is false", async () => {
    const ids = await Promise.all(
      ["throw 1", "2"].map((code) => client.executeLater(code, { stop_on_error: false })),
    );
    const [, second] = await Promise.all(ids.map((id) => client.outcome(id)));
    expect(second!.reply["status"]).toBe("ok");
  });
});

describe("the language's requests", () => {
  it("completes with code-point cursors and kinds", async () => {
    await client.execute("const greeting = 'hello';");
    const code = "'😀'; greet";
    const reply = await client.request("complete_request", { code, cursor_pos: Array.from(code).length });
    expect(reply).toMatchObject({ status: "ok", matches: ["greeting"], cursor_start: 5, cursor_end: 10 });
    expect(reply["metadata"]["_jupyter_types_experimental"]).toEqual([
      { text: "greeting", type: "const", start: 5, end: 10 },
    ]);
  });
  it("inspects", async () => {
    const reply = await client.request("inspect_request", {
      code: "greeting",
      cursor_pos: 3,
      detail_level: 0,
    });
    expect(reply).toMatchObject({ status: "ok", found: true });
    expect(reply["data"]["text/plain"]).toContain("greeting");
    expect(await client.request("inspect_request", { code: "nothing", cursor_pos: 3 })).toEqual({
      status: "ok",
      found: false,
      data: {},
      metadata: {},
    });
  });
  it.each([
    ["1 + 1", { status: "complete" }],
    ["for (;;) {", { status: "incomplete", indent: "  " }],
    ["1 +* 2", { status: "invalid" }],
  ])("judges %j", async (code, content) => {
    expect(await client.request("is_complete_request", { code })).toEqual(content);
  });
  it("keeps history", async () => {
    await client.execute("'remembered'");
    const request = { output: true, raw: true, hist_access_type: "tail", n: 1 };
    const { history } = await client.request("history_request", request);
    expect(history[0][2]).toEqual(["'remembered'", "'remembered'"]);
    const found = await client.request("history_request", {
      hist_access_type: "search",
      pattern: "const greet*",
      n: 1,
    });
    expect(found["history"]).toHaveLength(1);
    expect(
      (await client.request("history_request", { hist_access_type: "range", session: 0, start: 1, stop: 2 }))[
        "history"
      ],
    ).toHaveLength(1);
  });
});

describe("displays", () => {
  it("shows, updates in place and clears", async () => {
    const { messages } = await client.execute(
      'const shown = display({ "text/html": "<b>1</b>" }, { id: "place", metadata: { a: 1 } });\nshown.update({ "text/plain": "2" });\nclearOutput(true);',
    );
    const [first] = messages.filter(({ type }) => type === "display_data");
    expect(first!.content).toMatchObject({ transient: { display_id: "place" }, metadata: { a: 1 } });
    expect(first!.content["data"]["text/html"]).toBe("<b>1</b>");
    const [update] = messages.filter(({ type }) => type === "update_display_data");
    expect(update!.content).toMatchObject({
      data: { "text/plain": "2" },
      transient: { display_id: "place" },
    });
    expect(messages.find(({ type }) => type === "clear_output")?.content).toEqual({ wait: true });
  });
  it("lets a value draw itself, as result and as display, with its whole bundle", async () => {
    const value =
      '{ [Symbol.for("Jupyter.display")]: () => ({ "text/plain": "p", "image/png": new Uint8Array([1, 2, 3]) }) }';
    const { result, displays } = await client.execute(`display(${value}); (${value})`);
    const bundle = { "text/plain": "p", "image/png": "AQID" };
    expect(result!["data"]).toEqual(bundle);
    expect(displays[0]!["data"]).toEqual(bundle);
  });
});

describe("stdin", () => {
  it("asks by prompt, by input and for a password", async () => {
    client.answer = ({ prompt }) => `answer to ${prompt}`;
    const { result } = await client.execute(
      'const asked = prompt("a?"); const later = await input("b?"); const secret = prompt("c?", { password: true }); [asked, later, secret].join(", ")',
      { allow_stdin: true },
    );
    expect(result!["data"]["text/plain"]).toBe("'answer to a?, answer to b?, answer to c?'");
    expect(client.questions.map(({ content }) => content["password"])).toEqual([false, false, true]);
  });
  it("takes a long answer", async () => {
    client.answer = () => "x".repeat(300_000);
    expect((await client.execute('prompt("long").length', { allow_stdin: true })).result!["data"]).toEqual({
      "text/plain": "300000",
    });
  });
  it("asks nobody where stdin is not allowed", async () => {
    const before = client.questions.length;
    for (const code of ['prompt("x")', 'await input("x")']) {
      const { error } = await client.execute(code, { allow_stdin: false, stop_on_error: false });
      expect(error!["evalue"]).toMatch(/^Cannot ask for input as this front end takes none/);
    }
    expect(client.questions).toHaveLength(before);
  });
});

describe("comms", () => {
  it("closes what is opened to an unknown target", async () => {
    const id = await client.send("shell", "comm_open", { comm_id: "c0", target_name: "nobody", data: {} });
    await client.until(() => client.isIdle(id));
    const close = client.iopub.find(({ type, parent }) => type === "comm_close" && parent["msg_id"] === id);
    expect(close?.content).toMatchObject({ comm_id: "c0" });
    expect(await client.request("comm_info_request", {})).toEqual({ status: "ok", comms: {} });
  });
  it("talks both ways, with buffers, and shows a handler's output under its message", async () => {
    await client.execute(`kernel.comm.register("echo", (comm, opened) => {
      comm.send({ hello: opened.data });
      comm.onMessage(({ data, buffers }) => {
        console.log("got", data.n);
        comm.send({ twice: data.n * 2 }, { buffers: buffers.map((bytes) => bytes.map((byte) => byte * 2)) });
      });
      comm.onClose(() => console.log("closed"));
    })`);
    const opened = await client.send("shell", "comm_open", {
      comm_id: "c1",
      target_name: "echo",
      data: { a: 1 },
    });
    await client.until(() => client.isIdle(opened));
    expect(await client.request("comm_info_request", { target_name: "echo" })).toEqual({
      status: "ok",
      comms: { c1: { target_name: "echo" } },
    });
    const sent = await client.send(
      "shell",
      "comm_msg",
      { comm_id: "c1", data: { n: 4 } },
      { buffers: [Buffer.from([1, 2])] },
    );
    await client.until(() => client.isIdle(sent));
    const of = (id: string, wanted: string) =>
      client.iopub.find(({ type, parent }) => type === wanted && parent["msg_id"] === id);
    expect(of(opened, "comm_msg")?.content).toEqual({ comm_id: "c1", data: { hello: { a: 1 } } });
    expect(of(sent, "stream")?.content["text"]).toBe("got 4\n");
    expect(of(sent, "comm_msg")?.content["data"]).toEqual({ twice: 8 });
    expect([...of(sent, "comm_msg")!.buffers[0]!]).toEqual([2, 4]);
    const closed = await client.send("shell", "comm_close", { comm_id: "c1", data: {} });
    await client.until(() => client.isIdle(closed));
    expect(of(closed, "stream")?.content["text"]).toBe("closed\n");
  });
  it("opens from a cell", async () => {
    const { messages } = await client.execute(
      'kernel.comm.open("widget", { v: 1 }, { metadata: { version: "2.1.0" }, buffers: [new Uint8Array([7]), new Float32Array([1, 2]).subarray(1)] }).send({ v: 2 })',
    );
    const open = messages.find(({ type }) => type === "comm_open");
    expect(open?.content).toMatchObject({ target_name: "widget", data: { v: 1 } });
    expect(open?.metadata).toEqual({ version: "2.1.0" });
    expect([...open!.buffers[0]!]).toEqual([7]);
    expect(open!.buffers[1]!.readFloatLE(0)).toBe(2);
    expect(messages.find(({ type }) => type === "comm_msg")?.content).toMatchObject({
      comm_id: open!.content["comm_id"],
      data: { v: 2 },
    });
  });
});

describe("the end", () => {
  it.each([true, false])("answers shutdown with restart: %s, says idle, and exits", async (restart) => {
    const mortal = await RawClient.start();
    const gone = new Promise((resolve) => mortal.process.once("exit", resolve));
    const id = await mortal.send("control", "shutdown_request", { restart });
    expect((await mortal.replyTo(id)).content).toEqual({ status: "ok", restart });
    await mortal.until(() => mortal.isIdle(id));
    expect(await gone).toBe(0);
    await mortal.stop();
  });
  it("ends on a port that is taken, saying so", async () => {
    const { spawnSync } = await import("node:child_process");
    const { writeFileSync } = await import("node:fs");
    const file = `${client.folder}/taken.json`;
    writeFileSync(file, JSON.stringify(client.connection));
    const { KERNEL } = await import("../raw-client.ts");
    const ended = spawnSync(process.execPath, [KERNEL, "--connection-file", file], { encoding: "utf8" });
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/Cannot serve .*(in use|EADDRINUSE)/i);
  });
});
