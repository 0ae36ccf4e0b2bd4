/**
 * Jupyter messages as values, with no I/O. Every outgoing message is made from its parent, so that session, routing
 * identities and parent header can never be forgotten. Specification: jupyter_client "Messaging in Jupyter", 5.5.
 */
import { randomUUID } from "node:crypto";

/** Version of the messaging specification that the kernel speaks. */
export const PROTOCOL_VERSION = "5.5";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = Readonly<Record<string, unknown>>;

export interface Header {
  readonly msg_id: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly msg_type: string;
  readonly version: string;
}

/** A message as it came in, or as it goes out. `identities` are ROUTER addresses, or the topic on iopub. */
export interface Message {
  readonly identities: readonly Uint8Array[];
  readonly header: Header;
  readonly parent: Header | null;
  readonly metadata: JsonObject;
  readonly content: JsonObject;
  readonly buffers: readonly Uint8Array[];
}

export interface MessageParts {
  readonly metadata?: JsonObject;
  readonly buffers?: readonly Uint8Array[];
}

/** Makes the messages of one kernel session. */
export interface MessageFactory {
  /** The answer to `parent`: goes back to the peer that sent it. */
  reply(parent: Message, type: string, content: JsonObject, parts?: MessageParts): Message;
  /** A broadcast caused by `parent`; `null` for what nothing caused (start-up, `iopub_welcome`). */
  broadcast(parent: Header | null, type: string, content: JsonObject, parts?: MessageParts): Message;
}

const encoder = new TextEncoder();

export function messageFactory(session: string = randomUUID()): MessageFactory {
  const header = (type: string): Header => ({
    msg_id: randomUUID(),
    session,
    username: "kernel",
    date: new Date().toISOString(),
    msg_type: type,
    version: PROTOCOL_VERSION,
  });
  return Object.freeze({
    reply: (parent: Message, type: string, content: JsonObject, parts: MessageParts = {}): Message => ({
      identities: parent.identities,
      header: header(type),
      parent: parent.header,
      metadata: parts.metadata ?? {},
      content,
      buffers: parts.buffers ?? [],
    }),
    broadcast: (
      parent: Header | null,
      type: string,
      content: JsonObject,
      parts: MessageParts = {},
    ): Message => ({
      identities: [encoder.encode(type)],
      header: header(type),
      parent,
      metadata: parts.metadata ?? {},
      content,
      buffers: parts.buffers ?? [],
    }),
  });
}
