import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { vbenchKeys } from "../../../src/metrics/vbench/constants.ts";
import { readLeaderboard, scoreVbenchFile } from "../../../src/metrics/vbench/leaderboard.ts";
import { loadEvalResults, mergeResults } from "../../../src/metrics/vbench/result-files.ts";
import {
  loadSubmissionZip,
  readSubmission,
  writeSubmission,
  writeSubmissionZip,
} from "../../../src/metrics/vbench/submission.ts";
import { readZip, writeZip } from "../../../src/metrics/vbench/zip-file.ts";
import { packageRoot } from "../../../src/tensor/package-root.ts";
import { rng } from "../../../src/tensor/rng.ts";

const published = readLeaderboard(readFileSync(join(packageRoot, "data/vbench/published.csv"), "utf8"));
const { raw: full } = published.find((row) => row.model === "HunyuanVideo")!;
const folder = mkdtempSync(join(tmpdir(), "vbench-submission-"));
const at = (name: string): string => join(folder, name);
const video = { video_path: "videos/a cat, running-0.mp4", video_results: true, frame_count: 16 };
const results = { raw: full, perVideo: { color: [video] } };
const prompts = [{ prompt_en: "a cat", dimension: ["color"] }];
const time = "2026-01-01-00:00:00";
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

test("a folder of one file a dimension, without colons", async () => {
  const names = await writeSubmission(at("folder"), results, { time, prompts });
  expect(names).toHaveLength(17);
  expect((await readdir(at("folder"))).sort()).toEqual([...names].sort());
  expect(names.join()).not.toContain(":");
  const parts = await Promise.all(
    names.slice(0, 16).map((name) => loadEvalResults(join(at("folder"), name))),
  );
  expect(mergeResults(parts).raw).toEqual(full);
});

test("a zip with the files at its root comes back whole, and its row scores as the dimensions do", async () => {
  const names = await writeSubmissionZip(at("hunyuan.zip"), results, { time, prompts });
  expect(names).toHaveLength(17);
  const back = await loadSubmissionZip(at("hunyuan.zip"));
  expect(back.raw).toEqual(full);
  expect(back.perVideo.color).toEqual([video]);
  expect(back.notes).toEqual([]);
  const [row] = await scoreVbenchFile(at("hunyuan.zip"));
  expect(row).toMatchObject({ model: "hunyuan", lint: [] });
  expect(row!.total).toBeCloseTo(83.24, 2);
  const again = at("again.zip");
  await writeSubmissionZip(again, results, { time, prompts });
  expect(readFileSync(again)).toEqual(readFileSync(at("hunyuan.zip")));
});

test("an incomplete submission is refused, and one that is read keeps its gaps", async () => {
  const { color: _, ...gap } = full;
  await expect(writeSubmissionZip(at("gap.zip"), { raw: gap, perVideo: {} })).rejects.toThrow(
    /without color.*count 0/,
  );
  writeFileSync(at("gap.zip"), writeZip([{ name: "a.json", data: json(gap) }]));
  const [row] = await scoreVbenchFile(at("gap.zip"));
  expect(row).toMatchObject({ quality: null, semantic: null, total: null });
  expect(row!.lint[0]).toMatchObject({ rule: "missing", dimensions: ["color"] });
});

test("files are read as the official scorer reads them", () => {
  const read = readSubmission([
    { name: "results/a.json", data: json({ "object class": [0.5, []] }) },
    { name: "b.json", data: json({ object_class: [0.75, []], scene: [0.5, []] }) },
    { name: "full_info.json", data: json([{ prompt_en: "x" }]) },
    { name: "__MACOSX/._b.json", data: json({ scene: [0.9, []] }) },
    { name: ".hidden.json", data: json({ scene: [0.9, []] }) },
    { name: "deep/er/c.json", data: json({ scene: [0.9, []] }) },
    { name: "torn.json", data: Buffer.from("{") },
    { name: "readme.txt", data: Buffer.from("hello") },
  ]);
  expect(read.raw).toEqual({ object_class: 0.75, scene: 0.5 });
  expect(read.notes).toEqual([
    "Ignored deep/er/c.json: the scorer looks at the root and one folder down.",
    "Ignored torn.json: it is not JSON.",
  ]);
  expect(() => readSubmission([{ name: "a.txt", data: Buffer.from("") }])).toThrow(
    "none of its 1 files holds results at the root or one folder down",
  );
});

test("zips: any names and bytes come back; damage, other archives and bombs are named", () => {
  const noise = Buffer.from(rng(1).normal(5_000).buffer);
  const entries = [
    { name: "leer.json", data: Buffer.alloc(0) },
    { name: "Köln/日本.json", data: Buffer.from("x".repeat(70_000)) },
    { name: "noise", data: noise },
  ];
  const bytes = writeZip(entries);
  expect(readZip(bytes)).toEqual(entries);
  // Text shrinks, noise is stored.
  expect(bytes.length).toBeLessThan(noise.length + 1_000);
  const flipped = Buffer.from(bytes);
  flipped[flipped.length - 400]! ^= 1;
  expect(() => readZip(flipped)).toThrow(/"noise" is damaged/);
  expect(() => readZip(bytes.subarray(0, bytes.length - 60))).toThrow(/it has no directory/);
  expect(() => readZip(Buffer.from("PK nothing"))).toThrow(/it has no directory/);
  expect(() => writeZip([entries[0]!, entries[0]!])).toThrow('Cannot zip two files named "leer.json"');
  const bomb = Buffer.from(bytes);
  const directory = bomb.readUInt32LE(bomb.length - 6);
  bomb.writeUInt32LE(0xfffffff0, directory + 24);
  expect(() => readZip(bomb)).toThrow(/unpacks to more than 1024 MiB/);
  const locked = Buffer.from(bytes);
  locked.writeUInt16LE(1, directory + 8);
  expect(() => readZip(locked)).toThrow(/"leer.json" is encrypted/);
});

function hasUnzip(): boolean {
  try {
    execFileSync("unzip", ["-v"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test.runIf(hasUnzip())("other programs read our zips", async () => {
  await writeSubmissionZip(at("theirs.zip"), results, { time });
  const report = execFileSync("unzip", ["-t", at("theirs.zip")], { encoding: "utf8" });
  expect(report).toContain("No errors detected");
  expect(vbenchKeys.every((key) => report.includes(`${key}_eval_results.json`))).toBe(true);
});
