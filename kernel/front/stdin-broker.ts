/** Questions of the running cell to the client that sent it, and the answers back. */
import type { Frame } from "../child/frames.ts";
import type { JsonObject, Message } from "../protocol/message.ts";

export interface StdinParts {
  /** `null`: there is no stdin. */
  readonly answer: (id: number, value: string | null) => void;
  readonly request: (cell: Message, content: JsonObject) => void;
  readonly beforeRequest: () => void;
}

export interface StdinBroker {
  /** Who is asked from now on; null when no cell runs or its client takes no questions. */
  connect(cell: Message | null): void;
  ask(frame: Extract<Frame, { type: "input" }>): void;
  reply(message: Message): void;
}

export function stdinBroker({ answer, request, beforeRequest }: StdinParts): StdinBroker {
  let cell: Message | null = null;
  const asked: number[] = [];
  return Object.freeze({
    connect(message: Message | null): void {
      cell = message;
      asked.length = 0; // Answers to questions of an earlier cell are stale.
    },
    ask({ id, prompt, password }: Extract<Frame, { type: "input" }>): void {
      if (cell === null) {
        answer(id, null);
        return;
      }
      asked.push(id);
      beforeRequest();
      request(cell, { prompt, password });
    },
    reply({ content }: Message): void {
      const id = asked.shift();
      if (id !== undefined) answer(id, String(content["value"] ?? ""));
    },
  });
}
