/**
 * Kernel messages -> outputs of cells, with the rules of Jupyter's clients: neighbouring stream texts become one
 * output, `\r` and `\b` act as on a terminal, clear_output(wait) holds until the next output, and a display id
 * changes every output that was shown under it, in whichever cell.
 */
import {
  type CodeCell,
  isJsonObject,
  type Json,
  type JsonObject,
  type MimeBundle,
  type Output,
} from "./notebook.ts";

/** What a message did to a cell. `outputIndex` counts in `cell.outputs` after the change. */
export type OutputChange =
  | { readonly kind: "added"; readonly cell: CodeCell; readonly outputIndex: number }
  | { readonly kind: "changed"; readonly cell: CodeCell; readonly outputIndex: number }
  | { readonly kind: "cleared"; readonly cell: CodeCell };

export interface OutputRecorder {
  /** Applies one iopub message that belongs to `cell`; messages that are no output change nothing. */
  record(cell: CodeCell, messageType: string, content: JsonObject): OutputChange[];
}

/** One recorder serves one run of one notebook: display ids are known across its cells. */
export function recordOutputs(): OutputRecorder {
  const shownAs = new Map<string, { cell: CodeCell; output: Output }[]>();
  const clearOnNext = new Set<CodeCell>();

  function clear(cell: CodeCell): OutputChange {
    cell.outputs.length = 0;
    for (const [id, places] of shownAs)
      shownAs.set(
        id,
        places.filter((place) => place.cell !== cell),
      );
    return { kind: "cleared", cell };
  }

  function changeShown(displayId: string, content: JsonObject): OutputChange[] {
    const changes: OutputChange[] = [];
    for (const { cell, output } of shownAs.get(displayId) ?? []) {
      if (output.output_type !== "display_data" && output.output_type !== "execute_result") continue;
      output.data = bundleOf(content["data"]);
      output.metadata = isJsonObject(content["metadata"]) ? content["metadata"] : {};
      changes.push({ kind: "changed", cell, outputIndex: cell.outputs.indexOf(output) });
    }
    return changes;
  }

  return Object.freeze({
    record(cell: CodeCell, messageType: string, content: JsonObject): OutputChange[] {
      const transient = content["transient"];
      const displayId = isJsonObject(transient) ? transient["display_id"] : undefined;
      const changes: OutputChange[] = [];
      if (
        typeof displayId === "string" &&
        /^(display_data|update_display_data|execute_result)$/.test(messageType)
      )
        changes.push(...changeShown(displayId, content));
      if (messageType === "clear_output") {
        if (content["wait"] === true) clearOnNext.add(cell);
        else changes.push(clear(cell));
        return changes;
      }
      const output = outputOf(messageType, content);
      if (output === undefined) return changes;
      if (clearOnNext.delete(cell)) changes.push(clear(cell));
      const last = cell.outputs.at(-1);
      if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name) {
        last.text = terminalText(last.text + output.text);
        changes.push({ kind: "changed", cell, outputIndex: cell.outputs.length - 1 });
        return changes;
      }
      if (output.output_type === "stream") output.text = terminalText(output.text);
      cell.outputs.push(output);
      if (typeof displayId === "string")
        shownAs.set(displayId, [...(shownAs.get(displayId) ?? []), { cell, output }]);
      changes.push({ kind: "added", cell, outputIndex: cell.outputs.length - 1 });
      return changes;
    },
  });
}

/** The output that a message describes, or undefined for status, input and comm messages. */
export function outputOf(messageType: string, content: JsonObject): Output | undefined {
  const metadata = isJsonObject(content["metadata"]) ? content["metadata"] : {};
  switch (messageType) {
    case "stream":
      return { output_type: "stream", name: text(content["name"], "stdout"), text: text(content["text"]) };
    case "display_data":
      return { output_type: "display_data", data: bundleOf(content["data"]), metadata };
    case "execute_result": {
      const count = content["execution_count"];
      return {
        output_type: "execute_result",
        data: bundleOf(content["data"]),
        metadata,
        execution_count: typeof count === "number" ? count : null,
      };
    }
    case "error":
      return {
        output_type: "error",
        ename: text(content["ename"], "Error"),
        evalue: text(content["evalue"]),
        traceback: Array.isArray(content["traceback"]) ? content["traceback"].map((line) => text(line)) : [],
      };
    default:
      return undefined;
  }
}

/**
 * What a terminal would show: `\b` takes back a character of the line, a lone `\r` starts the line anew. A `\r` at
 * the very end is kept, since what follows decides what it does.
 */
export function terminalText(raw: string): string {
  let shown = raw;
  if (shown.includes("\b")) {
    for (let before = ""; before !== shown; ) {
      before = shown;
      // biome-ignore lint/suspicious/noControlCharactersInRegex: backspace is one
      shown = shown.replace(/[^\n]\x08/g, "");
    }
    shown = shown.replaceAll("\b", "");
  }
  if (!shown.includes("\r")) return shown;
  return shown.replaceAll(/\r+\n/g, "\n").replaceAll(/[^\n]*\r(?=[^\n])/g, "");
}

/** What one line can say about an output: the last non-empty line of its plain text. */
export function lastLine(output: Output): string {
  const plain =
    output.output_type === "stream"
      ? output.text
      : output.output_type === "error"
        ? `${output.ename}: ${output.evalue}`
        : text(output.data["text/plain"]) || text(output.data["text/markdown"]);
  const lines = withoutColour(plain)
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines.at(-1)?.trim() ?? "";
}

/** Text without terminal colour sequences. */
export function withoutColour(coloured: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one
  return coloured.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "");
}

function bundleOf(data: Json | undefined): MimeBundle {
  return isJsonObject(data) ? data : {};
}

function text(value: Json | undefined, otherwise = ""): string {
  return typeof value === "string" ? value : otherwise;
}
