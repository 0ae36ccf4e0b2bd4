/** Which comms are open, known to the front so that `comm_info` is answered while a cell runs; their data passes through. */
import { randomUUID } from "node:crypto";
import type { CommCommand, Frame } from "../child/frames.ts";
import type { Message } from "../protocol/message.ts";
import { commOpen, record } from "../protocol/requests.ts";
import type { UserProcess } from "./user-process.ts";

export interface CommRegistry {
  /** `{ [id]: { target_name } }`, of one target or of all. */
  open(target?: string): Record<string, { target_name: string }>;
  /** Hands a comm message of a client to the child; resolves when the child has handled it. */
  deliver(message: Message): Promise<void>;
  /** Keeps up with a comm message of the child. */
  follow(frame: Extract<Frame, { type: "comm" }>): void;
  settle(request: string): void;
  /** The child is gone, and all comms with it. */
  abandon(close: (id: string) => void): void;
}

export function commRegistry(child: UserProcess): CommRegistry {
  const targets = new Map<string, string>();
  const waiting = new Map<string, () => void>();
  return Object.freeze({
    open: (target?: string) =>
      Object.fromEntries(
        [...targets]
          .filter(([, name]) => target === undefined || name === target)
          .map(([id, name]) => [id, { target_name: name }]),
      ),
    deliver(message: Message): Promise<void> {
      const { id, target, data } = commOpen(message.content);
      const type = message.header.msg_type as CommCommand["message"];
      if (type === "comm_open") targets.set(id, target);
      if (type === "comm_close") targets.delete(id);
      return new Promise((resolve) => {
        const request = randomUUID();
        waiting.set(request, resolve);
        child.send({
          op: "comm",
          parent: message.header.msg_id,
          request,
          message: type,
          id,
          target,
          data,
          metadata: record(message.metadata),
          buffers: message.buffers,
        });
      });
    },
    follow({ message, id, target = "" }: Extract<Frame, { type: "comm" }>): void {
      if (message === "comm_open") targets.set(id, target);
      if (message === "comm_close") targets.delete(id);
    },
    settle(request: string): void {
      waiting.get(request)?.();
      waiting.delete(request);
    },
    abandon(close: (id: string) => void): void {
      for (const id of targets.keys()) close(id);
      targets.clear();
      for (const resolve of waiting.values()) resolve();
      waiting.clear();
    },
  });
}
