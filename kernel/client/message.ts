/** Jupyter messages on the wire: [identities..., "<IDS|MSG>", HMAC, header, parent header, metadata, content, buffers...]. */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { isJsonObject, type JsonObject } from "../nbformat/notebook.ts";

export interface Header {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly session: string;
  readonly username: string;
  readonly date: string;
  readonly version: string;
}

export interface Message {
  readonly header: Header;
  readonly parentHeader: Partial<Header>;
  readonly metadata: JsonObject;
  readonly content: JsonObject;
  readonly buffers: readonly Uint8Array[];
}

const delimiter = "<IDS|MSG>";

/** Frames of a new message and its id. */
export function encodeMessage(
  type: string,
  content: JsonObject,
  {
    session,
    key,
    parent,
  }: { readonly session: string; readonly key: string; readonly parent?: Partial<Header> },
): { readonly id: string; readonly frames: (string | Buffer)[] } {
  const header: Header = {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: "zoetrope",
    date: new Date().toISOString(),
    version: "5.4",
  };
  const parts = [header, parent ?? {}, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
  return { id: header.msg_id, frames: [delimiter, signature(parts, key), ...parts] };
}

/** The message in the frames, or undefined when they are malformed or signed with another key. */
export function decodeMessage(frames: readonly Buffer[], key: string): Message | undefined {
  const start = frames.findIndex(
    (frame) => frame.length === delimiter.length && frame.toString("latin1") === delimiter,
  );
  if (start < 0 || frames.length < start + 6) return undefined;
  const [signed, ...parts] = frames.slice(start + 1);
  const wanted = Buffer.from(signature(parts.slice(0, 4), key));
  if (key !== "" && (signed!.length !== wanted.length || !timingSafeEqual(signed!, wanted))) return undefined;
  try {
    const [header, parentHeader, metadata, content] = parts
      .slice(0, 4)
      .map((part) => JSON.parse(part.toString("utf8")));
    if (!isJsonObject(header) || typeof header["msg_type"] !== "string" || !isJsonObject(content))
      return undefined;
    return {
      header: header as unknown as Header,
      parentHeader: isJsonObject(parentHeader) ? (parentHeader as Partial<Header>) : {},
      metadata: isJsonObject(metadata) ? metadata : {},
      content,
      buffers: parts.slice(4),
    };
  } catch {
    return undefined;
  }
}

function signature(parts: readonly Buffer[], key: string): string {
  if (key === "") return "";
  const hmac = createHmac("sha256", key);
  for (const part of parts) hmac.update(part);
  return hmac.digest("hex");
}
