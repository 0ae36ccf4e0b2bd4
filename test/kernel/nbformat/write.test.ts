import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { codeCell, type Json, markdownCell, notebook } from "../../../kernel/nbformat/notebook.ts";
import { parseNotebook } from "../../../kernel/nbformat/read.ts";
import { formatNotebook, splitLines, writeNotebookFile } from "../../../kernel/nbformat/write.ts";
import { arbitraryNotebook } from "./arbitrary-notebook.ts";

describe("formatNotebook", () => {
  it("writes what it read: parse(format(n)) = n, and formatting is a fixed point", () => {
    fc.assert(
      fc.property(arbitraryNotebook, (given) => {
        const written = formatNotebook(given);
        const read = parseNotebook(written);
        expect(read.notes).toEqual([]);
        expect(read.notebook).toEqual(given);
        expect(formatNotebook(read.notebook)).toBe(written);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("has one spelling, whatever the order of members", () => {
    const a = notebook([codeCell("1")], { b: 1, a: { d: 1, c: 2 } });
    const b = notebook([codeCell("1")], { a: { c: 2, d: 1 }, b: 1 });
    expect(formatNotebook(a)).toBe(formatNotebook(b));
  });

  it("is Jupyter's spelling: sorted keys, one space, lines as a list, a newline at the end", () => {
    const cell = codeCell("let a = 1;\nlet b = 2;\n", { id: "one", metadata: { tags: ["x"] } });
    cell.outputs.push({ output_type: "stream", name: "stdout", text: "é\n" });
    cell.outputs.push({
      output_type: "display_data",
      data: { "image/png": "AA\nBB\n", "text/plain": "x" },
      metadata: {},
    });
    expect(formatNotebook(notebook([cell]))).toBe(
      [
        "{",
        ' "cells": [',
        "  {",
        '   "cell_type": "code",',
        '   "execution_count": null,',
        '   "id": "one",',
        '   "metadata": {',
        '    "tags": [',
        '     "x"',
        "    ]",
        "   },",
        '   "outputs": [',
        "    {",
        '     "name": "stdout",',
        '     "output_type": "stream",',
        '     "text": [',
        '      "é\\n"',
        "     ]",
        "    },",
        "    {",
        '     "data": {',
        '      "image/png": "AA\\nBB\\n",',
        '      "text/plain": [',
        '       "x"',
        "      ]",
        "     },",
        '     "metadata": {},',
        '     "output_type": "display_data"',
        "    }",
        "   ],",
        '   "source": [',
        '    "let a = 1;\\n",',
        '    "let b = 2;\\n"',
        "   ]",
        "  }",
        " ],",
        ' "metadata": {},',
        ' "nbformat": 4,',
        ' "nbformat_minor": 5',
        "}",
        "",
      ].join("\n"),
    );
  });

  it("sorts keys by code point, as Python does, not by UTF-16 unit", () => {
    const written = formatNotebook(notebook([], { "\u{10000}": 1, "\uffff": 2 }));
    expect(written.indexOf("\uffff")).toBeLessThan(written.indexOf("\u{10000}"));
  });

  it("refuses values that nest without end instead of exhausting the stack", () => {
    let deep: Json = 1;
    for (let i = 0; i < 5000; i++) deep = [deep];
    expect(() => formatNotebook(notebook([], { deep }))).toThrow("nest deeper than 200 levels");
  });

  it("gives the same cell ids each time and never the same twice", () => {
    const make = () =>
      notebook([codeCell("x"), codeCell("x"), markdownCell("x")]).cells.map((cell) => cell.id);
    expect(make()).toEqual(make());
    expect(new Set(make()).size).toBe(3);
  });
});

describe("splitLines", () => {
  it("loses nothing and splits only behind line ends", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("a", "\n", "\r", "\f", "\v", "\u2029", "b") }),
        (text) => {
          const lines = splitLines(text);
          expect(lines.join("")).toBe(text);
          for (const line of lines) expect(line).toMatch(/^[ab]*(\r\n|[\n\r\f\v\u2029])?$/u);
        },
      ),
    );
  });
});

describe("writeNotebookFile", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "zoetrope-write-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const book = notebook([codeCell("1")]);

  it("replaces the file as a whole, keeps its mode and leaves nothing beside it", () => {
    const path = join(folder, "a.ipynb");
    writeFileSync(path, "old", { mode: 0o600 });
    writeNotebookFile(path, book);
    expect(readFileSync(path, "utf8")).toBe(formatNotebook(book));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["a.ipynb"]);
  });

  it("writes through a link to the file it names", () => {
    writeFileSync(join(folder, "real.ipynb"), "old");
    symlinkSync("real.ipynb", join(folder, "link.ipynb"));
    writeNotebookFile(join(folder, "link.ipynb"), book);
    expect(readFileSync(join(folder, "real.ipynb"), "utf8")).toBe(formatNotebook(book));
  });

  it("says what went wrong and how to go on, and leaves the old file alone", () => {
    mkdirSync(join(folder, "is-a-folder"));
    expect(() => writeNotebookFile(join(folder, "is-a-folder"), book)).toThrow(
      /^Cannot write .*is-a-folder: .*untouched\.$/,
    );
    expect(() => writeNotebookFile(join(folder, "nowhere/a.ipynb"), book)).toThrow("Create the folder first");
    expect(readdirSync(folder)).toEqual(["is-a-folder"]);
  });
});
