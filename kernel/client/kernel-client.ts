/**
 * The client's side of the Jupyter protocol over ZeroMQ: requests with their replies, iopub messages sorted by the
 * request they belong to, interrupt and shutdown. It knows nothing of notebooks.
 */
import { randomUUID } from "node:crypto";
import { Dealer, Request, Subscriber } from "zeromq";
import type { JsonObject } from "../nbformat/notebook.ts";
import { address, type Connection } from "../protocol/connection.ts";
import { type Header, type Message, PROTOCOL_VERSION } from "../protocol/message.ts";
import { codec } from "../protocol/wire.ts";
import { KernelDiedError } from "./kernel-process.ts";

export interface ExecuteOptions {
  /** Called for every iopub message of this request, in order; the last one is the idle status. */
  readonly onMessage?: (message: Message) => void;
  readonly isSilent?: boolean;
  readonly storesHistory?: boolean;
  readonly stopsOnError?: boolean;
  /** Answers `prompt()` and the like; without it the kernel is told that nobody can answer. */
  readonly onInput?: (prompt: string, isPassword: boolean) => Promise<string> | string;
}

export interface KernelClient {
  /** Waits until the kernel answers and its iopub messages arrive; the content of the kernel_info_reply. */
  ready(options?: { readonly timeout?: number; readonly signal?: AbortSignal }): Promise<JsonObject>;
  /** Runs code; resolves with the execute_reply's content once the reply *and* the idle status are here. */
  execute(code: string, options?: ExecuteOptions): Promise<JsonObject>;
  /** Any other request; resolves with the reply. */
  request(channel: "shell" | "control", type: string, content?: JsonObject): Promise<Message>;
  /** Round trip of the heartbeat in ms. */
  heartbeat(): Promise<number>;
  /** Called for iopub messages of requests that are over: late output of timers, updates of earlier displays. */
  onLate(listener: (message: Message) => void): void;
  /** Rejects all that is open, e.g. because the process is gone. */
  fail(error: Error): void;
  close(): void;
}

interface Open {
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
  readonly onMessage?: (message: Message) => void;
  readonly onInput?: ExecuteOptions["onInput"];
  reply?: Message;
  needsIdle: boolean;
}

