import { describe, expect, it } from "vitest";
import { InvalidNotebookError, requireValid, validateNotebook } from "../../../kernel/nbformat/validate.ts";

const valid = () => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {} as Record<string, unknown>,
  cells: [
    { cell_type: "code", id: "a", metadata: {}, source: "", outputs: [] as unknown[], execution_count: null },
  ] as Record<string, unknown>[],
});
const with_ = (change: (notebook: ReturnType<typeof valid>) => void) => {
  const notebook = valid();
  change(notebook);
  return notebook;
};

describe("validateNotebook", () => {
  it("accepts what Jupyter accepts", () => {
    expect(validateNotebook(valid())).toEqual([]);
    const bundle = {
      "text/plain": ["a"],
      "application/vnd.vegalite.v5+json": { mark: "point" },
      "application/json": 3,
    };
    expect(
      validateNotebook(
        with_(
          (n) => (n.cells[0]!["outputs"] = [{ output_type: "display_data", metadata: {}, data: bundle }]),
        ),
      ),
    ).toEqual([]);
  });

  it.each([
    [
      "nbformat",
      with_((n) => {
        n.nbformat = 3;
      }),
      "nbformat",
    ],
    [
      "minor",
      with_((n) => {
        n.nbformat_minor = 4;
      }),
      "nbformat_minor",
    ],
    [
      "unknown member",
      with_((n) => {
        Object.assign(n, { extra: 1 });
      }),
      "",
    ],
    [
      "unknown cell type",
      with_((n) => {
        n.cells[0]!["cell_type"] = "sql";
      }),
      "cells[0]",
    ],
    [
      "id",
      with_((n) => {
        n.cells[0]!["id"] = "a b";
      }),
      "cells[0].id",
    ],
    [
      "missing id",
      with_((n) => {
        delete n.cells[0]!["id"];
      }),
      "cells[0]",
    ],
    [
      "long id",
      with_((n) => {
        n.cells[0]!["id"] = "x".repeat(65);
      }),
      "cells[0].id",
    ],
    [
      "same id twice",
      with_((n) => {
        n.cells.push(n.cells[0]!);
      }),
      "cells[1].id",
    ],
    [
      "outputs of Markdown",
      with_((n) => {
        n.cells[0]!["cell_type"] = "markdown";
      }),
      "cells[0]",
    ],
    [
      "tag with a comma",
      with_((n) => {
        n.cells[0]!["metadata"] = { tags: ["a,b"] };
      }),
      "cells[0].metadata.tags[0]",
    ],
    [
      "tag twice",
      with_((n) => {
        n.cells[0]!["metadata"] = { tags: ["a", "a"] };
      }),
      "cells[0].metadata.tags",
    ],
    [
      "kernelspec",
      with_((n) => {
        n.metadata["kernelspec"] = { name: "x" };
      }),
      "metadata.kernelspec",
    ],
    [
      "source",
      with_((n) => {
        n.cells[0]!["source"] = [1];
      }),
      "cells[0].source",
    ],
    [
      "count",
      with_((n) => {
        n.cells[0]!["execution_count"] = -1;
      }),
      "cells[0].execution_count",
    ],
    [
      "stream",
      with_((n) => {
        n.cells[0]!["outputs"] = [{ output_type: "stream", text: "" }];
      }),
      "cells[0].outputs[0]",
    ],
    [
      "text as object",
      with_((n) => {
        n.cells[0]!["outputs"] = [{ output_type: "display_data", metadata: {}, data: { "text/plain": {} } }];
      }),
      "cells[0].outputs[0].data.text/plain",
    ],
  ])("names the place: %s", (_, notebook, path) => {
    expect(validateNotebook(notebook).map((problem) => problem.path)).toContain(path);
  });

  it("takes any value without throwing", () => {
    for (const value of [null, 1, "x", [], {}, { cells: [null, 1] }, undefined])
      expect(validateNotebook(value).length).toBeGreaterThan(0);
  });
});

describe("requireValid", () => {
  it("throws the first problem and counts the others", () => {
    const broken = with_((n) => {
      n.nbformat = 3;
      n.nbformat_minor = 1;
    });
    expect(() => requireValid(broken, "x.ipynb")).toThrow(InvalidNotebookError);
    expect(() => requireValid(broken, "x.ipynb")).toThrow(
      /^Cannot use x\.ipynb as format 4\.5 requires: .* \(and 1 more\)/,
    );
  });
});
