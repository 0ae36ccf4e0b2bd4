/**
 * Messages <-> ZeroMQ frames:
 *
 *   [identity ...] "<IDS|MSG>" signature header parent_header metadata content [buffer ...]
 *
 * The signature is the hex HMAC of the four JSON frames. It is checked on every incoming message in constant time;
 * a message that fails is rejected with the reason as text, never thrown, so that a caller can log and drop it.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Header, JsonObject, Message } from "./message.ts";

export const DELIMITER: Uint8Array = Buffer.from("<IDS|MSG>");

export type Decoded =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly reason: string };

export interface Codec {
  encode(message: Message): Uint8Array[];
  decode(frames: readonly Uint8Array[]): Decoded;
}

const asBuffer = (frame: Uint8Array): Buffer => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `hmac-sha256` -> `sha256`; throws where this Node has no such hash. */
function hashOf(scheme: string): string {
  const name = /^hmac-([\w-]+)$/.exec(scheme)?.[1];
  if (name === undefined)
    throw new Error(`Cannot sign messages as the scheme is unknown: got "${scheme}". Use "hmac-sha256".`);
  createHmac(name, "");
  return name;
}

/** A codec for one connection; an empty `key` turns signing off, as the specification says. */
export function codec({ key, scheme = "hmac-sha256" }: { key: string; scheme?: string }): Codec {
  const hash = key === "" ? "" : hashOf(scheme);
  const sign = (parts: readonly Uint8Array[]): string => {
    if (key === "") return "";
    const hmac = createHmac(hash, key);
    for (const part of parts) hmac.update(part);
    return hmac.digest("hex");
  };
  const signatureHolds = (given: Uint8Array, parts: readonly Uint8Array[]): boolean => {
    if (key === "") return true;
    const expected = Buffer.from(sign(parts));
    return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
  };
  return Object.freeze({
    encode(message: Message): Uint8Array[] {
      const parts = [message.header, message.parent ?? {}, message.metadata, message.content].map((part) =>
        Buffer.from(JSON.stringify(part)),
      );
      return [...message.identities, DELIMITER, Buffer.from(sign(parts)), ...parts, ...message.buffers];
    },
    decode(frames: readonly Uint8Array[]): Decoded {
      const at = frames.findIndex((frame) => asBuffer(frame).equals(DELIMITER));
      if (at < 0) return { ok: false, reason: "no <IDS|MSG> delimiter" };
      if (frames.length < at + 6)
        return { ok: false, reason: `${frames.length - at - 1} frames after the delimiter` };
      const parts = frames.slice(at + 2, at + 6);
      if (!signatureHolds(frames[at + 1]!, parts)) return { ok: false, reason: "wrong signature" };
      const values: unknown[] = [];
      for (const part of parts) {
        try {
          values.push(JSON.parse(asBuffer(part).toString("utf8")));
        } catch {
          return { ok: false, reason: "a frame is not JSON" };
        }
      }
      const [header, parent, metadata, content] = values;
      if (!isObject(header) || typeof header["msg_type"] !== "string" || typeof header["msg_id"] !== "string")
        return { ok: false, reason: "the header lacks msg_type or msg_id" };
      if (!isObject(content)) return { ok: false, reason: "the content is not an object" };
      return {
        ok: true,
        message: {
          identities: frames.slice(0, at),
          header: header as unknown as Header,
          parent:
            isObject(parent) && typeof parent["msg_id"] === "string" ? (parent as unknown as Header) : null,
          metadata: isObject(metadata) ? metadata : {},
          content,
          buffers: frames.slice(at + 6),
        },
      };
    },
  });
}