/** Connects all five sockets. ZeroMQ connects in the background, so the kernel need not listen yet. */
export function connectKernel(connection: Connection): KernelClient {
  const session = randomUUID();
  const wire = codec({ key: connection.key, scheme: connection.signature_scheme });
  const options = { linger: 0, routingId: session } as const;
  const shell = new Dealer({ ...options, sendHighWaterMark: 0, receiveHighWaterMark: 0 });
  const control = new Dealer({ ...options, sendHighWaterMark: 0, receiveHighWaterMark: 0 });
  const stdin = new Dealer({ ...options });
  // A client that reads slowly must not lose outputs: no limit on what waits for it.
  const iopub = new Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  const heart = new Request({ linger: 0 });
  shell.connect(address(connection, connection.shell_port));
  control.connect(address(connection, connection.control_port));
  stdin.connect(address(connection, connection.stdin_port));
  iopub.connect(address(connection, connection.iopub_port));
  heart.connect(address(connection, connection.hb_port));
  iopub.subscribe("");

  const open = new Map<string, Open>();
  let failure: Error | undefined;
  let hasIopub = false;
  let late: (message: Message) => void = () => undefined;
  const newMessage = (type: string, content: JsonObject, parent: Header | null = null): Message => ({
    identities: [],
    header: {
      msg_id: randomUUID(),
      session,
      username: "zoetrope",
      date: new Date().toISOString(),
      msg_type: type,
      version: PROTOCOL_VERSION,
    },
    parent,
    metadata: {},
    content,
    buffers: [],
  });
  // zeromq allows one waiting send per socket; one chain for all of them is simple and never long.
  let queue: Promise<void> = Promise.resolve();

  const settle = (id: string, entry: Open) => {
    if (entry.reply === undefined || entry.needsIdle) return;
    open.delete(id);
    entry.resolve(entry.reply);
  };

  const listen = async (socket: AsyncIterable<Buffer[]>, take: (message: Message) => void) => {
    try {
      for await (const frames of socket) {
        const decoded = wire.decode(frames);
        if (decoded.ok) take(decoded.message);
      }
    } catch (error) {
      if (failure === undefined) fail(error as Error);
    }
  };
  const takeReply = (message: Message) => {
    const id = message.parent?.msg_id;
    const entry = id === undefined ? undefined : open.get(id);
    if (id === undefined || entry === undefined) return;
    entry.reply = message;
    settle(id, entry);
  };
  void listen(shell, takeReply);
  void listen(control, takeReply);
  void listen(iopub, (message) => {
    hasIopub = true;
    const id = message.parent?.msg_id;
    const entry = id === undefined ? undefined : open.get(id);
    if (id === undefined || entry === undefined) {
      late(message);
      return;
    }
    entry.onMessage?.(message);
    if (message.header.msg_type === "status" && message.content["execution_state"] === "idle") {
      entry.needsIdle = false;
      settle(id, entry);
    }
  });
  void listen(stdin, async (message) => {
    const id = message.parent?.msg_id;
    const onInput = id === undefined ? undefined : open.get(id)?.onInput;
    if (message.header.msg_type !== "input_request" || onInput === undefined) return;
    const value = await onInput(
      String(message.content["prompt"] ?? ""),
      message.content["password"] === true,
    );
    await stdin.send(wire.encode(newMessage("input_reply", { value }, message.header)) as Buffer[]);
  });

  function fail(error: Error): void {
    failure ??= error;
    for (const entry of open.values()) entry.reject(error);
    open.clear();
  }

  function send(
    socket: Dealer,
    type: string,
    content: JsonObject,
    entry: Partial<Open> = {},
  ): Promise<Message> {
    if (failure !== undefined) return Promise.reject(failure);
    const message = newMessage(type, content);
    const id = message.header.msg_id;
    const frames = wire.encode(message) as Buffer[];
    return new Promise((resolve, reject) => {
      open.set(id, { needsIdle: false, ...entry, resolve, reject });
      queue = queue
        .then(() => socket.send(frames))
        .catch((error: Error) => {
          open.delete(id);
          reject(failure ?? error);
        });
    });
  }

  return Object.freeze({
    async ready({
      timeout = 60_000,
      signal,
    }: {
      readonly timeout?: number;
      readonly signal?: AbortSignal;
    } = {}) {
      const deadline = Date.now() + timeout;
      // A subscription takes effect some time after it was made: ask until an answer also shows on iopub.
      for (;;) {
        signal?.throwIfAborted();
        const answered = send(shell, "kernel_info_request", {});
        const reply = await within(answered, Math.max(0, deadline - Date.now()), signal);
        if (reply === undefined)
          throw new Error(
            `Cannot use the kernel as it must answer within ${timeout / 1000} s after its start: no kernel_info_reply. ` +
              "Look at the kernel's own output, or allow more time.",
          );
        for (let i = 0; i < 10 && !hasIopub; i++) await new Promise((resolve) => setTimeout(resolve, 10));
        if (hasIopub) return contentOf(reply);
      }
    },
    async execute(code: string, given: ExecuteOptions = {}) {
      const { isSilent = false, storesHistory = !isSilent, stopsOnError = true } = given;
      const content = {
        code,
        silent: isSilent,
        store_history: storesHistory,
        user_expressions: {},
        allow_stdin: given.onInput !== undefined,
        stop_on_error: stopsOnError,
      };
      const { onMessage, onInput } = given;
      const entry = { needsIdle: true, ...(onMessage && { onMessage }), ...(onInput && { onInput }) };
      const reply = await send(shell, "execute_request", content, entry);
      return contentOf(reply);
    },
    request: (channel: "shell" | "control", type: string, content: JsonObject = {}) =>
      send(channel === "shell" ? shell : control, type, content),
    async heartbeat() {
      const start = performance.now();
      await heart.send("ping");
      await heart.receive();
      return performance.now() - start;
    },
    onLate(listener: (message: Message) => void) {
      late = listener;
    },
    fail,
    close() {
      fail(new KernelDiedError("Cannot go on with this request: the client was closed."));
      for (const socket of [shell, control, stdin, iopub, heart]) socket.close();
    },
  });
}

/** Contents are JSON: the wire format's type says less. */
export function contentOf(message: Message): JsonObject {
  return message.content as JsonObject;
}

async function within<T>(promise: Promise<T>, ms: number, signal?: AbortSignal): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const limit = new Promise<undefined>((resolve, reject) => {
    timer = setTimeout(() => resolve(undefined), ms);
    onAbort = () => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener("abort", onAbort);
    promise.catch(() => undefined);
  }
}
