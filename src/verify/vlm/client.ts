/**
 * Questions with pictures to any OpenAI-compatible endpoint, through the `openai` package, which does the retries
 * (connection errors, 408, 409, 429 with Retry-After, 5xx), the backoff and the timeouts. Around it: at most
 * `concurrency` requests at once, a meter, and a record/replay cache keyed by the request's meaning, so that a
 * notebook reruns offline with the answers it was made with.
 */
import { createHash } from "node:crypto";
import { natural, positive, positiveInteger, requireNumbers } from "../../tensor/ranges.ts";
import type { ReplayCache } from "./replay-cache.ts";
import type { SampledFrames } from "./sampled-frames.ts";

export interface VlmClientOptions {
  readonly model: string;
  /** For example "http://localhost:8000/v1"; default: the package's own. */
  readonly baseURL?: string;
  /** Default: the environment variable OPENAI_API_KEY, or "none" for local servers. */
  readonly apiKey?: string;
  /** Another transport, for tests and proxies. */
  readonly fetch?: typeof fetch;
  /** Requests under way at once; default 4. */
  readonly concurrency?: number;
  /** Per attempt; default 60,000. */
  readonly timeoutMs?: number;
  /** Attempts after the first; default 3. */
  readonly maxRetries?: number;
  readonly cache?: ReplayCache;
  /** Price of a million tokens, for the meter; default 0. */
  readonly price?: { readonly input: number; readonly output: number };
}

export interface VlmRequest {
  readonly system?: string;
  readonly question: string;
  readonly frames?: SampledFrames;
  /** Default 16. */
  readonly maxTokens?: number;
  /** Ask for the log-probabilities of the first token's alternatives. */
  readonly logprobs?: boolean;
  /** Number of an attempt to get a usable answer: part of the key, so that a retry is not answered from the cache. */
  readonly attempt?: number;
}

export interface VlmAnswer {
  readonly text: string;
  /** Alternatives of the first token with their natural log-probabilities; absent where the endpoint gives none. */
  readonly alternatives?: readonly { readonly token: string; readonly logprob: number }[];
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** What was asked for so far. */
export interface VlmUsage {
  /** Requests that went to the endpoint and came back. */
  readonly requests: number;
  /** HTTP attempts, retries included. */
  readonly attempts: number;
  readonly replayed: number;
  readonly failures: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** In the currency of `price`. */
  readonly cost: number;
}

export interface VlmClient {
  readonly model: string;
  ask(request: VlmRequest, options?: { readonly signal?: AbortSignal }): Promise<VlmAnswer>;
  usage(): VlmUsage;
}

/** @throws RangeError for a concurrency below 1 */
export function vlmClient(options: VlmClientOptions): VlmClient {
  const {
    model,
    concurrency = 4,
    timeoutMs = 60_000,
    maxRetries = 3,
    cache,
    price = { input: 0, output: 0 },
  } = options;
  requireNumbers(`ask ${model}`, { concurrency }, positiveInteger);
  requireNumbers(`ask ${model}`, { timeoutMs }, positive);
  requireNumbers(`ask ${model}`, { maxRetries }, natural);
  const usage = {
    requests: 0,
    attempts: 0,
    replayed: 0,
    failures: 0,
    inputTokens: 0,
    outputTokens: 0,
    cost: 0,
  };
  const limit = limiter(concurrency);
  /** What was asked in this process, so that asking again after another input failed is free. */
  const answered = new Map<string, VlmAnswer>();
  let endpoint: Promise<import("openai").OpenAI> | undefined;
  const connect = async () => {
    const { OpenAI } = await import("openai");
    const transport = options.fetch ?? fetch;
    const counted: typeof fetch = (...args) => {
      usage.attempts++;
      return transport(...args);
    };
    return new OpenAI({
      apiKey: options.apiKey ?? process.env["OPENAI_API_KEY"] ?? "none",
      ...(options.baseURL && { baseURL: options.baseURL }),
      timeout: timeoutMs,
      maxRetries,
      fetch: counted,
    });
  };

  async function send(request: VlmRequest, signal?: AbortSignal): Promise<VlmAnswer> {
    const { system, question, frames, maxTokens = 16, logprobs = false } = request;
    endpoint ??= connect();
    const images = (await frames?.jpegs()) ?? [];
    try {
      const reply = await (await endpoint).chat.completions.create(
        {
          model,
          temperature: 0,
          max_tokens: maxTokens,
          ...(logprobs && { logprobs: true, top_logprobs: 10 }),
          messages: [
            ...(system ? [{ role: "system" as const, content: system }] : []),
            {
              role: "user" as const,
              content: [
                ...images.map((jpeg) => ({
                  type: "image_url" as const,
                  image_url: { url: `data:image/jpeg;base64,${jpeg}` },
                })),
                { type: "text" as const, text: question },
              ],
            },
          ],
        },
        { ...(signal && { signal }) },
      );
      const choice = reply.choices?.[0];
      if (typeof choice?.message?.content !== "string") {
        throw new Error(`it sent no message: ${JSON.stringify(reply).slice(0, 300)}`);
      }
      const first = choice.logprobs?.content?.[0];
      usage.requests++;
      return {
        text: choice.message.content,
        ...(first && { alternatives: first.top_logprobs.map(({ token, logprob }) => ({ token, logprob })) }),
        inputTokens: reply.usage?.prompt_tokens ?? 0,
        outputTokens: reply.usage?.completion_tokens ?? 0,
      };
    } catch (error) {
      signal?.throwIfAborted();
      usage.failures++;
      const where = options.baseURL ?? "the default endpoint";
      const said = error instanceof Error ? error.message : String(error);
      const reason = /[.!?]$/.test(said) ? said : `${said}.`;
      throw new Error(
        `Cannot ask ${model} at ${where} after ${maxRetries + 1} attempts of at most ${timeoutMs} ms: ${reason} Check that the endpoint is up, or replay a recorded cache.`,
        { cause: error },
      );
    }
  }

  return Object.freeze({
    model,
    usage: () => ({ ...usage }),
    async ask(request: VlmRequest, { signal }: { readonly signal?: AbortSignal } = {}) {
      const key = requestKey(model, request);
      const known = answered.get(key) ?? cache?.get(key);
      if (known) {
        usage.replayed++;
        return known;
      }
      cache?.demand(key, request.question);
      const answer = await limit(() => send(request, signal));
      usage.inputTokens += answer.inputTokens;
      usage.outputTokens += answer.outputTokens;
      usage.cost += (answer.inputTokens * price.input + answer.outputTokens * price.output) / 1e6;
      answered.set(key, answer);
      cache?.put(key, answer);
      return answer;
    },
  });
}

/** SHA-256 of the request's meaning: pixels rather than JPEG bytes, fields in a fixed order. */
export function requestKey(
  model: string,
  { system, question, frames, maxTokens = 16, logprobs = false, attempt = 0 }: VlmRequest,
): string {
  const meaning = [model, system ?? "", question, frames?.hash ?? "", maxTokens, logprobs, attempt];
  return createHash("sha256").update(JSON.stringify(meaning)).digest("hex");
}

/** Runs at most `width` tasks at once, in the order of asking. */
function limiter(width: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= width) await new Promise<void>((go) => waiting.push(go));
    else running++;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
