import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type VbenchKey, vbenchKeys } from "../../../src/metrics/vbench/constants.ts";
import { parseCsv, writeCsv } from "../../../src/metrics/vbench/csv.ts";
import {
  readLeaderboard,
  scoreVbenchFile,
  writeLeaderboard,
} from "../../../src/metrics/vbench/leaderboard.ts";
import { lintVbench } from "../../../src/metrics/vbench/lint.ts";
import {
  loadEvalResults,
  mergeResults,
  readEvalResults,
  readFullInfo,
  writeEvalResults,
} from "../../../src/metrics/vbench/result-files.ts";
import { vbenchTotals } from "../../../src/metrics/vbench/totals.ts";
import { packageRoot } from "../../../src/tensor/package-root.ts";

const csvPath = join(packageRoot, "data/vbench/published.csv");
const published = readLeaderboard(readFileSync(csvPath, "utf8"));
const hunyuan = published.find((row) => row.model === "HunyuanVideo")!;
const full = hunyuan.raw as Record<VbenchKey, number>;
const folder = mkdtempSync(join(tmpdir(), "vbench-"));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

describe("scoring files", () => {
  it("scores the published CSV in row order, in percent, without findings", async () => {
    const rows = await scoreVbenchFile(csvPath);
    expect(rows.map((row) => row.model)).toEqual(published.map((row) => row.model));
    for (const row of rows) expect(row.lint, row.model).toEqual([]);
    expect(rows.find((row) => row.model === "HunyuanVideo")!.total).toBeCloseTo(83.24, 2);
  });

  it("takes fractions, percent signs, other names and orders of columns, and quotes", async () => {
    const header = [
      "Name",
      ...[...vbenchKeys].reverse().map((key) => key.replaceAll("_", " ").toUpperCase()),
    ];
    const percents = [...vbenchKeys].reverse().map((key) => `0${(100 * full[key]).toFixed(2)}%`);
    const fractions = [...vbenchKeys].reverse().map((key) => full[key].toFixed(4));
    const text = writeCsv([header, ['a, "quoted" one', ...percents], ["b", ...fractions]]);
    const rows = await scoreVbenchFile(file("mixed.csv", text.replaceAll("\n", "\r\n")));
    expect(rows.map((row) => row.model)).toEqual(['a, "quoted" one', "b"]);
    for (const row of rows) {
      expect(row.total).toBeCloseTo(83.24, 2);
      expect(row.lint).toEqual([]);
    }
  });

  it("gives null totals and says what is missing, keeping the row's place", async () => {
    const text = `model,${vbenchKeys.join(",")}\nx,${vbenchKeys.map((k) => (k === "scene" ? "-" : 100 * full[k])).join(",")}\ny,${vbenchKeys.map((k) => 100 * full[k]).join(",")}\n`;
    const rows = await scoreVbenchFile(file("gap.csv", text));
    expect(rows[0]).toMatchObject({ model: "x", quality: null, semantic: null, total: null });
    expect(rows[0]!.lint[0]).toMatchObject({ rule: "missing", dimensions: ["scene"] });
    expect(rows[1]!.total).toBeCloseTo(83.24, 2);
  });

  it("reads official JSON, also with spaces in keys, nested by model, and with bare NaN", async () => {
    const official = Object.fromEntries(
      vbenchKeys.map((key) => [
        key.replaceAll("_", " "),
        [full[key], [{ video_path: "a.mp4", video_results: 0.5 }]],
      ]),
    );
    const [one] = await scoreVbenchFile(file("hy_eval_results.json", JSON.stringify(official)));
    expect(one).toMatchObject({ model: "hy", lint: [] });
    expect(one!.total).toBeCloseTo(83.24, 2);
    const rows = await scoreVbenchFile(file("many.json", JSON.stringify({ m1: official, m2: official })));
    expect(rows.map((row) => row.model)).toEqual(["m1", "m2"]);
    const listed = await scoreVbenchFile(file("list.json", JSON.stringify([{ model: "L", ...full }])));
    expect(listed[0]!.model).toBe("L");
    const [gap] = await scoreVbenchFile(
      file("nan.json", JSON.stringify({ ...full, scene: 0.987654 }).replace("0.987654", "NaN")),
    );
    expect(gap!.total).toBeNull();
  });

  it("reads files with a byte order mark, quoted numbers and other columns, and says what it did not know", async () => {
    const cells = vbenchKeys.map((key) => `"${(100 * full[key]).toFixed(2)}"`);
    const header = `model,"Scene,old",${vbenchKeys.join(",")},date`;
    const text = `\uFEFF${header}\r\n"a\nb",1,${cells.join(",")},2026\r\n`;
    const [whole] = await scoreVbenchFile(file("bom.csv", text));
    expect(whole).toMatchObject({ model: "a\nb", lint: [] });
    expect(whole!.total).toBeCloseTo(83.24, 2);
    const [bare] = await scoreVbenchFile(file("bom.json", `\uFEFF${JSON.stringify(full)}`));
    expect(bare!.total).toBeCloseTo(83.24, 2);
    const [typo] = await scoreVbenchFile(
      file(
        "typo.csv",
        text.replace("dynamic_degree", "dynamic_degre").replace("object_class,", "object_class,"),
      ),
    );
    expect(typo!.total).toBeNull();
    expect(typo!.lint.map((finding) => finding.message)).toEqual([
      'Ignored the columns "Scene,old", "dynamic_degre", "date": not among the sixteen dimensions.',
      "No total: 1 of 16 dimensions missing (dynamic_degree).",
    ]);
    const [odd] = await scoreVbenchFile(file("odd.json", JSON.stringify({ ...full, charm: 1 })));
    expect(odd!.lint).toEqual([
      { rule: "columns", message: 'Ignored "charm": not one of the sixteen dimensions.' },
    ]);
  });

  it("scores nothing of a header alone, refuses an empty file, and takes ten thousand rows in seconds", async () => {
    expect(await scoreVbenchFile(file("head.csv", `model,${vbenchKeys.join(",")}\n`))).toEqual([]);
    await expect(scoreVbenchFile(file("empty.csv", ""))).rejects.toThrow(/names none of the sixteen/);
    await expect(scoreVbenchFile(file("bom-only.csv", "\uFEFF\n"))).rejects.toThrow(
      /names none of the sixteen/,
    );
    const line = vbenchKeys.map((key) => (100 * full[key]).toFixed(2)).join(",");
    const rows = Array.from({ length: 10_000 }, (_, i) => `m${i},${line}`);
    const scored = await scoreVbenchFile(
      file("many.csv", `model,${vbenchKeys.join(",")}\n${rows.join("\n")}\n`),
    );
    expect([scored.length, scored.at(-1)!.model]).toEqual([10_000, "m9999"]);
  });

  it("names what is wrong with files it cannot read", async () => {
    await expect(scoreVbenchFile(join(folder, "none.csv"))).rejects.toThrow(/cannot be read/);
    await expect(scoreVbenchFile(file("a.csv", "model,x\na,1\n"))).rejects.toThrow(
      /names none of the sixteen/,
    );
    await expect(scoreVbenchFile(file("b.json", "{"))).rejects.toThrow(/starts like JSON but is not/);
    await expect(scoreVbenchFile(file("c.json", "{}"))).rejects.toThrow(/names none of the sixteen/);
    await expect(scoreVbenchFile(file("d.csv", "model,scene,scene\na,1,2\n"))).rejects.toThrow(
      /scene occurs twice/,
    );
    await expect(scoreVbenchFile(file("e.csv", 'model,scene\n"a,1\n'))).rejects.toThrow(/never closed/);
  });

  it("writes rows that it reads back", () => {
    const back = readLeaderboard(writeLeaderboard([{ model: "m,1", raw: full }]))[0]!;
    expect(back.model).toBe("m,1");
    for (const key of vbenchKeys) expect(back.raw[key]).toBeCloseTo(full[key], 6);
    expect(back.printed.total).toBeCloseTo(0.8324, 4);
    expect(parseCsv('a,"b\n""c"""\r\n\r\n1,2')).toEqual([
      ["a", 'b\n"c"'],
      ["1", "2"],
    ]);
  });
});

