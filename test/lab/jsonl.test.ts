/** The writer of rows on a device that takes nothing: Linux's /dev/full. */
import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { jsonlWriter } from "../../src/lab/jsonl.ts";
import { skipOrFail } from "../kernel/skip-or-fail.ts";

it("a full disk is named with the file, what is kept and the remedy", (context) => {
  if (!existsSync("/dev/full")) skipOrFail(context, "needs /dev/full (Linux)");
  const rows = jsonlWriter("/dev/full");
  expect(() => rows.write('{"step":1}\n')).toThrow(
    /^Cannot append a row to \/dev\/full: ENOSPC.* Earlier rows are kept; free space/,
  );
  rows.close();
});
