/**
 * Frames of the child -> messages on iopub. Text is joined: at most 20 ms or 64 kB wait, and everything else that goes
 * out sends waiting text first, so that the order on iopub is the order of production.
 */
import type { Frame } from "../child/frames.ts";
import type { Header, JsonObject } from "../protocol/message.ts";

export type Publish = (
  parent: Header | null,
  type: string,
  content: JsonObject,
  parts?: { metadata?: JsonObject; buffers?: readonly Uint8Array[] },
) => void;

export interface Output {
  text(parent: Header | null, name: "stdout" | "stderr", text: string): void;
  frame(parent: Header | null, frame: Frame, buffers: readonly Uint8Array[]): void;
  /** Sends the text that waits. */
  flush(): void;
}

const WAIT_MS = 20;
const FULL = 64 * 1024;

interface Waiting {
  readonly parent: Header | null;
  readonly name: "stdout" | "stderr";
  readonly parts: string[];
  length: number;
}

export function output(publish: Publish): Output {
  let waiting: Waiting | null = null;
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (waiting === null) return;
    const { parent, name, parts } = waiting;
    waiting = null;
    publish(parent, "stream", { name, text: parts.join("") });
  };
  const text = (parent: Header | null, name: "stdout" | "stderr", piece: string): void => {
    if (waiting !== null && (waiting.name !== name || waiting.parent !== parent)) flush();
    waiting ??= { parent, name, parts: [], length: 0 };
    waiting.parts.push(piece);
    waiting.length += piece.length;
    if (waiting.length >= FULL) flush();
    else timer ??= setTimeout(flush, WAIT_MS);
  };
  return Object.freeze({
    text,
    flush,
    frame(parent: Header | null, frame: Frame, buffers: readonly Uint8Array[]): void {
      if (frame.type === "stream") {
        text(parent, frame.name, frame.text);
        return;
      }
      flush();
      if (frame.type === "display") {
        const transient = frame.id === undefined ? {} : { display_id: frame.id };
        const type = frame.update ? "update_display_data" : "display_data";
        publish(parent, type, { data: frame.data, metadata: frame.metadata, transient });
      } else if (frame.type === "clear") publish(parent, "clear_output", { wait: frame.wait });
      else if (frame.type === "comm") {
        const target = frame.target === undefined ? {} : { target_name: frame.target };
        const content = { comm_id: frame.id, ...target, data: frame.data };
        publish(parent, frame.message, content, { metadata: frame.metadata, buffers });
      }
    },
  });
}
