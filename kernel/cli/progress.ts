/**
 * How a run looks on a terminal: one line per finished cell, and below it, on a real terminal, one living line with
 * the cell that runs, the time, the NFE spent and the last thing the cell said. In a log file there are no living
 * lines; a cell that runs long reports every 20 seconds instead.
 */

import type { RunEvent } from "../client/run-notebook.ts";
import { type CodeCell, isCodeCell, isJsonObject, type Notebook } from "../nbformat/notebook.ts";
import { lastLine } from "../nbformat/outputs.ts";

export interface ProgressTarget {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Progress {
  show(event: RunEvent): void;
  close(): void;
}

/** `notebook` gives the cells their titles: the heading above, or the first comment of the cell. */
export function showProgress(
  notebook: Notebook,
  target: ProgressTarget,
  { now = () => performance.now() }: { readonly now?: () => number } = {},
): Progress {
  const isLive = target.isTTY === true;
  const startedAt = now();
  const spent = new Map<CodeCell, number>();
  let running: { title: string; number: number; of: number; since: number; cell: CodeCell } | undefined;
  let said = "";
  let hasLine = false;

  const erase = () => {
    if (hasLine) target.write("\r\x1b[2K");
    hasLine = false;
  };
  const nfe = () => {
    const total = [...spent.values()].reduce((sum, cost) => sum + cost, 0);
    return total > 0 ? `  NFE ${total.toLocaleString("en-US")}` : "";
  };
  const status = () => {
    if (running === undefined) return "";
    const doing = said === "" ? running.title : said;
    return `cell ${running.number} of ${running.of}  ${clock(now() - startedAt)}${nfe()}  ${doing}`;
  };
  const draw = () => {
    if (running === undefined) return;
    erase();
    target.write(fitted(`  ${spinner(now())} ${status()}`, (target.columns ?? 80) - 1));
    hasLine = true;
  };
  const timer = setInterval(
    () => (isLive ? draw() : running && target.write(`  ... ${fitted(status(), 160)}\n`)),
    isLive ? 120 : 20_000,
  );
  timer.unref();

  return Object.freeze({
    show(event: RunEvent) {
      switch (event.type) {
        case "start":
          erase();
          target.write(
            `${event.kernel}: ${event.cells} cells (kernel ready in ${event.seconds.toFixed(1)} s)\n`,
          );
          break;
        case "cell":
          running = { ...event, title: titleOf(notebook, event.cell.id), since: now() };
          said = "";
          if (isLive) draw();
          break;
        case "output": {
          const line = lastLine(event.output);
          if (line !== "" && event.cell === running?.cell) said = line;
          spent.set(event.cell, nfeOf(event.cell));
          break;
        }
        case "cell-end": {
          erase();
          const mark = { ok: "✓", raised: "!", error: "✗" }[event.status];
          const title = titleOf(notebook, event.cell.id);
          const place = `${String(event.number).padStart(String(event.of).length)}/${event.of}`;
          target.write(
            `${fitted(
              `  ${mark} ${place}  ${event.seconds.toFixed(1).padStart(6)} s${nfe()}  ${title}`,
              isLive ? (target.columns ?? 80) : 160,
            )}\n`,
          );
          running = undefined;
          break;
        }
        case "end":
          erase();
          break;
      }
    },
    close() {
      clearInterval(timer);
      erase();
    },
  });
}

/**
 * NFE that the outputs of a cell report: each display may carry `metadata.zoetrope.nfe`, its own spending, and an
 * updated display replaces its number.
 */
export function nfeOf(cell: CodeCell): number {
  return cell.outputs.reduce((sum, output) => {
    const metadata = "metadata" in output ? output.metadata["zoetrope"] : undefined;
    const cost = isJsonObject(metadata) ? metadata["nfe"] : undefined;
    return sum + (typeof cost === "number" && Number.isFinite(cost) ? cost : 0);
  }, 0);
}

/** What to call a cell: its first comment, else the nearest heading above it, else its first line. */
export function titleOf(notebook: Notebook, id: string): string {
  const index = notebook.cells.findIndex((cell) => cell.id === id);
  const cell = notebook.cells[index];
  const lines = cell?.source.split("\n").filter((line) => line.trim() !== "") ?? [];
  const comment = /^\s*\/\/+\s*(.+)/.exec(lines[0] ?? "")?.[1];
  if (comment !== undefined) return comment;
  for (let above = index - 1; above >= 0 && !isCodeCell(notebook.cells[above]!); above--) {
    const heading = /^#{1,6}\s+(.+)/m.exec(notebook.cells[above]!.source)?.[1];
    if (heading !== undefined) return heading;
  }
  return lines[0]?.trim() ?? "";
}

function clock(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function spinner(ms: number): string {
  return "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[Math.floor(ms / 120) % 10]!;
}

/** Cut to the width of the terminal, so that the living line stays one line. */
function fitted(line: string, width: number): string {
  const characters = [...line.replaceAll("\t", " ")];
  return characters.length <= width ? line : `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}
