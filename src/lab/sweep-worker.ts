/** A worker process of `childProcesses`: loads the task's module once, then answers one message a task. */
import { pathToFileURL } from "node:url";
import type { Row } from "../plot/row.ts";

type Task = (
  settings: object,
  context: { seed: number; signal: AbortSignal },
) => Promise<Row | readonly Row[]>;

const [module, exported] = process.argv.slice(2) as [string, string];
const stop = new AbortController();
process.on("SIGTERM", () => {
  stop.abort();
  process.exit(143);
});
// Whoever started this is gone: nobody waits for the result.
process.on("disconnect", () => process.exit(0));

const loaded = import(pathToFileURL(module).href) as Promise<Record<string, unknown>>;

const sendable = (row: Row) =>
  Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key,
      typeof value === "number" && !Number.isFinite(value) ? { $number: String(value) } : value,
    ]),
  );

process.on("message", async (message: { hash: string; settings: object; seed: number }) => {
  const { hash, settings, seed } = message;
  try {
    const task = (await loaded)[exported];
    if (typeof task !== "function") {
      throw new TypeError(
        `Cannot run the task as ${module} exports no function "${exported}": it exports ${Object.keys(await loaded).join(", ") || "nothing"}.`,
      );
    }
    const result = await (task as Task)(settings, { seed, signal: stop.signal });
    const rows = (Array.isArray(result) ? (result as readonly Row[]) : [result as Row]).map(sendable);
    process.send?.({ hash, rows });
  } catch (error) {
    process.send?.({ hash, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
