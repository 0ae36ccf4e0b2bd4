/**
 * The kernel: sockets on one side, the child and the language worker on the other. Never runs user code, so heartbeat,
 * control, completion and interrupts are answered whatever a cell does.
 *
 *   shell ──► execute queue ──► runner ──► language worker (types) ──► child (user code)
 *     └─────► other handlers                                             │ frames, fd 1, fd 2
 *   control ► handlers           iopub ◄── output (joined text, order kept) ◄┘
 *
 * `answer` is the one place where busy, reply and idle are sent, for all messages of all channels.
 */
import type { Frame, TypeCheckMode } from "../child/frames.ts";
import type { Connection } from "../protocol/connection.ts";
import { type Header, type JsonObject, type Message, messageFactory } from "../protocol/message.ts";
import { codec } from "../protocol/wire.ts";
import type { Channel, Frames, Transport, TransportEvents } from "../transport/transport.ts";
import { commRegistry } from "./comms.ts";
import { executeQueue } from "./execute-queue.ts";
import { type HandlerContext, handlers } from "./handlers.ts";
import { language as languageWorker } from "./language.ts";
import { limitedLog } from "./log.ts";
import { output as outputOf, type Publish } from "./output.ts";
import { runner as runnerOf } from "./runner.ts";
import { stdinBroker } from "./stdin-broker.ts";
import { userProcess } from "./user-process.ts";

export interface Kernel {
  interrupt(): void;
  /** Ends the child, sends what waits, closes the sockets. */
  close(): Promise<void>;
  /** Settles when a client has asked for shutdown and got its answer. */
  readonly closed: Promise<void>;
}

export interface KernelOptions {
  readonly connection: Connection;
  /** Where cells run and resolve their imports. */
  readonly folder: string;
  readonly version: string;
  /** What type errors do until a cell sets `kernel.typeCheck`. */
  readonly typeCheck: TypeCheckMode;
  readonly bind: (connection: Connection, events: TransportEvents) => Promise<Transport>;
}

/** Output that iopub has not taken yet, above which the child has to wait, and below which it goes on. */
const BACKLOG_HIGH = 32 * 1024 * 1024;
const BACKLOG_LOW = 4 * 1024 * 1024;
/** Head start of the client's first requests before the type service warms up. */
const WARM_UP_MS = 100;
/** Headers of requests that late output may belong to. */
const PARENTS_KEPT = 256;

