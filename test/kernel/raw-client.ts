/**
 * A small Jupyter client on raw ZeroMQ sockets, independent of the kernel's own protocol code: it signs, sends and
 * collects, and starts the built kernel in a folder.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as zmq from "zeromq";
import { freePorts } from "../../kernel/client/free-ports.ts";
import { packageRoot } from "../../kernel/package-root.ts";

export const KERNEL = join(packageRoot, "dist/kernel/front/main.js");

// biome-ignore lint/suspicious/noExplicitAny: contents are what the test says they are
export type Content = Record<string, any>;

/** For tests that are not about types: the first check of a kernel takes a second. */
export const UNCHECKED = { ZOETROPE_TYPE_CHECK: "off" };

export interface Received {
  readonly type: string;
  readonly content: Content;
  readonly header: Content;
  readonly parent: Content;
  readonly metadata: Content;
  readonly buffers: Buffer[];
  /** Milliseconds since the client started. */
  readonly at: number;
}

export interface Execution {
  readonly reply: Content;
  /** All iopub messages of the request, busy to idle. */
  readonly messages: Received[];
  readonly stdout: string;
  readonly stderr: string;
  readonly displays: Content[];
  readonly result: Content | undefined;
  readonly error: Content | undefined;
  /** Milliseconds from sending to idle. */
  readonly took: number;
}

export type ChannelName = "shell" | "control" | "stdin";

export interface StartOptions {
  readonly folder?: string;
  readonly env?: Record<string, string>;
  readonly subscription?: string;
}

export class RawClient {
  readonly iopub: Received[] = [];
  readonly replies: Received[] = [];
  readonly questions: Received[] = [];
  /** What the kernel process itself wrote to its stderr: the log. */
  log = "";
  folder = "";
  process!: ChildProcess;
  connection: Content = {};
  /** What to answer a question of the kernel; null leaves it open. */
  answer: (question: Content) => string | null = () => "";
  #sockets!: Record<ChannelName, zmq.Dealer>;
  #sub!: zmq.Subscriber;
  #heartbeat!: zmq.Request;
  #listeners = new Set<() => void>();
  #session = randomUUID();
  #ownsFolder = false;