describe("linter", () => {
  const row = (raw: Record<VbenchKey, number>) => lintVbench({ raw, printed: hunyuan.printed });

  it("finds swapped columns and names them", () => {
    const swapped = { ...full, appearance_style: full.temporal_style, temporal_style: full.appearance_style };
    const findings = row(swapped);
    expect(findings.map((f) => f.rule)).toContain("total");
    expect(findings.filter((f) => f.rule === "columns").map((f) => f.message)).toContain(
      "Swapping appearance_style and temporal_style makes the totals right.",
    );
  });

  it("finds a run of columns rotated by one, and values below their possible minimum", () => {
    const run = ["motion_smoothness", "dynamic_degree", "aesthetic_quality", "imaging_quality"] as const;
    const rotated = { ...full };
    run.forEach((key, i) => {
      rotated[key] = full[run[(i + 1) % run.length]!];
    });
    const findings = row(rotated);
    expect(
      findings.some(
        (f) =>
          f.rule === "columns" &&
          f.message.startsWith(
            "Rotating the columns motion_smoothness to imaging_quality by one to the right",
          ),
      ),
    ).toBe(true);
    // Also without printed totals: 70.83 % motion smoothness passes, 98.99 % imaging quality does not.
    expect(lintVbench({ raw: rotated }).map((f) => f.rule)).toContain("unusual");
    expect(lintVbench({ raw: { ...full, motion_smoothness: 0.4098 } })).toContainEqual(
      expect.objectContaining({ rule: "bounds", dimensions: ["motion_smoothness"] }),
    );
  });

  it("suggests what to compare when totals were computed from columns in the wrong order", () => {
    const run = ["motion_smoothness", "dynamic_degree", "aesthetic_quality", "imaging_quality"] as const;
    const rotated = { ...full };
    run.forEach((key, i) => {
      rotated[key] = [0.4098, 0.6179, 0.7046, 0.9707][i]!;
    });
    const findings = lintVbench({ raw: rotated, printed: vbenchTotals(rotated) });
    expect(findings.map((f) => f.rule)).toEqual(["columns", "columns", "bounds", "unusual"]);
    expect(findings[1]!.message).toMatch(/^Rotating the columns .* would bring every value into its range/);
  });

  it("finds totals of another row, and totals that contradict each other", () => {
    const other = lintVbench({ raw: full, printed: { quality: 0.8509, semantic: 0.7582, total: 0.8424 } });
    expect(other.map((f) => f.rule)).toEqual(["total", "total"]);
    expect(other[0]!.message).toMatch(/Printed total 84\.24 % does not follow.*83\.24 %/);
  });

  it("does not mistake rounding for an error", () => {
    for (const { raw, printed } of published) expect(lintVbench({ raw, printed })).toEqual([]);
    const coarse = Object.fromEntries(
      vbenchKeys.map((k) => [k, Math.round(1000 * full[k]) / 1000]),
    ) as typeof full;
    expect(lintVbench({ raw: coarse, printed: { total: 0.832 }, halfUnit: 0.0005 })).toEqual([]);
  });

  it("suspects a fraction among percents", async () => {
    const cells = vbenchKeys.map((k) => (k === "color" ? "0.9160" : (100 * full[k]).toFixed(2)));
    const [scored] = await scoreVbenchFile(
      file("units.csv", `model,${vbenchKeys.join(",")}\nm,${cells.join(",")}\n`),
    );
    expect(scored!.lint[0]).toMatchObject({ rule: "units", dimensions: ["color"] });
    const half = vbenchKeys.map((k, i) => (i % 2 ? full[k].toFixed(2) : (100 * full[k]).toFixed(2)));
    const [mixed] = await scoreVbenchFile(
      file("half.csv", `model,${vbenchKeys.join(",")}\nm,${half.join(",")}\n`),
    );
    expect(mixed!.lint.filter((finding) => finding.rule === "units")).toHaveLength(8);
  });
});

describe("result files", () => {
  it("round-trip and merge as the official scorer does, a later file winning", async () => {
    const first = readEvalResults({
      scene: [0.5, [{ video_path: "a", video_results: 0.5, frame_count: 16 }]],
      color: [0.9, []],
    });
    const second = readEvalResults({ scene: [0.6, []], imaging_quality: [67.5, []], odd: 3 });
    const merged = mergeResults([first, second]);
    expect(merged.raw).toEqual({ scene: 0.6, color: 0.9, imaging_quality: 0.675 });
    expect(merged.notes).toHaveLength(2);
    const path = file("r_eval_results.json", writeEvalResults(first));
    expect((await loadEvalResults(path)).perVideo.scene).toEqual([
      { video_path: "a", video_results: 0.5, frame_count: 16 },
    ]);
    expect(readFileSync(path, "utf8")).toMatch(/^\{\n {4}"color": \[/);
  });

  it("refuse what they are not", () => {
    expect(() => readEvalResults([])).toThrow(/a list \(a _full_info\.json\?\)/);
    expect(() => readFullInfo({})).toThrow(/must be a list/);
    expect(() => readFullInfo([{ prompt_en: "a" }])).toThrow(/record 0 lacks prompt_en or dimension/);
  });
});
