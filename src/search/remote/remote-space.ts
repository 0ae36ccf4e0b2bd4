/**
 * The side of the wire that searches: a `SearchSpace` whose candidates are computed elsewhere. What needs no network is
 * computed here from the space's numbers; advance, decode and preview are calls. Cost and cache are those of the last answer.
 */
import type { Cost } from "../../diffusion/nfe.ts";
import { type Video, video } from "../../video/video.ts";
import type { Candidate, Finished, Position } from "../candidate.ts";
import { candidatePlan } from "../candidate-plan.ts";
import type { AdvanceOptions, SearchSpace } from "../space.ts";
import {
  type Answer,
  type Channel,
  type Introduction,
  ledger,
  type Request,
  type Standing,
} from "./protocol.ts";

export interface RemoteSpace extends SearchSpace {
  /** Ends the other side; later calls are refused. */
  close(): void;
}

/** Ids of chunks, for all remote spaces of this process: a chunk made by one may be sent to another. */
const ids = new WeakMap<Finished, string>();
let named = 0;

type Settled = Exclude<Answer, { readonly ready: unknown } | { readonly failed: string }>;

/** @throws Error when the other side ends, or cannot make its space */
export async function remoteSpace(channel: Channel<Request, Answer>): Promise<RemoteSpace> {
  const waiting = new Map<number, { resolve: (answer: Settled) => void; reject: (error: Error) => void }>();
  const started = performance.now();
  let calls = 0;
  let closed: string | undefined;
  let standing: Standing;
  let introduce: (value: Introduction) => void = () => {};
  let refuse: (error: Error) => void = () => {};
  const introduced = new Promise<Introduction>((resolve, reject) => {
    introduce = resolve;
    refuse = reject;
  });
  const ended = (reason: string): Error =>
    new Error(
      `Cannot compute candidates as the generator has ended: ${reason}. Start it anew; a journal resumes the search.`,
    );

  channel.onClose((reason) => {
    closed ??= reason;
    refuse(ended(closed));
    for (const { reject } of waiting.values()) reject(ended(closed));
    waiting.clear();
  });
  channel.onMessage((answer) => {
    if ("ready" in answer) introduce(answer.ready);
    else if ("failed" in answer)
      refuse(new Error(`Cannot make the generator's search space: ${answer.failed}`));
    else {
      standing = answer.standing;
      const one = waiting.get(answer.id);
      waiting.delete(answer.id);
      one?.resolve(answer);
    }
  });
  const { name, prompt, batchSize, numbers, ...first } = await introduced;
  standing = first;
  const book = ledger(ids, () => `here.${named++}`);

  async function call(request: (id: number) => Request, signal?: AbortSignal): Promise<Settled> {
    signal?.throwIfAborted();
    if (closed !== undefined) throw ended(closed);
    const id = calls++;
    const abort = () => channel.send({ call: "abort", id });
    const answered = new Promise<Settled>((resolve, reject) => waiting.set(id, { resolve, reject }));
    channel.send(request(id));
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const answer = await answered;
      if ("error" in answer) {
        signal?.throwIfAborted();
        const Kind = answer.error.name === "RangeError" ? RangeError : Error;
        throw new Kind(answer.error.message);
      }
      return answer;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async function pictures(what: "decode" | "preview", candidates: readonly Candidate[]): Promise<Video[]> {
    if (candidates.length === 0) return [];
    const answer = await call((id) => ({ call: what, id, ...book.pack(candidates) }));
    return "videos" in answer ? answer.videos.map(video) : [];
  }

  return Object.freeze({
    name,
    prompt,
    numChunks: numbers.chunks,
    batchSize,
    ...candidatePlan(numbers),

    async advance(candidates: readonly Candidate[], to: Position, { signal }: AdvanceOptions = {}) {
      if (candidates.length === 0) return [];
      const answer = await call((id) => ({ call: "advance", id, to, ...book.pack(candidates) }), signal);
      const advanced = "batch" in answer ? book.unpack(answer.batch) : [];
      // An answer that was on its way when the abort came is read, so that both sides know the same chunks, but not used.
      signal?.throwIfAborted();
      return advanced;
    },
    decode: (candidates: readonly Candidate[]) => pictures("decode", candidates),
    preview: (candidates: readonly Candidate[]) => pictures("preview", candidates),

    cost: (): Cost => ({ ...standing.cost, seconds: (performance.now() - started) / 1000 }),
    keep(live: readonly Candidate[]) {
      if (closed !== undefined) return;
      // States are of no use to a cache: only the past that the other side knows of the living is named.
      const past = live.map(({ xt: _, x0: __, finished, ...candidate }) => {
        const node = book.nearest(finished);
        return { ...candidate, ...(node && { finished: node }) };
      });
      channel.send({ call: "keep", ...book.pack(past) });
      book.keep(live);
    },
    get cacheBytes() {
      return standing.cacheBytes;
    },
    close: () => channel.close(),
  });
}
