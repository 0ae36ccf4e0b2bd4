import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseNotebook, readNotebookFile } from "../../../kernel/nbformat/read.ts";
import { InvalidNotebookError, validateNotebook } from "../../../kernel/nbformat/validate.ts";
import { formatNotebook } from "../../../kernel/nbformat/write.ts";
import { arbitraryNotebook } from "./arbitrary-notebook.ts";

const parse = (value: unknown) => parseNotebook(JSON.stringify(value), "x.ipynb");

describe("parseNotebook", () => {
  it("upgrades format 4.0 to 4.4: ids are made, lines joined, and the notes say so", () => {
    const { notebook, format, notes } = parse({
      nbformat: 4,
      nbformat_minor: 2,
      metadata: { kernelspec: { name: "tslab" } },
      cells: [
        { cell_type: "code", metadata: {}, source: ["a\n", "b"], outputs: [], execution_count: 3 },
        {
          cell_type: "markdown",
          metadata: {},
          source: "m",
          attachments: { "a.txt": { "text/plain": ["p", "q"] } },
        },
      ],
    });
    expect(format).toBe("4.2");
    expect(notes).toEqual(["upgraded from format 4.2 to 4.5", "2 cells got ids"]);
    expect(notebook.cells[0]!.source).toBe("a\nb");
    expect(notebook.cells[1]).toMatchObject({ attachments: { "a.txt": { "text/plain": "pq" } } });
    expect(notebook.metadata["kernelspec"]).toEqual({ name: "tslab", display_name: "tslab" });
    expect(validateNotebook(notebook)).toEqual([]);
  });

  it("upgrades format 3: worksheets, headings, pyout, pyerr and the short media names", () => {
    const { notebook, notes } = parse({
      nbformat: 3,
      nbformat_minor: 0,
      metadata: { name: "old", signature: "x", kept: true },
      worksheets: [
        {
          cells: [
            { cell_type: "heading", level: 2, source: ["A", "\nB"], metadata: {} },
            {
              cell_type: "code",
              language: "python",
              collapsed: true,
              input: ["1+1\n", "2"],
              prompt_number: 4,
              metadata: {},
              outputs: [
                { output_type: "pyout", prompt_number: 4, text: ["2"], json: '{"a": 1}', metadata: { m: 1 } },
                { output_type: "stream", stream: "stderr", text: "warn" },
                { output_type: "display_data", png: "AAAA", metadata: {} },
                { output_type: "pyerr", ename: "E", evalue: "v", traceback: ["t"] },
              ],
            },
          ],
        },
        { cells: [{ cell_type: "html", source: "<b>", metadata: {} }] },
      ],
    });
    expect(notes).toContain("upgraded from format 3.0 to 4.5");
    expect(notes).toContain("2 worksheets were put one after the other");
    expect(notebook.metadata).toEqual({ kept: true, orig_nbformat: 3 });
    expect(notebook.cells.map((cell) => [cell.cell_type, cell.source])).toEqual([
      ["markdown", "## A B"],
      ["code", "1+1\n2"],
      ["markdown", "<b>"],
    ]);
    expect(notebook.cells[1]).toMatchObject({
      execution_count: 4,
      metadata: { collapsed: true },
      outputs: [
        {
          output_type: "execute_result",
          data: { "text/plain": "2", "application/json": { a: 1 } },
          metadata: { m: 1 },
          execution_count: 4,
        },
        { output_type: "stream", name: "stderr", text: "warn" },
        { output_type: "display_data", data: { "image/png": "AAAA" } },
        { output_type: "error", ename: "E", evalue: "v", traceback: ["t"] },
      ],
    });
  });

  it("keeps and names cells and outputs of kinds from the future", () => {
    const { notebook, notes } = parse({
      nbformat: 4,
      nbformat_minor: 7,
      metadata: {},
      future: 1,
      cells: [
        { cell_type: "query", id: "q", metadata: { k: 1 }, source: "select", engine: "x" },
        {
          cell_type: "code",
          id: "c",
          metadata: {},
          source: "",
          execution_count: null,
          outputs: [{ output_type: "hologram", beam: 3 }],
        },
      ],
    });
    expect(notes).toEqual([
      "format 4.7 is newer than 4.5, which it is read as",
      'unknown member "future" of the notebook was moved to its metadata',
      'cell 1 has the unknown type "query" and is kept as a raw cell',
      'an output of cell 2 has the unknown type "hologram" and is kept as JSON',
    ]);
    expect(notebook.metadata).toEqual({ future: 1 });
    expect(notebook.cells[0]).toEqual({
      cell_type: "raw",
      id: "q",
      source: "select",
      metadata: { k: 1, unknown_cell: { cell_type: "query", engine: "x" } },
    });
    expect(notebook.cells[1]).toMatchObject({
      outputs: [
        { output_type: "display_data", data: { "application/json": { output_type: "hologram", beam: 3 } } },
      ],
    });
  });

  it("repairs ids that are missing, malformed or taken", () => {
    const cell = { cell_type: "markdown", metadata: {}, source: "m" };
    const { notebook, notes } = parse({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: {},
      cells: [{ ...cell, id: "a" }, { ...cell, id: "a" }, { ...cell, id: "no spaces" }, cell],
    });
    expect(new Set(notebook.cells.map(({ id }) => id)).size).toBe(4);
    expect(notebook.cells[0]!.id).toBe("a");
    expect(notes).toEqual([
      'cell 2 got a new id in place of "a"',
      'cell 3 got a new id in place of "no spaces"',
      "3 cells got ids",
    ]);
  });

  it.each([
    ["", "Cannot read x.ipynb as JSON"],
    ["{", "restore it from version control"],
    ['{"nbformat": 4,\n<<<<<<< HEAD\n', "merge conflict markers"],
    ["[]", 'no "nbformat" number'],
    ['{"nbformat": "4"}', 'no "nbformat" number'],
    ['{"nbformat": 2}', "says format 2.0"],
    ['{"nbformat": 9, "nbformat_minor": 1}', "says format 9.1"],
    ['{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "must have required property 'cells'"],
    ['{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}', "cells[0] must be object"],
    [
      '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "source": 3}]}',
      "cells[0].source must be",
    ],
    ["[".repeat(100_000), "nest deeper than"],
    [`{"nbformat": 4, "x": ${"[".repeat(300)}${"]".repeat(300)}}`, "nest deeper than"],
  ])("refuses %.40j with one clear sentence", (text, message) => {
    expect(() => parseNotebook(text, "x.ipynb")).toThrow(InvalidNotebookError);
    expect(() => parseNotebook(text, "x.ipynb")).toThrow(message);
  });

  it("takes a byte order mark, and brackets inside strings count for nothing", () => {
    const text = `\uFEFF{"nbformat": 4, "nbformat_minor": 5, "metadata": {"a": "${"[".repeat(500)}"}, "cells": []}`;
    expect(parseNotebook(text).notebook.cells).toEqual([]);
  });

  it("never throws anything but InvalidNotebookError, whatever a file says", () => {
    fc.assert(
      fc.property(
        arbitraryNotebook,
        fc.array(
          fc.tuple(fc.nat(), fc.nat(12), fc.constantFrom("", "null", "[]", "{}", '"x"', "3", ",", "\\")),
          { maxLength: 3 },
        ),
        (book, damages) => {
          let text = formatNotebook(book);
          for (const [at, length, put] of damages) {
            const place = at % text.length;
            text = text.slice(0, place) + put + text.slice(place + length);
          }
          try {
            expect(validateNotebook(parseNotebook(text).notebook)).toEqual([]);
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidNotebookError);
          }
        },
      ),
      { numRuns: 500, seed: 2 },
    );
  });

  it("says which file cannot be read", () => {
    expect(() => readNotebookFile("/nowhere/at all.ipynb")).toThrow(
      "Cannot read /nowhere/at all.ipynb: ENOENT",
    );
  });
});
