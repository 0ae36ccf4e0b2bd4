/**
 * One queue per socket, with awaited sends. zeromq.js accepts about 500 sends per turn of the event loop and then
 * rejects with EBUSY: a kernel that does not await loses output, and even its `idle`.
 */
import type { Frames } from "./transport.ts";

export interface SendQueue {
  push(frames: Frames): void;
  readonly backlog: number;
  drained(): Promise<void>;
}

export function sendQueue(
  send: (frames: Frames) => Promise<void>,
  onError: (error: unknown) => void,
): SendQueue {
  let waiting: Frames[] = [];
  let backlog = 0;
  let running: Promise<void> | null = null;
  const size = (frames: Frames): number => frames.reduce((sum, frame) => sum + frame.byteLength, 0);
  const pump = async (): Promise<void> => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      for (const frames of batch) {
        try {
          await send(frames);
        } catch (error) {
          onError(error); // A peer that has gone must not stop the messages behind it.
        }
        backlog -= size(frames);
      }
    }
    running = null;
  };
  return {
    push(frames) {
      backlog += size(frames);
      waiting.push(frames);
      running ??= pump();
    },
    get backlog() {
      return backlog;
    },
    async drained() {
      while (running !== null) await running;
    },
  };
}
