/** Comms: named channels between a cell and a widget of the front end, both ways, with binary buffers. */
import { randomUUID } from "node:crypto";
import { outputParent, send, underParent } from "./channel.ts";
import type { Bundle, CommCommand } from "./frames.ts";

export interface CommMessage {
  readonly data: unknown;
  readonly metadata: Bundle;
  readonly buffers: readonly Uint8Array[];
}

export interface CommParts {
  readonly metadata?: Bundle;
  /** Any typed array or buffer; its bytes are sent as they lie in memory. */
  readonly buffers?: readonly (ArrayBufferView | ArrayBufferLike)[];
}

type Listener = (message: CommMessage) => unknown;

export interface Comm {
  readonly id: string;
  readonly target: string;
  send(data: unknown, parts?: CommParts): void;
  close(data?: unknown, parts?: CommParts): void;
  onMessage(listener: Listener): void;
  onClose(listener: Listener): void;
}

export type CommTarget = (comm: Comm, opened: CommMessage) => unknown;

interface Open {
  readonly comm: Comm;
  readonly onMessage: Listener[];
  readonly onClose: Listener[];
}

const open = new Map<string, Open>();
const targets = new Map<string, CommTarget>();

const bytesOf = (buffer: ArrayBufferView | ArrayBufferLike): Uint8Array =>
  ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);

function post(
  message: "comm_open" | "comm_msg" | "comm_close",
  comm: { readonly id: string; readonly target?: string },
  data: unknown,
  { metadata = {}, buffers = [] }: CommParts = {},
): void {
  const frame = {
    type: "comm",
    parent: outputParent(),
    message,
    ...comm,
    data: data ?? {},
    metadata,
  } as const;
  send(frame, buffers.map(bytesOf));
}

function comm(id: string, target: string): Comm {
  const listeners = { onMessage: [] as Listener[], onClose: [] as Listener[] };
  const made: Comm = Object.freeze({
    id,
    target,
    send(data: unknown, parts?: CommParts): void {
      if (!open.has(id)) throw new Error(`Cannot send as the comm is closed: got "${id}". Open a new one.`);
      post("comm_msg", { id }, data, parts);
    },
    close(data: unknown = {}, parts?: CommParts): void {
      if (open.delete(id)) post("comm_close", { id }, data, parts);
    },
    onMessage: (listener: Listener) => void listeners.onMessage.push(listener),
    onClose: (listener: Listener) => void listeners.onClose.push(listener),
  });
  open.set(id, { comm: made, ...listeners });
  return made;
}

/** Opens a comm to `target` of the front end. */
export function openComm(
  target: string,
  data: unknown = {},
  parts: CommParts & { readonly id?: string } = {},
): Comm {
  const made = comm(parts.id ?? randomUUID(), target);
  post("comm_open", { id: made.id, target }, data, parts);
  return made;
}

/** Accepts comms that the front end opens to `target`. */
export function registerTarget(target: string, accept: CommTarget): void {
  targets.set(target, accept);
}

async function handle({ message, id, target, data, metadata, buffers }: CommCommand): Promise<void> {
  const received: CommMessage = { data, metadata, buffers };
  if (message === "comm_open") {
    const accept = targets.get(target);
    // As the specification says, an unknown target is answered by closing at once.
    if (accept === undefined) post("comm_close", { id }, {});
    else await accept(comm(id, target), received);
    return;
  }
  const known = open.get(id);
  if (message === "comm_close") open.delete(id);
  for (const listener of known?.[message === "comm_close" ? "onClose" : "onMessage"] ?? [])
    await listener(received);
}

/** Requests whose handlers are at work. */
const handling = new Set<string>();

/** Answers for handlers that a termination has ended or left waiting. */
export function abandonComms(): void {
  for (const request of handling) send({ type: "commDone", request });
  handling.clear();
}

/** A comm message of the front end; what its listeners show belongs to it. */
export async function takeComm(command: CommCommand, report: (thrown: unknown) => void): Promise<void> {
  handling.add(command.request);
  try {
    await underParent(command.parent, () => handle(command));
  } catch (thrown) {
    if (command.message === "comm_open" && open.delete(command.id))
      post("comm_close", { id: command.id }, {});
    underParent(command.parent, () => report(thrown));
  }
  if (handling.delete(command.request)) send({ type: "commDone", request: command.request });
}
