/** One handler per request: a message in, the reply out. Busy, idle and sending are the router's. */
import { toCodePoints, toUtf16 } from "../protocol/code-points.ts";
import { history as historyOf } from "../protocol/history.ts";
import { kernelInfo } from "../protocol/kernel-info.ts";
import type { Header, JsonObject, Message } from "../protocol/message.ts";
import { cursorRequest, executeRequest, historyRequest } from "../protocol/requests.ts";
import type { CommRegistry } from "./comms.ts";
import type { Language } from "./language.ts";
import type { Output, Publish } from "./output.ts";
import type { Runner } from "./runner.ts";
import type { StdinBroker } from "./stdin-broker.ts";

export interface HandlerContext {
  readonly version: string;
  readonly language: Language;
  readonly runner: Runner;
  readonly comms: CommRegistry;
  readonly stdin: StdinBroker;
  readonly output: Output;
  readonly publish: Publish;
  /** Late output may belong to this request; what nobody claims goes to the last cell. */
  readonly remember: (header: Header, isCell: boolean) => void;
  readonly requestShutdown: () => void;
}

export interface Reply {
  readonly type: string;
  readonly content: JsonObject;
}

export type Handler = (message: Message) => Promise<Reply | null>;

export interface Handlers {
  get(type: string): Handler | undefined;
  /** Answers an execute request without running it. */
  readonly aborted: Handler;
  /** Called when a cell fails and the requests behind it must not run. */
  onError: () => Promise<void>;
}

export function handlers(context: HandlerContext): Handlers {
  const { version, language, runner, comms, stdin, output, publish, remember } = context;
  const history = historyOf();
  let count = 0;
  let uncounted = 0;

  async function execute(message: Message): Promise<Reply> {
    const request = executeRequest(message.content);
    const { code, silent, storesHistory } = request;
    if (storesHistory) count++;
    else uncounted++;
    remember(message.header, true);
    if (!silent) publish(message.header, "execute_input", { code, execution_count: count });
    stdin.connect(request.allowsStdin ? message : null);
    const { failure, result, expressions } = await runner.run({
      parent: message.header.msg_id,
      name: storesHistory ? `cell[${count}].ts` : `cell[_${uncounted}].ts`,
      code,
      silent,
      expressions: request.userExpressions,
    });
    stdin.connect(null);
    output.flush();
    const plain = result?.data["text/plain"];
    if (storesHistory)
      history.add({ line: count, input: code, output: typeof plain === "string" ? plain : null });
    if (failure !== undefined) {
      if (!silent) publish(message.header, "error", { ...failure });
      // Before the reply: what a client sends after it must run.
      if (request.stopsOnError) await table.onError();
      const content = {
        status: "error",
        execution_count: count,
        ...failure,
        user_expressions: {},
        payload: [],
      };
      return { type: "execute_reply", content };
    }
    if (result !== undefined && !silent)
      publish(message.header, "execute_result", { execution_count: count, ...result });
    return {
      type: "execute_reply",
      content: { status: "ok", execution_count: count, user_expressions: expressions, payload: [] },
    };
  }

  async function complete({ content }: Message): Promise<Reply> {
    const { code, cursor } = cursorRequest(content);
    const found = await language.ask({ op: "complete", code, offset: toUtf16(code, cursor) });
    const start = toCodePoints(code, found.start);
    const end = toCodePoints(code, found.end);
    const types = found.entries.map(({ text, kind }) => ({ text, type: kind, start, end }));
    return {
      type: "complete_reply",
      content: {
        status: "ok",
        matches: found.entries.map(({ text }) => text),
        cursor_start: start,
        cursor_end: end,
        metadata: { _jupyter_types_experimental: types },
      },
    };
  }

  async function inspect({ content }: Message): Promise<Reply> {
    const { code, cursor, detail } = cursorRequest(content);
    const data = await language.ask({ op: "inspect", code, offset: toUtf16(code, cursor), detail });
    return {
      type: "inspect_reply",
      content: { status: "ok", found: data !== null, data: data ?? {}, metadata: {} },
    };
  }

  const comm: Handler = async (message) => {
    remember(message.header, false);
    await comms.deliver(message);
    return null;
  };

  const byType = new Map<string, Handler>([
    ["execute_request", execute],
    ["complete_request", complete],
    ["inspect_request", inspect],
    [
      "is_complete_request",
      async ({ content }) => ({
        type: "is_complete_reply",
        content: { ...(await language.ask({ op: "isComplete", code: cursorRequest(content).code })) },
      }),
    ],
    [
      "history_request",
      async ({ content }) => ({
        type: "history_reply",
        content: { status: "ok", history: history.select(historyRequest(content)) },
      }),
    ],
    ["kernel_info_request", async () => ({ type: "kernel_info_reply", content: kernelInfo(version) })],
    [
      "comm_info_request",
      async ({ content }) => {
        const target = content["target_name"];
        const open = comms.open(typeof target === "string" && target !== "" ? target : undefined);
        return { type: "comm_info_reply", content: { status: "ok", comms: open } };
      },
    ],
    ["comm_open", comm],
    ["comm_msg", comm],
    ["comm_close", comm],
    [
      "interrupt_request",
      async () => {
        runner.interrupt();
        return { type: "interrupt_reply", content: { status: "ok" } };
      },
    ],
    [
      "shutdown_request",
      async ({ content }) => {
        context.requestShutdown();
        return { type: "shutdown_reply", content: { status: "ok", restart: content["restart"] === true } };
      },
    ],
  ]);

  const table: Handlers = {
    get: (type) => byType.get(type),
    aborted: async () => ({ type: "execute_reply", content: { status: "aborted", execution_count: count } }),
    onError: async () => {},
  };
  return table;
}
