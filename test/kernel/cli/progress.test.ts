import { describe, expect, it, vi } from "vitest";
import { nfeOf, showProgress, titleOf } from "../../../kernel/cli/progress.ts";
import { codeCell, markdownCell, notebook } from "../../../kernel/nbformat/notebook.ts";

const book = notebook([
  markdownCell("# Training\ntext"),
  codeCell("train()", { id: "train" }),
  codeCell("\n// search at equal NFE\nsearch()", { id: "search" }),
  codeCell("x = 1", { id: "plain" }),
]);
const spending = (nfe: unknown) => ({
  output_type: "display_data" as const,
  data: { "text/plain": "chart" },
  metadata: { zoetrope: { nfe: nfe as number } },
});

function recorded(isTTY: boolean) {
  let written = "";
  let time = 0;
  const progress = showProgress(
    book,
    { write: (text) => (written += text), isTTY, columns: 60 },
    { now: () => time },
  );
  return { progress, text: () => written, at: (ms: number) => (time = ms) };
}

describe("titleOf", () => {
  it("is the first comment, else the heading above, else the first line", () => {
    expect(["train", "search", "plain"].map((id) => titleOf(book, id))).toEqual([
      "Training",
      "search at equal NFE",
      "x = 1",
    ]);
  });
});

describe("nfeOf", () => {
  it("sums what displays report and ignores anything else", () => {
    const cell = codeCell("");
    cell.outputs.push(spending(96), spending(4), spending("many"), spending(Number.NaN), {
      output_type: "stream",
      name: "stdout",
      text: "",
    });
    expect(nfeOf(cell)).toBe(100);
  });
});

describe("showProgress", () => {
  it("writes plain lines where there is no terminal", () => {
    const { progress, text } = recorded(false);
    const cell = codeCell("search()", { id: "search" });
    cell.outputs.push(spending(1536));
    const place = { cell, cellIndex: 2, number: 1, of: 12 };
    progress.show({ type: "start", cells: 12, kernel: "TypeScript", seconds: 0.16 });
    progress.show({ type: "cell", ...place });
    progress.show({ type: "output", cell, cellIndex: 2, output: cell.outputs[0]!, isUpdate: false });
    progress.show({ type: "cell-end", ...place, status: "ok", seconds: 2.345 });
    progress.close();
    expect(text()).toBe(
      "TypeScript: 12 cells (kernel ready in 0.2 s)\n  ✓  1/12     2.3 s  NFE 1,536  search at equal NFE\n",
    );
    expect(text()).not.toContain("\x1b");
  });

  it("says every 20 s that a long cell is alive, and its last line", () => {
    vi.useFakeTimers();
    try {
      const { progress, text, at } = recorded(false);
      const cell = codeCell("", { id: "train" });
      progress.show({ type: "cell", cell, cellIndex: 1, number: 2, of: 3 });
      const output = { output_type: "stream" as const, name: "stdout", text: "step 1\nstep 2\n" };
      progress.show({ type: "output", cell, cellIndex: 1, output, isUpdate: false });
      at(61_000);
      vi.advanceTimersByTime(20_000);
      progress.close();
      expect(text()).toBe("  ... cell 2 of 3  1:01  step 2\n");
    } finally {
      vi.useRealTimers();
    }
  });

  it("keeps one living line of at most the terminal's width, and wipes it", () => {
    const { progress, text } = recorded(true);
    const cell = codeCell("", { id: "train" });
    progress.show({ type: "cell", cell, cellIndex: 1, number: 2, of: 3 });
    const living = text();
    expect(living).toContain("cell 2 of 3  0:00  Training");
    expect(living).not.toContain("\n");
    progress.show({ type: "cell-end", cell, cellIndex: 1, number: 2, of: 3, status: "error", seconds: 1 });
    progress.close();
    expect(text().slice(living.length)).toBe("\r\x1b[2K  ✗ 2/3     1.0 s  Training\n");
  });
});
