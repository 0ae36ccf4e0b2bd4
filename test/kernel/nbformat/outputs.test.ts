import { describe, expect, it } from "vitest";
import { codeCell, type JsonObject } from "../../../kernel/nbformat/notebook.ts";
import { lastLine, recordOutputs, terminalText } from "../../../kernel/nbformat/outputs.ts";

const stream = (text: string, name = "stdout"): [string, JsonObject] => ["stream", { name, text }];
const shown = (plain: string, id?: string, type = "display_data"): [string, JsonObject] => [
  type,
  { data: { "text/plain": plain }, metadata: {}, ...(id !== undefined && { transient: { display_id: id } }) },
];

describe("recordOutputs", () => {
  it("joins neighbouring texts of one stream and no others", () => {
    const cell = codeCell("");
    const recorder = recordOutputs();
    for (const message of [stream("a"), stream("b\n"), stream("e", "stderr"), stream("c")])
      recorder.record(cell, ...message);
    expect(cell.outputs.map((output) => "text" in output && output.text)).toEqual(["ab\n", "e", "c"]);
  });

  it("changes every output shown under a display id, in earlier cells too, and keeps ids out of the file", () => {
    const [first, second] = [codeCell(""), codeCell("")];
    const recorder = recordOutputs();
    recorder.record(first, ...shown("0 %", "bar"));
    recorder.record(first, ...shown("0 %", "bar"));
    recorder.record(second, ...shown("other", "else"));
    const changes = recorder.record(second, ...shown("100 %", "bar", "update_display_data"));
    expect(changes.map(({ kind, cell }) => [kind, cell === first])).toEqual([
      ["changed", true],
      ["changed", true],
    ]);
    expect(first.outputs.map(lastLine)).toEqual(["100 %", "100 %"]);
    expect(second.outputs.map(lastLine)).toEqual(["other"]);
    expect(JSON.stringify(first)).not.toContain("transient");
  });

  it("ignores an update of something that was never shown", () => {
    const cell = codeCell("");
    expect(recordOutputs().record(cell, ...shown("x", "unknown", "update_display_data"))).toEqual([]);
    expect(cell.outputs).toEqual([]);
  });

  it("clears at once, or with wait at the next output", () => {
    const cell = codeCell("");
    const recorder = recordOutputs();
    recorder.record(cell, ...stream("a"));
    recorder.record(cell, "clear_output", { wait: true });
    expect(cell.outputs.map(lastLine)).toEqual(["a"]);
    recorder.record(cell, ...stream("b"));
    expect(cell.outputs.map(lastLine)).toEqual(["b"]);
    recorder.record(cell, "clear_output", { wait: false });
    expect(cell.outputs).toEqual([]);
  });

  it("forgets display ids of outputs that were cleared", () => {
    const cell = codeCell("");
    const recorder = recordOutputs();
    recorder.record(cell, ...shown("x", "id"));
    recorder.record(cell, "clear_output", {});
    expect(recorder.record(cell, ...shown("y", "id", "update_display_data"))).toEqual([]);
  });

  it("takes messages that are no outputs, or malformed ones, without harm", () => {
    const cell = codeCell("");
    const recorder = recordOutputs();
    expect(recorder.record(cell, "status", { execution_state: "idle" })).toEqual([]);
    recorder.record(cell, "display_data", { data: null, transient: null });
    recorder.record(cell, "error", { traceback: "no list" });
    recorder.record(cell, "stream", {});
    expect(cell.outputs).toEqual([
      { output_type: "display_data", data: {}, metadata: {} },
      { output_type: "error", ename: "Error", evalue: "", traceback: [] },
      { output_type: "stream", name: "stdout", text: "" },
    ]);
  });
});

describe("terminalText", () => {
  it.each([
    ["10 %\r20 %\r30 %\n", "30 %\n"],
    ["keep\n10 %\r20 %", "keep\n20 %"],
    ["10 %\r", "10 %\r"],
    ["dos\r\nlines\r\n", "dos\nlines\n"],
    ["abc\b\bX", "aX"],
    ["\b\bX", "X"],
    ["plain", "plain"],
  ])("%j -> %j", (raw, expected) => expect(terminalText(raw)).toBe(expected));

  it("gives the same result in pieces as at once", () => {
    const cell = codeCell("");
    const recorder = recordOutputs();
    for (const piece of ["1 %", "\r", "2 %", "\r3 %\n", "done"]) recorder.record(cell, ...stream(piece));
    expect(cell.outputs).toEqual([
      { output_type: "stream", name: "stdout", text: terminalText("1 %\r2 %\r3 %\ndone") },
    ]);
  });
});

describe("lastLine", () => {
  it("is the last line that says something, without colours", () => {
    expect(lastLine({ output_type: "stream", name: "stdout", text: "a\n\x1b[31mb\x1b[0m\n\n" })).toBe("b");
    expect(lastLine({ output_type: "error", ename: "E", evalue: "v", traceback: [] })).toBe("E: v");
    expect(lastLine({ output_type: "display_data", data: { "image/png": "AA" }, metadata: {} })).toBe("");
  });
});
