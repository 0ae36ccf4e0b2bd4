/** Reports: offline, strict, complete, harmless whatever was put into them, and honest about edits. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { claim } from "../../src/lab/claim.ts";
import { gradeClaim, gradeRows } from "../../src/lab/report/grade.ts";
import { notebookReport } from "../../src/lab/report/notebook-report.ts";
import { readPage } from "../../src/lab/report/page.ts";
import { report, reportFromTemplate } from "../../src/lab/report/report.ts";
import { safeHtml, safeMarkdown } from "../../src/lab/report/sanitize.ts";
import { reportScript } from "../../src/lab/report/vega-bundle.ts";
import { verifyReport } from "../../src/lab/report/verify-report.ts";
import { openRun } from "../../src/lab/run.ts";
import { table } from "../../src/lab/table.ts";
import * as plot from "../../src/plot/plot.ts";
import { rng } from "../../src/tensor/rng.ts";
import { dimensionRows, searchRows } from "../plot/gallery.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-report-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function demo() {
  const run = await openRun("demo", { strategy: { name: "tree", roots: 4 }, seed: 3 }, { root: folder });
  run.append("search", searchRows());
  run.spend({ nfe: 4096 });
  const made = await claim("Trees <b>pay</b>", {
    effect: { estimate: 0.3, low: 0.2, high: 0.4 },
    holds: { atMost: 0.6 },
    test: "bootstrap",
    seeds: [0, 1, 2, 3, 4],
    runs: [run],
  });
  const clip = {
    [Symbol.for("Jupyter.display")]: () => ({
      "text/html": '<video src="data:video/webm;base64,AAAA" loop autoplay muted></video>',
      "text/plain": "clip",
    }),
  };
  return report({ title: "Does it <pay>?", runs: [run] })`
    # Part

    Mean ${0.5}, with $a_1 * b_1$ and <script>alert(1)</script>.
    ${plot.nfeVersusScore(run)}
    ${plot.dimensionDots(dimensionRows())}
    ${[made, table(searchRows(), { by: "strategy", values: ["score"] })]}
    ${clip}
  `;
}

const scripts = (html: string) =>
  [...html.matchAll(/<script(?![^>]*type="application\/)[^>]*>([\s\S]*?)<\/script>/g)].map(
    (match) => match[1]!,
  );

describe("a report", () => {
  it("holds everything in one file under a policy that forbids everything else", async () => {
    const html = await (await demo()).html("demo.html");
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)![1]!;
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe-eval");
    const [only, ...others] = scripts(html);
    expect(others).toEqual([]);
    expect(policy).toContain(`script-src 'sha256-${createHash("sha256").update(only!).digest("base64")}'`);
    expect(html).not.toMatch(/(src|href)="(?!data:|#)/);
    expect(html.length).toBeLessThan(5e6);
    expect(html).toContain("Does it &lt;pay&gt;?");
    expect(html).toContain("<msub><mi>a</mi><mn>1</mn></msub>");
    expect(html).toContain("Mean 0.5");
    expect(html).toContain("<h1>Part</h1>");
    expect(html).toContain('<video src="data:video/webm;base64,AAAA"');
    expect(html).toContain("Trees &lt;b&gt;pay&lt;/b&gt;");
    expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  it("carries data, claims, runs, provenance and a research object, and gives them back", async () => {
    const html = await (await demo()).html("demo.html");
    const { payload, isIntact } = readPage(html);
    expect(isIntact).toBe(true);
    expect(payload!.figures.map((figure) => figure.title)).toEqual([
      "Score against compute",
      "Sixteen dimensions",
    ]);
    expect(payload!.figures[0]!.rows.length).toBe(240);
    expect(payload!.claims[0]).toMatchObject({ statement: "Trees <b>pay</b>", verdict: "PASS" });
    expect(payload!.runs[0]).toMatchObject({
      seeds: [3],
      ledger: { nfe: 4096 },
      config: { strategy: { name: "tree", roots: 4 } },
    });
    expect(payload!.code.lockfileHash).toMatch(/^[0-9a-f]{64}$/);
    const crate = JSON.parse(/<script type="application\/ld\+json">([^<]*)<\/script>/.exec(html)![1]!) as {
      "@graph": { "@id": string; "@type": string }[];
    };
    const ids = new Set(crate["@graph"].map((entity) => entity["@id"]));
    const references = JSON.stringify(crate).matchAll(/\{"@id":"([^"]+)"\}/g);
    for (const [, id] of references) if (!id!.startsWith("http")) expect(ids).toContain(id);
    const csv = /download="figure-1\.csv" href="data:text\/csv;charset=utf-8;base64,([^"]+)"/.exec(html)![1]!;
    expect(Buffer.from(csv, "base64").toString().split("\n").length).toBe(242);
  });

  it("notices an edit anywhere, and names a figure whose data were edited", async () => {
    const path = await (await demo()).write(join(folder, "demo.html"));
    const html = readFileSync(path, "utf8");
    expect((await verifyReport(path, { execute: false })).isIntact).toBe(true);
    writeFileSync(path, html.replace("Mean 0.5", "Mean 0.9"));
    const edited = await verifyReport(path, { execute: false });
    expect(edited.isIntact).toBe(false);
    expect(edited.notes).toContain("The file was edited after it was written.");
    expect(edited.overall).toBe("not re-runnable");
    const at = html.indexOf('"mean":', html.indexOf('id="zoetrope-report"'));
    writeFileSync(path, `${html.slice(0, at)}"mean":9${html.slice(at + 7)}`);
    const figure = (await verifyReport(path, { execute: false })).items[0]!;
    expect(figure.why).toContain("Its data in the file were edited.");
    const moved = join(folder, "renamed.html");
    writeFileSync(moved, html);
    expect((await verifyReport(moved, { execute: false })).notes).toContain(
      "The file was written as demo.html and moved or renamed since.",
    );
  });

  it("says what is not a report, and that one without a notebook cannot be re-run", async () => {
    const path = join(folder, "other.html");
    writeFileSync(path, "<html></html>");
    await expect(verifyReport(path)).rejects.toThrow("Cannot verify other.html as it carries no report data");
    const written = await report({ title: "t" })`${plot.nfeVersusScore(searchRows())}`.write(
      join(folder, "t.html"),
    );
    const { items, overall } = await verifyReport(written);
    expect(items[0]).toMatchObject({ grade: "not re-runnable", why: "The report carries no notebook." });
    expect(overall).toBe("not re-runnable");
  });

  it("takes its prose from a template file", async () => {
    const path = join(folder, "template.md");
    writeFileSync(path, "# Loss\n\n{{ curve }}\n\nDone in {{steps}} steps.\n");
    const html = await reportFromTemplate(
      path,
      {
        curve: plot.loss([
          { step: 0, loss: 1 },
          { step: 1, loss: 0.5 },
        ]),
        steps: 2,
      },
      { title: "T" },
    ).html();
    expect(html).toContain("Training loss");
    expect(html).toContain("Done in 2 steps.");
    expect(() => reportFromTemplate(path, { curve: 1 }, { title: "T" })).toThrow(
      "it names {{steps}}: the values are curve.",
    );
  });
});

describe("a hostile notebook", () => {
  const attacks = [
    "<script>x()</script>",
    "<img src=x onerror=x()>",
    '<img src="https://example.org/track.png">',
    "<svg><script>x()</script></svg>",
    '<svg onload="x()"></svg>',
    '<a href="javascript:x()">a</a>',
    '<iframe src="https://example.org"></iframe>',
    '<form action="https://example.org"><input></form>',
    '<meta http-equiv="refresh" content="0;url=https://example.org">',
    '<base href="https://example.org">',
    '<link rel="stylesheet" href="https://example.org/x.css">',
    '<div style="background:url(https://example.org/x)">b</div>',
    '<video src="https://example.org/x.webm" onplay="x()"></video>',
    "<math><mtext></mtext><mglyph><style><img src=x onerror=x()></style></mglyph></math>",
    "</script><script>x()</script>",
    '<object data="data:text/html,<script>x()</script>"></object>',
    '<a href="data:text/html,<script>x()</script>">c</a>',
  ];
  // Only what the browser takes as a tag can act; the same letters as text are what a reader should see.
  const harmless = (html: string) => {
    for (const [tag] of html.matchAll(/<[^>]*>/g)) {
      expect(tag).not.toMatch(/^<\/?(script|iframe|form|input|meta|base|link|object|embed|svg|style)\b/i);
      const names = tag.replaceAll(/"[^"]*"/g, '""');
      expect(names).not.toMatch(/[\s"'/]on\w+\s*=/i);
      expect(names.split('""').join("")).not.toContain('"');
      for (const [, value] of tag.matchAll(/\s(?:href|src|style)="([^"]*)"/g))
        expect(value).not.toMatch(/javascript:|url\(/i);
      expect(tag).not.toMatch(/^<(img|video|source)[^>]*src="(?!data:(image|video)\/)/i);
      expect(tag).not.toMatch(/^<a\b[^>]*href="data:/i);
    }
  };

  it.each([
    "\\href{javascript:x()}{a}",
    "\\includegraphics{https://example.org/x.png}",
    '\\class{x" onclick="x()}{a}',
    "\\def\\a{\\a\\a}\\a",
  ])("cannot pass the formula %s", (tex) => {
    harmless(safeMarkdown(`$$${tex}$$ and $${tex}$`));
    harmless(safeMarkdown(`![$${tex}$ "x" onerror=x()](data:image/png;base64,AAAA "$$${tex}$$")`));
  });

  it("keeps formulas readable in text, and dollars in code or in prices as they are", () => {
    expect(safeMarkdown("so $x_1$ and `$y$`")).toContain("<msub><mi>x</mi><mn>1</mn></msub>");
    expect(safeMarkdown("so $x_1$ and `$y$`")).toContain("<code>$y$</code>");
    expect(safeMarkdown("costs $5 and $6")).toContain("costs $5 and $6");
    expect(safeMarkdown("$\\bad{$")).toContain('<code class="tex">');
  });

  it.each(attacks)("cannot pass %s through HTML or Markdown", (attack) => {
    harmless(safeHtml(attack));
    harmless(safeMarkdown(`text\n\n${attack}\n\n[l](${attack})`));
    harmless(safeMarkdown(`$$${attack}$$ and $${attack}$`));
  });

  it("cannot run script in the report, through any output, cell, spec or name", async () => {
    const notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: {},
      cells: [
        {
          cell_type: "markdown",
          id: "a",
          metadata: {},
          source: `# T </title><script>x()</script>\n\n${attacks.join("\n\n")}`,
        },
        {
          cell_type: "code",
          id: "b",
          metadata: {},
          execution_count: 1,
          source: "</code></pre><script>x()</script>",
          outputs: [
            { output_type: "stream", name: "stdout", text: attacks },
            { output_type: "error", ename: "<script>", evalue: "x", traceback: attacks },
            { output_type: "display_data", metadata: {}, data: { "text/html": attacks } },
            {
              output_type: "display_data",
              metadata: {},
              data: { "image/svg+xml": "<svg onload='x()'><script>x()</script></svg>" },
            },
            { output_type: "display_data", metadata: {}, data: { "image/png": '"><script>x()</script>' } },
            { output_type: "display_data", metadata: {}, data: { "application/javascript": "x()" } },
            {
              output_type: "display_data",
              metadata: {},
              data: {
                "application/vnd.vegalite.v5+json": {
                  $schema: "https://vega.github.io/schema/vega-lite/v5.json",
                  title: "</script><script>x()</script>",
                  data: { url: "https://example.org/data.json" },
                  mark: "point",
                  encoding: {
                    x: { field: "</script>", type: "quantitative" },
                    href: { value: "javascript:x()" },
                  },
                },
                "text/plain": "chart",
              },
            },
            {
              output_type: "display_data",
              metadata: {},
              data: {
                "application/vnd.zoetrope.claim+json": {
                  statement: "<script>x()</script>",
                  verdict: 'PASS"><script>',
                  estimate: 1,
                  low: 1,
                  high: 1,
                  seeds: [],
                  test: "",
                  correction: "",
                  holds: "",
                  note: "",
                  reason: "",
                },
              },
            },
          ],
        },
        { cell_type: "widget<script>", id: "c", metadata: {}, source: "<script>x()</script>" },
      ],
    };
    const path = join(folder, "hostile.ipynb");
    writeFileSync(path, JSON.stringify(notebook));
    const html = await notebookReport(path).html();
    expect(scripts(html).length).toBe(1);
    expect(scripts(html)[0]).toBe(await reportScript());
    const body = html.slice(html.indexOf("<main>")).replaceAll(/<script[\s\S]*?<\/script>/g, "");
    // The page's own links hold data to download; everything else must pass as foreign HTML does.
    harmless(body.replaceAll(/<a download="[^"]*" href="data:[^"]*">/g, "<a>"));
    expect(body).toContain("of the unknown type &quot;widget&lt;script&gt;&quot;");
    const drawn = /<script type="application\/json" id="figure-1-vega">([^<]*)<\/script>/.exec(html)![1]!;
    expect(drawn).not.toContain("https://example.org");
    expect(existsSync(path)).toBe(true);
  });
});

describe("a notebook's report", () => {
  it("reads format 3, names what it does not know, and keeps the source", async () => {
    const path = join(folder, "old.ipynb");
    const cells = [
      { cell_type: "heading", level: 1, source: "Old" },
      {
        cell_type: "code",
        input: "1+1",
        outputs: [
          { output_type: "pyout", text: ["2"] },
          { output_type: "stream", text: "hi\n" },
        ],
      },
    ];
    writeFileSync(path, JSON.stringify({ nbformat: 3, worksheets: [{ cells }] }));
    const html = await notebookReport(path).html();
    expect(html).toContain("Written in notebook format 3, shown as upgraded to 4.");
    expect(html).toContain("<title>Old</title>");
    const source = readPage(html).payload!.source!.notebook as {
      nbformat: number;
      cells: { source: string; outputs: unknown[] }[];
    };
    expect(source.nbformat).toBe(4);
    expect(source.cells[1]).toMatchObject({ source: "1+1", outputs: [] });
    writeFileSync(path, "{}");
    expect(() => notebookReport(path)).toThrow("Cannot report on old.ipynb as it has no cells");
    writeFileSync(path, "x");
    expect(() => notebookReport(path)).toThrow("it is not JSON");
  });
});

describe("grades", () => {
  const rows = Array.from({ length: 40 }, (_, seed) => ({
    name: "a",
    seed,
    score: rng(1).at(seed).normal(1)[0]!,
    seconds: 1,
  }));
  const noisy = (scale: number, shift = 0) =>
    rows.map((row) => ({
      ...row,
      score: row.score + shift + scale * rng(2).at(row.seed).normal(1)[0]!,
      seconds: 9,
    }));

  it("tell the same, the close, the equivalent and the drifted apart, and pass over time", () => {
    expect(gradeRows(rows, noisy(0))).toMatchObject({
      grade: "bit-exact",
      why: "40 rows are the same. Not compared: seconds.",
    });
    expect(gradeRows(rows, noisy(1e-8)).grade).toBe("within tolerance");
    expect(gradeRows(rows, noisy(0.05)).grade).toBe("statistically equivalent");
    expect(gradeRows(rows, noisy(0.05, 0.5)).grade).toBe("drifted");
    expect(gradeRows(rows, rows.slice(1)).grade).toBe("drifted");
    expect(
      gradeRows(
        rows,
        rows.map((row) => ({ ...row, name: "b" })),
      ).why,
    ).toContain("Names in the rows changed");
  });

  it("pair rows by name when their order changed", () => {
    expect(gradeRows(rows, noisy(0.05).reverse()).grade).toBe("statistically equivalent");
  });

  it("of claims follow the verdict first", () => {
    const one = { statement: "s", verdict: "PASS", estimate: 0.3, low: 0.2, high: 0.4, hash: "" };
    expect(gradeClaim(one, { ...one }).grade).toBe("bit-exact");
    expect(gradeClaim(one, { ...one, estimate: 0.3 + 1e-9 }).grade).toBe("within tolerance");
    expect(gradeClaim(one, { ...one, estimate: 0.35, low: 0.25, high: 0.45 }).grade).toBe(
      "statistically equivalent",
    );
    expect(gradeClaim(one, { ...one, estimate: 0.55, low: 0.5, high: 0.6 }).grade).toBe("drifted");
    expect(gradeClaim(one, { ...one, verdict: "FAIL" }).grade).toBe("drifted");
    expect(gradeClaim(one, undefined).grade).toBe("not re-runnable");
  });
});
