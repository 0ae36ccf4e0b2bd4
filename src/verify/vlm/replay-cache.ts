/**
 * Recorded answers of an endpoint, one JSON line each, so that what was seen once can be seen again offline.
 *
 *   record   answers are read from the file and new ones appended (default)
 *   replay   only the file answers; a question that is not in it is an error: nothing goes over the network
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from "node:fs";
import { dirname } from "node:path";
import type { VlmAnswer } from "./client.ts";

export interface ReplayCache {
  readonly size: number;
  get(key: string): VlmAnswer | undefined;
  put(key: string, answer: VlmAnswer): void;
  /** @throws Error in replay mode, where a missing answer may not be asked for. */
  demand(key: string, question: string): void;
}

/** @throws SyntaxError for a line that is not JSON, except a last one torn by a kill */
export function replayCache(
  path: string,
  { mode = "record" }: { readonly mode?: "record" | "replay" } = {},
): ReplayCache {
  const answers = new Map<string, VlmAnswer>();
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  const lines = text.split("\n");
  let torn = "";
  lines.forEach((line, i) => {
    if (line.trim() === "") return;
    try {
      const { key, ...answer } = JSON.parse(line) as { key: string } & VlmAnswer;
      answers.set(key, answer);
    } catch (error) {
      if (i === lines.length - 1) {
        torn = line;
        return;
      }
      throw new SyntaxError(
        `Cannot read the recorded answers as line ${i + 1} of ${path} is not JSON: ${(error as Error).message}.`,
      );
    }
  });
  let separator = text === "" || text.endsWith("\n") || torn ? "" : "\n";
  return Object.freeze({
    get size() {
      return answers.size;
    },
    get: (key: string) => answers.get(key),
    put(key: string, answer: VlmAnswer) {
      answers.set(key, answer);
      mkdirSync(dirname(path), { recursive: true });
      // What a kill left half-written is cut off, so that the next record does not grow onto it.
      if (torn) truncateSync(path, Buffer.byteLength(text.slice(0, text.length - torn.length)));
      torn = "";
      appendFileSync(path, `${separator}${JSON.stringify({ key, ...answer })}\n`);
      separator = "";
    },
    demand(key: string, question: string) {
      if (mode === "record") return;
      throw new Error(
        `Cannot answer "${question.slice(0, 80)}" offline as ${path} has no record ${key.slice(0, 12)} among its ${answers.size}. Run once with mode "record".`,
      );
    },
  });
}
