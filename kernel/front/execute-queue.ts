/** Execute requests in order, one at a time; those that wait when a cell fails are answered as aborted. */
import type { Message } from "../protocol/message.ts";

export interface ExecuteQueue {
  add(message: Message): void;
  /** Aborts what waits, and what a client has sent in the same breath and is still on its way through the socket. */
  abortWaiting(): Promise<void>;
}

const BREATH_MS = 3;

export function executeQueue(handle: (message: Message, abort: boolean) => Promise<void>): ExecuteQueue {
  const waiting: { readonly message: Message; aborted: boolean }[] = [];
  let working = false;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      await handle(next.message, next.aborted);
    working = false;
  };
  return Object.freeze({
    add(message: Message): void {
      waiting.push({ message, aborted: false });
      if (working) return;
      working = true;
      void work();
    },
    async abortWaiting(): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, BREATH_MS));
      for (const request of waiting) request.aborted = true;
    },
  });
}
