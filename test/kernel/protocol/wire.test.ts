import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { address, parseConnection } from "../../../kernel/protocol/connection.ts";
import { messageFactory } from "../../../kernel/protocol/message.ts";
import { codec } from "../../../kernel/protocol/wire.ts";

const messages = messageFactory("session-1");
const { encode, decode } = codec({ key: "secret" });
const request = messages.broadcast(
  null,
  "execute_request",
  { code: "1" },
  { buffers: [Buffer.from([1, 2])] },
);
const frames = (): Uint8Array[] => encode(request);

describe("wire frames", () => {
  it("decodes what it encodes, identities and buffers included", () => {
    const decoded = decode([Buffer.from("peer"), ...frames().slice(1)]);
    expect(decoded.ok && decoded.message.header).toEqual(request.header);
    expect(decoded.ok && decoded.message.content).toEqual({ code: "1" });
    expect(decoded.ok && decoded.message.identities.map(String)).toEqual(["peer"]);
    expect(decoded.ok && decoded.message.buffers.map((buffer) => [...buffer])).toEqual([[1, 2]]);
  });

  it("signs with HMAC-SHA256 as every Jupyter client does", () => {
    const signer = codec({ key: "a0436f6c-1916-498b-8eb9-e81ab9368e84" });
    const header = { msg_id: "1", session: "s", username: "u", date: "d", msg_type: "t", version: "5.5" };
    const encoded = signer.encode({
      identities: [],
      header,
      parent: null,
      metadata: {},
      content: {},
      buffers: [],
    });
    // python: hmac.new(key, header + b"{}" + b"{}" + b"{}", "sha256").hexdigest()
    expect(Buffer.from(encoded[1]!).toString()).toBe(
      "ec36913bdc78a9cbb1db875dd23be766cfb068b29f2830ed982d0ff2e0ecdb36",
    );
  });

  it.each([
    ["a changed content", 5, Buffer.from('{"code":"2"}'), "wrong signature"],
    ["a changed signature", 2, Buffer.from("0".repeat(64)), "wrong signature"],
    ["a short signature", 2, Buffer.from("00"), "wrong signature"],
    ["no signature", 2, Buffer.alloc(0), "wrong signature"],
    ["no delimiter", 1, Buffer.from("IDS|MSG"), "no <IDS|MSG> delimiter"],
  ])("rejects %s", (_, at, frame, reason) => {
    const changed = frames();
    changed[at === 5 ? 6 : at] = frame;
    expect(decode(changed)).toEqual({ ok: false, reason });
  });

  it("rejects too few frames", () => {
    expect(decode(frames().slice(0, 4))).toEqual({ ok: false, reason: "2 frames after the delimiter" });
  });

  it("accepts any signature where the key is empty", () => {
    const open = codec({ key: "" });
    const changed = open.encode(request);
    changed[2] = Buffer.from("whatever");
    expect(open.decode(changed).ok).toBe(true);
  });

  it("never throws on arbitrary frames", () => {
    const open = codec({ key: "" });
    const frame = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(Buffer.from("<IDS|MSG>")),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 10 }), (given) => {
        for (const one of [open, codec({ key: "k" })]) expect(typeof one.decode(given).ok).toBe("boolean");
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses a signature scheme it does not know", () => {
    expect(() => codec({ key: "k", scheme: "plain" })).toThrow('got "plain". Use "hmac-sha256".');
  });
});

describe("messages", () => {
  it("makes a reply from its parent", () => {
    const parent = { ...request, identities: [Buffer.from("peer")] };
    const reply = messages.reply(parent, "execute_reply", { status: "ok" });
    expect(reply.parent).toBe(request.header);
    expect(reply.identities).toBe(parent.identities);
    expect(reply.header).toMatchObject({ session: "session-1", msg_type: "execute_reply", version: "5.5" });
    expect(reply.header.msg_id).not.toBe(request.header.msg_id);
  });
});

describe("the connection file", () => {
  const ports = { shell_port: 1, control_port: 2, stdin_port: 3, hb_port: 4, iopub_port: 5 };
  it("is read with the defaults of the specification", () => {
    const connection = parseConnection(JSON.stringify(ports));
    expect(connection).toMatchObject({
      transport: "tcp",
      ip: "127.0.0.1",
      key: "",
      signature_scheme: "hmac-sha256",
    });
    expect(address(connection, 1)).toBe("tcp://127.0.0.1:1");
    expect(address({ ...connection, transport: "ipc", ip: "/tmp/k" }, 1)).toBe("ipc:///tmp/k-1");
  });
  it("names the field at fault", () => {
    expect(() => parseConnection(JSON.stringify({ ...ports, hb_port: "x" }))).toThrow(
      'Cannot connect as hb_port must be a port number: got "x".',
    );
    expect(() => parseConnection(JSON.stringify({ ...ports, transport: "udp" }))).toThrow('got "udp"');
  });
});
