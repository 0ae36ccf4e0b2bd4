/** SQL over runs, tables and their exports. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exportParquet, query, queryRows } from "../../src/lab/query.ts";
import { openRun } from "../../src/lab/run.ts";
import { rowsToCsv, table } from "../../src/lab/table.ts";

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-query-"));
  for (const shift of [0.6, 3]) {
    const run = await openRun("rf", { shift }, { root });
    run.append("search", [
      { strategy: "linear", seed: 0, score: shift },
      { strategy: "linear", seed: 1, score: shift + 1 },
      { strategy: "tree", seed: 0, score: Number.NaN },
    ]);
    run.append("train", { step: 1 });
  }
  const torn = await openRun("torn", {}, { root });
  torn.append("search", { strategy: "linear", seed: 9, score: 10 });
  const file = readdirSync(torn.path("rows"))[0]!;
  appendFileSync(torn.path("rows", file), '{"strategy":"lin');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("a query", () => {
  it("sees all runs, joined with what they were", async () => {
    const rows = await queryRows(
      "SELECT runs.run, json_extract(config, '$.shift')::DOUBLE AS shift, avg(score) AS score FROM search JOIN runs USING (run) WHERE strategy = 'linear' AND name = 'rf' GROUP BY ALL ORDER BY shift",
      { root },
    );
    expect(rows).toEqual([
      { run: "rf-0001", shift: 0.6, score: 1.1 },
      { run: "rf-0002", shift: 3, score: 3.5 },
    ]);
  });

  it("keeps whole rows of a torn file and leaves the torn one out", async () => {
    expect(
      await queryRows("SELECT count(*) AS n FROM search WHERE run = 'torn-0001' AND strategy IS NOT NULL", {
        root,
      }),
    ).toEqual([{ n: 1 }]);
  });

  it("gives a DataFrame that shows as a table", async () => {
    const frame = await query("SELECT strategy, seed, score FROM search WHERE run = 'rf-0001' ORDER BY ALL", {
      root,
    });
    expect(frame.shape).toEqual([3, 3]);
    const shown = (frame as unknown as Record<symbol, () => Record<string, string>>)[
      Symbol.for("Jupyter.display")
    ]!();
    expect(shown["text/html"]).toContain("<th>strategy</th>");
  });

  it("says what can be asked when it cannot answer", async () => {
    await expect(queryRows("SELECT * FROM searches", { root })).rejects.toThrow(
      /Cannot answer the query: .*searches.* The views are runs, search, train\./,
    );
  });

  it("writes the same Parquet bytes twice, and reads them back", async () => {
    const paths = [join(root, "a.parquet"), join(root, "b.parquet")] as const;
    for (const path of paths)
      await exportParquet("SELECT strategy, seed, score FROM search ORDER BY ALL", path, { root });
    expect(readFileSync(paths[0]).equals(readFileSync(paths[1]))).toBe(true);
    const [back] = await queryRows(`SELECT count(*) AS n FROM '${paths[0]}'`, { root });
    expect(back!["n"]).toBeGreaterThanOrEqual(7);
  });

  it("reads nothing when there is nothing", async () => {
    expect(await queryRows("SELECT count(*) AS n FROM runs", { root: join(root, "none") })).toEqual([
      { n: 0 },
    ]);
  });
});

describe("a table", () => {
  const rows = [0, 1, 2, 3, 4].flatMap((seed) => [
    { method: "teacher_forcing", seed, score: 0.6 + seed / 100, seconds: 3 },
    { method: "resampling & co", seed, score: 0.8 + seed / 100, seconds: 4 },
  ]);
  const made = table(rows, {
    by: "method",
    values: ["score", "seconds"],
    lessIsBetter: ["seconds"],
    caption: "50 % of it",
  });

  it("is booktabs LaTeX with the best in bold and intervals", () => {
    // Half width: t(0.975, 4) * sd / sqrt(5) = 2.7764 * 0.0158114 / 2.23607 = 0.0196.
    expect(made.latex()).toBe(
      [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering",
        "  \\caption{50 \\% of it}",
        "  \\begin{tabular}{lrr}",
        "    \\toprule",
        "    method & score & seconds \\\\",
        "    \\midrule",
        "    teacher\\_forcing & $0.620 \\pm 0.020$ & $\\mathbf{3}$ \\\\",
        "    resampling \\& co & $\\mathbf{0.820} \\pm 0.020$ & $4$ \\\\",
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
        "",
      ].join("\n"),
    );
  });

  it("is Markdown, HTML and CSV too", () => {
    expect(made.markdown()).toContain("| resampling & co | **0.820 ± 0.020** | 4 |");
    expect(made.html()).toContain("<b>0.820 ± 0.020</b>");
    expect(made.html()).toContain("resampling &amp; co");
    expect(made.csv().split("\n")[0]).toBe(
      "method,score,score_low,score_high,score_units,seconds,seconds_low,seconds_high,seconds_units",
    );
  });

  it("seeks the best within a group, none among equals, with decimals by column", () => {
    const half = [0, 1].flatMap((part) =>
      rows.map((row) => ({ ...row, part, score: row.score - part * 0.3, seconds: 3.0625 + part })),
    );
    const grouped = table(half, {
      by: ["method", "part"],
      values: ["score", "seconds"],
      bestWithin: "part",
      digits: { seconds: 1 },
    });
    expect(grouped.lines.map(({ names, cells }) => [...names, ...cells.map((cell) => cell.isBest)])).toEqual([
      ["teacher_forcing", "0", false, false],
      ["resampling & co", "0", true, false],
      ["teacher_forcing", "1", false, false],
      ["resampling & co", "1", true, false],
    ]);
    expect(grouped.markdown()).toContain("| resampling & co | 1 | **0.520 ± 0.020** | 4.1 |");
  });

  it("prints no bold where neither more nor less is better", () => {
    const lines = table(rows, { by: "method", values: ["score", "seconds"], unranked: ["seconds"] }).lines;
    expect(lines.map(({ cells }) => cells.map(({ isBest }) => isBest))).toEqual([
      [false, false],
      [true, false],
    ]);
  });

  it("shows a dash for a cell without numbers and refuses a column without any", () => {
    const gap = table([...rows, { method: "broken", seed: 0, score: Number.NaN }], {
      by: "method",
      values: ["score"],
    });
    expect(gap.markdown()).toContain("| broken | – |");
    expect(() => table(rows, { by: "method", values: ["loss"] })).toThrow(
      'Cannot tabulate "loss" as no row has a finite number there',
    );
  });

  it("quotes CSV and disarms formulas", () => {
    expect(
      rowsToCsv([
        { a: 'x,"y"', b: "=1+1", c: null },
        { a: "line\nbreak", d: 2 },
      ]),
    ).toBe('a,b,c,d\n"x,""y""",\'=1+1,,\n"line\nbreak",,,2\n');
  });
});
