/** The side of the wire that computes: answers requests with a search space of its own, one after the other. */
import type { Candidate } from "../candidate.ts";
import type { LatentSpace } from "../latent-space.ts";
import { type Answer, type Channel, ledger, type Request } from "./protocol.ts";

/** @param name unlike that of every other host of the same fleet: it names the chunks that are made here */
export function hostSpace(space: LatentSpace, channel: Channel<Answer, Request>, name: string): void {
  let made = 0;
  const book = ledger(new WeakMap(), () => `${name}.${made++}`);
  const running = new Map<number, AbortController>();
  const standing = () => ({ cost: space.cost(), cacheBytes: space.cacheBytes });
  let queue: Promise<void> = Promise.resolve();

  async function answer(
    request: Exclude<Request, { readonly call: "abort" | "keep" }>,
    candidates: readonly Candidate[],
  ): Promise<void> {
    const { id } = request;
    const { signal } = running.get(id)!;
    try {
      signal.throwIfAborted();
      if (request.call === "advance") {
        const done = await space.advance(candidates, request.to, { signal });
        channel.send({ id, batch: book.pack(done), standing: standing() });
      } else {
        const videos = await space[request.call](candidates);
        const plain = videos.map(({ numFrames, height, width, fps, data, prompt }) => ({
          numFrames,
          height,
          width,
          fps,
          data,
          ...(prompt !== undefined && { prompt }),
        }));
        channel.send({ id, videos: plain, standing: standing() });
      }
    } catch (error) {
      const { name: kind, message } = error instanceof Error ? error : new Error(String(error));
      channel.send({ id, error: { name: kind, message }, standing: standing() });
    } finally {
      running.delete(id);
    }
  }

  channel.onMessage((request) => {
    if (request.call === "abort") {
      running.get(request.id)?.abort(new Error("stopped by the other side"));
      return;
    }
    // Unpacked at once, in the order of the wire; computed one after the other.
    const candidates = book.unpack(request);
    if (request.call === "keep") {
      book.keep(candidates);
      queue = queue.then(() => space.keep(candidates));
      return;
    }
    running.set(request.id, new AbortController());
    queue = queue.then(() => answer(request, candidates));
  });
  const { name: title, prompt, batchSize, numbers } = space;
  channel.send({ ready: { name: title, prompt, batchSize, numbers, ...standing() } });
}
