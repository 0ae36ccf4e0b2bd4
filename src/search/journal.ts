/**
 * What a search has computed so far, as records that go to a file line by line. A search is a pure function of its
 * seed and options, so resuming means running it again with the answers at hand: what is in the journal is not
 * computed again, everything after it is, and the result is identical to that of an uninterrupted search.
 */
import type { Cost } from "../diffusion/nfe.ts";
import { type Candidate, candidateKey, type Finished, finishedChunks } from "./candidate.ts";

interface Closing {
  /** On the last record of a batch: what the batch cost. Records behind the last closed batch count as not done. */
  readonly cost?: Cost;
}

export interface SearchIdentity {
  readonly kind: "search";
  readonly strategy: string;
  readonly options: unknown;
  readonly space: string;
  readonly prompt: string;
  readonly seed: number;
}

export interface AdvanceRecord extends Closing {
  readonly kind: "advance";
  readonly key: string;
  readonly chunk: number;
  readonly step: number;
  /** Newly finished chunks and the state in work, base64 of little-endian float32. */
  readonly chunks: readonly string[];
  readonly xt?: string;
  readonly x0?: string;
}

export interface ScoreRecord extends Closing {
  readonly kind: "score";
  readonly key: string;
  /** null where the verifier failed, or is an ensemble of `parts`. */
  readonly score: number | null;
  readonly parts?: readonly (number | null)[];
  readonly failure?: string;
}

export type JournalRecord = SearchIdentity | AdvanceRecord | ScoreRecord;

/** The advanced candidate as a record: only the chunks finished since `before` are written. */
export function advanceRecord(before: Candidate, after: Candidate, to: string): AdvanceRecord {
  return {
    kind: "advance",
    key: `${candidateKey(before)} -> ${to}`,
    chunk: after.chunk,
    step: after.step,
    chunks: finishedChunks(after).slice(before.chunk).map(encode),
    ...(after.xt && { xt: encode(after.xt) }),
    ...(after.x0 && { x0: encode(after.x0) }),
  };
}

/** The candidate that `advanceRecord` was made of. */
export function advanced(before: Candidate, record: AdvanceRecord): Candidate {
  let finished: Finished | undefined = before.finished;
  for (const chunk of record.chunks)
    finished = Object.freeze({ latents: decode(chunk), ...(finished && { previous: finished }) });
  return Object.freeze({
    seed: before.seed,
    lineage: before.lineage,
    genome: before.genome,
    chunk: record.chunk,
    step: record.step,
    ...(finished && { finished }),
    ...(record.xt !== undefined && { xt: decode(record.xt) }),
    ...(record.x0 !== undefined && { x0: decode(record.x0) }),
  });
}

/**
 * Records of a journal file (one JSON object a line). A torn last line, which a killed writer leaves, is dropped.
 * @throws SyntaxError for any other line that is not JSON
 */
export function readJournal(text: string): JournalRecord[] {
  const lines = text.split("\n");
  return lines.flatMap((line, i) => {
    if (line.trim() === "") return [];
    try {
      return [JSON.parse(line) as JournalRecord];
    } catch (error) {
      if (i === lines.length - 1) return [];
      throw new SyntaxError(
        `Cannot read the search journal as line ${i + 1} of ${lines.length} is not JSON: ${(error as Error).message}. Cut the file before that line.`,
      );
    }
  });
}

/** Only the records whose batch was closed by its cost: what a killed search had surely done. */
export function closedRecords(records: readonly JournalRecord[]): JournalRecord[] {
  const last = records.findLastIndex((record) => record.kind === "search" || record.cost !== undefined);
  return records.slice(0, last + 1);
}

function encode(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("base64");
}

function decode(text: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return new Float32Array(copy.buffer);
}
