import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import {
  loadEvalResults,
  loadPcaCodec,
  loadSubmissionZip,
  notebookReport,
  reportFromTemplate,
  scoreVbenchFile,
  verifyReport,
} from "../../src/index.ts";
import { givenBytes, givenText } from "../../src/tensor/given-file.ts";

const folder = mkdtempSync(join(tmpdir(), "zoetrope-given-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const none = join(folder, "none");

it("a given file is read, as bytes or as text", () => {
  const path = join(folder, "some.txt");
  writeFileSync(path, "käse");
  expect([...givenBytes(path, "read")]).toEqual([0x6b, 0xc3, 0xa4, 0x73, 0x65]);
  expect(givenText(path, "read")).toBe("käse");
});

it.each<[string, (path: string) => unknown]>([
  ["score VBench results", scoreVbenchFile],
  ["load VBench results", loadEvalResults],
  ["load a VBench submission", loadSubmissionZip],
  ["load a PCA codec", loadPcaCodec],
  ["verify a report", verifyReport],
  ["report a notebook", notebookReport],
  ["fill a report's template", (path) => reportFromTemplate(path, {}, { title: "none" })],
])("where it cannot be read, who wanted to %s is told why", async (action, load) => {
  const attempt = (path: string) => Promise.resolve().then(() => load(path));
  await expect(attempt(none)).rejects.toThrow(
    `Cannot ${action} as ${none} cannot be read: there is no such file. Check the path.`,
  );
  await expect(attempt(folder)).rejects.toThrow(
    `Cannot ${action} as ${folder} cannot be read: it is a folder. Check the path.`,
  );
});