export async function startKernel({
  connection,
  folder,
  version,
  typeCheck,
  bind,
}: KernelOptions): Promise<Kernel> {
  const wire = codec({ key: connection.key, scheme: connection.signature_scheme });
  const messages = messageFactory();
  const log = limitedLog();
  let finish!: () => void;
  const closed = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let transport: Transport | null = null;
  let shuttingDown = false;

  const publish: Publish = (parent, type, content, parts) => {
    transport?.send("iopub", wire.encode(messages.broadcast(parent, type, content, parts)));
  };
  const output = outputOf((...message) => {
    publish(...message);
    restrainOutput();
  });

  let holding = false;
  function restrainOutput(): void {
    if (holding || (transport?.iopubBacklog ?? 0) < BACKLOG_HIGH) return;
    holding = true;
    child.holdOutput(true);
    const timer = setInterval(() => {
      if ((transport?.iopubBacklog ?? 0) > BACKLOG_LOW) return;
      clearInterval(timer);
      holding = false;
      child.holdOutput(false);
    }, 5);
  }

  const parents = new Map<string, Header>();
  let lastParent: Header | null = null;
  const parentOf = (id: string): Header | null => parents.get(id) ?? lastParent;
  const remember = (header: Header, isCell: boolean): void => {
    parents.set(header.msg_id, header);
    if (isCell) lastParent = header;
    if (parents.size > PARENTS_KEPT) parents.delete(parents.keys().next().value!);
  };

  const onFrame = (frame: Frame, buffers: readonly Uint8Array[]): void => {
    if (frame.type === "done") runner.finished(frame);
    else if (frame.type === "input") stdin.ask(frame);
    else if (frame.type === "typeCheck") runner.setTypeCheck(frame.mode);
    else if (frame.type === "commDone") comms.settle(frame.request);
    else if (frame.type === "log") log(frame.text);
    else if (frame.type !== "ready") {
      if (frame.type === "comm") comms.follow(frame);
      output.frame(parentOf(frame.parent), frame, buffers);
    }
  };
  const child = userProcess(folder, {
    onFrame,
    onText: (name, text) => output.text(lastParent, name, text),
    onDeath: (cause) => {
      output.flush();
      comms.abandon((id) => publish(lastParent, "comm_close", { comm_id: id, data: {} }));
      if (runner.running === null)
        output.text(
          lastParent,
          "stderr",
          `\n[kernel] The process of the notebook ended (${cause}); variables are lost.\n`,
        );
      runner.died(cause);
    },
  });
  const language = languageWorker(folder);
  const runner = runnerOf({
    language,
    child,
    warn: (text) => output.text(lastParent, "stderr", text),
    typeCheck,
  });
  const comms = commRegistry(child);
  const stdin = stdinBroker({
    answer: (id, value) => child.warn({ input: id, value }),
    request: (message, content) =>
      transport?.send("stdin", wire.encode(messages.reply(message, "input_request", content))),
    beforeRequest: output.flush,
  });

  const context: HandlerContext = {
    version,
    language,
    runner,
    comms,
    stdin,
    output,
    publish,
    remember,
    requestShutdown: () => {
      shuttingDown = true;
    },
  };
  const table = handlers(context);

  /** The only place that says busy and idle: around the handling of every message. */
  async function answer(channel: Channel, message: Message, abort = false): Promise<void> {
    const { msg_type: type } = message.header;
    publish(message.header, "status", { execution_state: "busy" });
    try {
      const handler = abort ? table.aborted : table.get(type);
      if (handler === undefined) log(`no handler for "${type}"`);
      const reply = await handler?.(message);
      output.flush();
      if (reply !== undefined && reply !== null)
        transport?.send(channel, wire.encode(messages.reply(message, reply.type, reply.content)));
    } catch (error) {
      const { name, message: text } = error as Error;
      log(`handling "${type}" failed: ${(error as Error).stack ?? String(error)}`);
      const content: JsonObject = { status: "error", ename: name, evalue: text, traceback: [text] };
      const answerType = type.replace(/_request$/, "_reply");
      if (answerType !== type)
        transport?.send(channel, wire.encode(messages.reply(message, answerType, content)));
    } finally {
      publish(message.header, "status", { execution_state: "idle" });
    }
    if (shuttingDown) await close();
  }

  const queue = executeQueue((message, abort) => answer("shell", message, abort));
  table.onError = queue.abortWaiting;

  function receive(channel: Channel, frames: Frames): void {
    const decoded = wire.decode(frames);
    if (!decoded.ok) {
      log(`a message on ${channel} was dropped: ${decoded.reason}`);
      return;
    }
    const { message } = decoded;
    if (channel === "stdin") {
      if (message.header.msg_type === "input_reply") stdin.reply(message);
    } else if (message.header.msg_type === "execute_request") queue.add(message);
    else void answer(channel, message);
  }

  async function close(): Promise<void> {
    await child.close();
    language.close();
    await transport?.drained();
    await transport?.close();
    finish();
  }

  transport = await bind(connection, {
    onRequest: receive,
    onSubscribe: (topic) => {
      const subscription = Buffer.from(topic).toString("utf8");
      const welcome = messages.broadcast(null, "iopub_welcome", { subscription });
      const identities = topic.byteLength > 0 ? [topic] : welcome.identities;
      transport?.send("iopub", wire.encode({ ...welcome, identities }));
    },
  });
  publish(null, "status", { execution_state: "starting" });
  // After the first answers: loading the compiler takes a core for a second. In two steps, so that a cell can go between.
  const warmUp = async (): Promise<void> => {
    await language.ask({ op: "warm", what: "check" });
    await language.ask({ op: "warm", what: "complete" });
  };
  if (typeCheck !== "off") setTimeout(() => warmUp().catch(() => {}), WARM_UP_MS);
  return { interrupt: runner.interrupt, close, closed };
}