  static async start({ folder, env = {}, subscription = "" }: StartOptions = {}): Promise<RawClient> {
    const client = new RawClient();
    client.#ownsFolder = folder === undefined;
    client.folder = folder ?? mkdtempSync(join(tmpdir(), "zoetrope-kernel-"));
    const [shell, control, stdin, hb, iopub] = await freePorts(5);
    client.connection = {
      transport: "tcp",
      ip: "127.0.0.1",
      key: randomUUID(),
      signature_scheme: "hmac-sha256",
      shell_port: shell,
      control_port: control,
      stdin_port: stdin,
      hb_port: hb,
      iopub_port: iopub,
    };
    const file = join(mkdtempSync(join(tmpdir(), "zoetrope-connection-")), "kernel.json");
    writeFileSync(file, JSON.stringify(client.connection));
    client.process = spawn(process.execPath, [KERNEL, "--connection-file", file], {
      cwd: client.folder,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    client.process.stderr!.setEncoding("utf8").on("data", (text: string) => {
      client.log += text;
      for (const listener of [...client.#listeners]) listener();
    });
    client.connect(subscription);
    await client.request("kernel_info_request", {});
    // The subscription is in force when the kernel welcomes it.
    await client.until(() => client.iopub.some(({ type }) => type === "iopub_welcome"));
    return client;
  }

  /** Opens sockets to the kernel; a second client of the same kernel calls it with the first one's connection. */
  connect(subscription = ""): void {
    const identity = randomUUID();
    const dealer = (port: number): zmq.Dealer => {
      const socket = new zmq.Dealer({
        routingId: identity,
        linger: 0,
        sendHighWaterMark: 0,
        receiveHighWaterMark: 0,
      });
      socket.connect(`tcp://127.0.0.1:${port}`);
      return socket;
    };
    const { shell_port, control_port, stdin_port, hb_port, iopub_port } = this.connection as Record<
      string,
      number
    >;
    this.#sockets = {
      shell: dealer(shell_port!),
      control: dealer(control_port!),
      stdin: dealer(stdin_port!),
    };
    this.#sub = new zmq.Subscriber({ linger: 0, receiveHighWaterMark: 0 });
    this.#sub.connect(`tcp://127.0.0.1:${iopub_port}`);
    this.#sub.subscribe(subscription);
    this.#heartbeat = new zmq.Request({ linger: 0, receiveTimeout: 2000 });
    this.#heartbeat.connect(`tcp://127.0.0.1:${hb_port}`);
    const collect = async (socket: zmq.Dealer | zmq.Subscriber, into: Received[]): Promise<void> => {
      for await (const frames of socket) {
        const message = this.#read(frames);
        into.push(message);
        if (into === this.questions) {
          const value = this.answer(message.content);
          if (value !== null) void this.send("stdin", "input_reply", { value }, { parent: message.header });
        }
        for (const listener of [...this.#listeners]) listener();
      }
    };
    void collect(this.#sub, this.iopub);
    void collect(this.#sockets.shell, this.replies);
    void collect(this.#sockets.control, this.replies);
    void collect(this.#sockets.stdin, this.questions);
  }

  #read(frames: Buffer[]): Received {
    const at = frames.findIndex((frame) => frame.toString() === "<IDS|MSG>");
    const parts = frames.slice(at + 2, at + 6);
    if (this.sign(parts) !== frames[at + 1]!.toString())
      throw new Error("the kernel signed a message wrongly");
    const [header, parent, metadata, content] = parts.map((part) => JSON.parse(part.toString()) as Content);
    return {
      type: header!["msg_type"] as string,
      header: header!,
      parent: parent!,
      metadata: metadata!,
      content: content!,
      buffers: frames.slice(at + 6),
      at: performance.now(),
    };
  }

  sign(parts: readonly Uint8Array[]): string {
    const hmac = createHmac("sha256", this.connection["key"] as string);
    for (const part of parts) hmac.update(part);
    return hmac.digest("hex");
  }

  frames(
    type: string,
    content: unknown,
    { parent = {}, buffers = [] as Uint8Array[], id = randomUUID() as string } = {},
  ): Uint8Array[] {
    const header = {
      msg_id: id,
      session: this.#session,
      username: "test",
      date: new Date().toISOString(),
      msg_type: type,
      version: "5.5",
    };
    const parts = [header, parent, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
    return [Buffer.from("<IDS|MSG>"), Buffer.from(this.sign(parts)), ...parts, ...buffers];
  }

  async send(
    channel: ChannelName,
    type: string,
    content: unknown,
    options: { parent?: object; buffers?: Uint8Array[] } = {},
  ): Promise<string> {
    const id = randomUUID();
    await this.sendFrames(channel, this.frames(type, content, { ...options, id }));
    return id;
  }

  sendFrames(channel: ChannelName, frames: Uint8Array[]): Promise<void> {
    return this.#sockets[channel].send(frames);
  }

  /** Resolves when `condition` holds; rejects after `limit` ms with what had come. */
  until(condition: () => boolean, limit = 50_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (!condition()) return;
        this.#listeners.delete(check);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#listeners.delete(check);
        const last = this.iopub
          .slice(-5)
          .map(({ type, content }) => `${type} ${JSON.stringify(content).slice(0, 200)}`);
        reject(
          new Error(
            `not within ${limit} ms; last on iopub:\n${last.join("\n")}\nlog: ${this.log.slice(-2000)}`,
          ),
        );
      }, limit);
      this.#listeners.add(check);
      check();
    });
  }

  async replyTo(id: string, limit?: number): Promise<Received> {
    const find = (): Received | undefined => this.replies.find(({ parent }) => parent["msg_id"] === id);
    await this.until(() => find() !== undefined, limit);
    return find()!;
  }

  isIdle = (id: string): boolean =>
    this.iopub.some(
      ({ type, parent, content }) =>
        type === "status" && parent["msg_id"] === id && content["execution_state"] === "idle",
    );

  /** Sends a request and waits for its reply. */
  async request(
    type: string,
    content: unknown,
    channel: ChannelName = "shell",
    limit?: number,
  ): Promise<Content> {
    const id = await this.send(channel, type, content);
    return (await this.replyTo(id, limit)).content;
  }

  executeLater(code: string, options: Content = {}): Promise<string> {
    return this.send("shell", "execute_request", {
      code,
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: true,
      ...options,
    });
  }

  /** Waits until a request is answered and idle, and gathers what it showed. */
  async outcome(id: string, limit?: number): Promise<Execution> {
    const started = performance.now();
    const reply = await this.replyTo(id, limit);
    await this.until(() => this.isIdle(id), limit);
    const messages = this.iopub.filter(({ parent }) => parent["msg_id"] === id);
    const text = (name: string): string =>
      messages
        .filter(({ type, content }) => type === "stream" && content["name"] === name)
        .map(({ content }) => content["text"] as string)
        .join("");
    const of = (wanted: string): Content[] =>
      messages.filter(({ type }) => type === wanted).map(({ content }) => content);
    return {
      reply: reply.content,
      messages,
      stdout: text("stdout"),
      stderr: text("stderr"),
      displays: of("display_data"),
      result: of("execute_result")[0],
      error: of("error")[0],
      took: performance.now() - started,
    };
  }

  async execute(code: string, options: Content = {}, limit?: number): Promise<Execution> {
    return this.outcome(await this.executeLater(code, options), limit);
  }

  interrupt(): Promise<Content> {
    return this.request("interrupt_request", {}, "control");
  }

  /** Milliseconds that a heartbeat takes. */
  async beat(): Promise<number> {
    const started = performance.now();
    await this.#heartbeat.send("beat");
    const [echo] = await this.#heartbeat.receive();
    if (echo!.toString() !== "beat") throw new Error("the heartbeat was not echoed");
    return performance.now() - started;
  }

  disconnect(): void {
    for (const socket of [...Object.values(this.#sockets), this.#sub, this.#heartbeat]) socket.close();
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill("SIGTERM");
      await gone;
    }
    this.disconnect();
    if (this.#ownsFolder) rmSync(this.folder, { recursive: true, force: true });
  }
}
