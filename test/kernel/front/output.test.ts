/** All that a cell prints arrives, in order, under its request, before idle. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Execution, RawClient, UNCHECKED } from "../raw-client.ts";

let client: RawClient;
beforeAll(async () => {
  client = await RawClient.start({ env: UNCHECKED });
});
afterAll(() => client.stop());

/** Nothing with the cell's parent comes behind its idle. */
async function nothingLate(id: string): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  const messages = client.iopub.filter(({ parent }) => parent["msg_id"] === id);
  expect(messages.at(-1)!.content).toEqual({ execution_state: "idle" });
}

describe("text", () => {
  it.each([10_000, 100_000])(
    "brings %i printed lines before idle, joined into few messages",
    async (count) => {
      const id = await client.executeLater(`for (let i = 0; i < ${count}; i++) console.log(i);`);
      const { stdout, messages } = await client.outcome(id);
      const lines = stdout.trimEnd().split("\n");
      expect(lines).toHaveLength(count);
      expect(lines.every((line, at) => line === String(at))).toBe(true);
      expect(messages.length).toBeLessThan(count / 50);
      await nothingLate(id);
    },
  );

  it("keeps stdout, stderr and displays in the order of production", async () => {
    const { messages } = await client.execute(`for (let i = 0; i < 50; i++) {
      console.log("out", i);
      console.error("err", i);
      display({ "text/plain": "display " + i });
    }`);
    const shown = messages.flatMap(({ type, content }) =>
      type === "stream"
        ? content["text"].trimEnd().split("\n")
        : type === "display_data"
          ? [content["data"]["text/plain"]]
          : [],
    );
    const expected = Array.from({ length: 50 }, (_, i) => [`out ${i}`, `err ${i}`, `display ${i}`]).flat();
    expect(shown).toEqual(expected);
  });

  it("brings one output of 50 MB, and one picture of 8 MB", async () => {
    const { stdout } = await client.execute('console.log("x".repeat(50e6))', {}, 60_000);
    expect(stdout).toHaveLength(50e6 + 1);
    const { displays } = await client.execute('display({ "image/png": new Uint8Array(8e6) })', {}, 60_000);
    expect(displays[0]!["data"]["image/png"]).toHaveLength(Math.ceil(8e6 / 3) * 4);
  });

  it("brings what subprocesses and the descriptors themselves get, before idle", async () => {
    const id = await client.executeLater(
      `const { execSync } = require("node:child_process");
       execSync("seq 1 20000; echo fault >&2", { stdio: "inherit" });
       require("node:fs").writeSync(1, "direct\\n");`,
    );
    const { stdout, stderr } = await client.outcome(id);
    expect(stdout.split("\n").filter((line) => line !== "")).toHaveLength(20_001);
    expect(stdout.endsWith("direct\n")).toBe(true);
    expect(stderr).toBe("fault\n");
    await nothingLate(id);
  });

  it("does not wait for ever for a descriptor that the user has closed", async () => {
    const mortal = await RawClient.start({ env: UNCHECKED });
    expect((await mortal.execute('require("node:fs").closeSync(1); 5')).reply["status"]).toMatch(/ok|error/);
    expect((await mortal.execute("6")).result?.["data"]).toEqual({ "text/plain": "6" });
    await mortal.stop();
  });

  it("writes text of several encodings, split characters included", async () => {
    const { stdout } = await client.execute(
      `const bytes = Buffer.from("é😀");
       process.stdout.write(bytes.subarray(0, 3)); process.stdout.write(bytes.subarray(3));
       process.stdout.write("e9", "hex" as any); process.stdout.write("\\n");`,
    );
    expect(stdout.startsWith("é😀")).toBe(true);
  });

  it("shows what a timer prints later under the last cell", async () => {
    const id = await client.executeLater('setTimeout(() => console.log("late"), 60);');
    await client.outcome(id);
    await client.until(() => client.iopub.some(({ content }) => content["text"] === "late\n"));
    const late = client.iopub.find(({ content }) => content["text"] === "late\n");
    expect(late?.parent["msg_id"]).toBe(id);
  });

  it("reaches a client that subscribed to stream only, and welcomes it there", async () => {
    const narrow = new RawClient();
    narrow.connection = client.connection;
    narrow.connect("stream");
    await narrow.until(() => narrow.iopub.some(({ type }) => type === "iopub_welcome"));
    await client.execute('console.log("to all")');
    await narrow.until(() => narrow.iopub.some(({ type }) => type === "stream"));
    expect(new Set(narrow.iopub.map(({ type }) => type))).toEqual(new Set(["iopub_welcome", "stream"]));
    narrow.disconnect();
  });
});

describe("updates in place", () => {
  const updates = ({ messages }: Execution): string[] =>
    messages
      .filter(({ type }) => type === "update_display_data")
      .map(({ content }) => content["data"]["text/plain"] as string);

  it("thins a flood to ten a second, and always brings the last", async () => {
    const flood = await client.execute("const h = display(0); for (let i = 1; i <= 5000; i++) h.update(i);");
    expect(updates(flood).length).toBeLessThan(30);
    expect(updates(flood).at(-1)).toBe("5000");
    const slow = await client.execute(
      "const s = display(0); const t0 = Date.now(); let n = 0; while (Date.now() - t0 < 450) { s.update(++n); await new Promise((r) => setTimeout(r, 5)); } s.update('end');",
    );
    expect(updates(slow).length).toBeGreaterThanOrEqual(3);
    expect(updates(slow).length).toBeLessThanOrEqual(8);
    expect(updates(slow).at(-1)).toBe("end");
  });

  it("replaces what the same cell showed under an id, and shows it anew in the next cell", async () => {
    const code = "for (const step of [1, 2, 3]) display(step, { id: 'loss' });";
    for (let run = 0; run < 2; run++) {
      const shown = await client.execute(code);
      expect(shown.displays).toHaveLength(1);
      expect(updates(shown).at(-1)).toBe("3");
    }
  });

  it("moves a progress bar in place", async () => {
    const shown = await client.execute(
      "for await (const x of progress((async function* () { for (let i = 0; i < 5; i++) { yield i; await new Promise((r) => setTimeout(r, 60)); } })(), { total: 5, label: 'steps' })) {}",
    );
    expect(shown.displays).toHaveLength(1);
    expect(shown.displays[0]!["data"]["text/html"]).toContain("<progress");
    expect(updates(shown).length).toBeGreaterThanOrEqual(2);
    expect(updates(shown).at(-1)).toMatch(/^steps █+ 100% 5\/5/);
  });

  it("waits for values that draw themselves later, and fails the cell when drawing fails", async () => {
    const symbol = 'Symbol.for("Jupyter.display")';
    const later = await client.execute(
      `display({ async [${symbol}]() { await new Promise((r) => setTimeout(r, 50)); return { "text/plain": "drawn" }; } });`,
    );
    expect(later.displays[0]!["data"]).toEqual({ "text/plain": "drawn" });
    const failing = await client.execute(`display({ async [${symbol}]() { throw new Error("no ink"); } });`);
    expect(failing.error).toMatchObject({ ename: "Error", evalue: "no ink" });
    const wrong = await client.execute(`({ [${symbol}]: () => 5 })`);
    expect(wrong.error!["evalue"]).toMatch(/must return an object of media types: got 5/);
  });
});
