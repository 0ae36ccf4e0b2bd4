/** A search journal on disk: open it, pass it on, and the search continues where the last process was killed. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { closedRecords, type JournalRecord, readJournal } from "./journal.ts";

/**
 * @example await search(space, strategy, { verifier, ...openJournal("data/runs/tof.jsonl") });
 * @throws SyntaxError when a line other than the last is not JSON
 */
export function openJournal(path: string): {
  readonly resume?: readonly JournalRecord[];
  readonly onRecord: (record: JournalRecord) => void;
} {
  const lineOf = (record: JournalRecord): string => `${JSON.stringify(record)}\n`;
  const onRecord = (record: JournalRecord): void => appendFileSync(path, lineOf(record));
  mkdirSync(dirname(path), { recursive: true });
  const records = existsSync(path) ? closedRecords(readJournal(readFileSync(path, "utf8"))) : [];
  // What a kill left half-written is cut off, so that new lines do not grow onto it.
  writeFileSync(`${path}.tmp`, records.map(lineOf).join(""));
  renameSync(`${path}.tmp`, path);
  return records.length > 0 ? { resume: records, onRecord } : { onRecord };
}
