import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { evoSearch } from "../../src/search/evo-search.ts";
import { fleet } from "../../src/search/fleet.ts";
import { type JournalRecord, readJournal } from "../../src/search/journal.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { hostSpace } from "../../src/search/remote/host.ts";
import { searchSpace as pretrainedSpace } from "../../src/search/remote/pretrained-space.ts";
import type { Answer, Channel, Request } from "../../src/search/remote/protocol.ts";
import { type RemoteSpace, remoteSpace } from "../../src/search/remote/remote-space.ts";
import { workerFleet } from "../../src/search/remote/worker-fleet.ts";
import { search } from "../../src/search/search.ts";
import type { SearchSpace } from "../../src/search/space.ts";
import { treeOfFrames } from "../../src/search/tree-of-frames.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { skipOrFail } from "../kernel/skip-or-fail.ts";
import { type FakeDenoiser, fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const strategies = [
  treeOfFrames({ roots: 5, branch: 2, keep: "median", image: { at: [2] } }),
  evoSearch({ schedule: [0, 5, 9], population: [6, 4, 4, 4] }),
];
const localSpace = (denoiser: FakeDenoiser, batchSize = 3) =>
  searchSpace(denoiser, { prompt: "red", chunks: 4, steps: 4, batchSize });

/** Two ends of a wire in one process: what crosses it is cloned, later, in order. `sent` counts chunk latents. */
function wire() {
  const ends = [0, 1].map(() => ({
    message: (_: never) => {},
    close: (_: string) => {},
  }));
  const counts = { nodes: 0, messages: 0 };
  let isClosed = false;
  const channel = (mine: number): Channel<never, never> => ({
    send(message) {
      if (isClosed) return;
      const copy = structuredClone(message) as { nodes?: unknown[] };
      counts.messages++;
      if (mine === 0) counts.nodes += copy.nodes?.length ?? 0;
      setImmediate(() => ends[1 - mine]!.message(copy as never));
    },
    onMessage: (listener) => {
      ends[mine]!.message = listener;
    },
    onClose: (listener) => {
      ends[mine]!.close = listener;
    },
    close() {
      isClosed = true;
      for (const end of ends) end.close("closed");
    },
  });
  return {
    counts,
    here: channel(0) as unknown as Channel<Request, Answer>,
    there: channel(1) as unknown as Channel<Answer, Request>,
  };
}

let hosts = 0;
async function acrossWire(denoiser = fakeDenoiser(), batchSize = 3) {
  const { counts, here, there } = wire();
  const space = remoteSpace(here);
  hostSpace(localSpace(denoiser, batchSize), there, `host${hosts++}`);
  return { space: await space, counts, close: () => here.close() };
}

describe("a space across a wire", () => {
  test.each(strategies)("$name gives the same bits as here, also on several of them", async (strategy) => {
    const whole = await search(localSpace(fakeDenoiser()), strategy, { verifier, seed: 3 });
    const [one, two] = [await acrossWire(), await acrossWire(fakeDenoiser(), 2)];
    for (const space of [
      one.space,
      fleet([one.space, two.space]),
      fleet([localSpace(fakeDenoiser()), two.space]),
    ]) {
      const outcome = await search(space as SearchSpace, strategy, { verifier, seed: 3 });
      expect(outcome.best.video.data).toEqual(whole.best.video.data);
      expect(outcome.finished.map((each) => each.score)).toEqual(whole.finished.map((each) => each.score));
      expect(outcome.cost.nfe).toBe(whole.cost.nfe);
      // How work is sliced is up to the batch size; what is decided is not.
      const decisions = (events: typeof whole.events) =>
        events.filter((event) => event.type !== "advanced").map(({ seconds: _, nfe: __, ...event }) => event);
      expect(decisions(outcome.events)).toEqual(decisions(whole.events));
    }
  });

  test("a finished chunk crosses once, caches stay where they were made, and both sides forget together", async () => {
    const denoiser = fakeDenoiser();
    const { space, counts } = await acrossWire(denoiser);
    let grown = await space.advance(
      [0, 1, 2].map((i) => space.root(i, 0)),
      { chunk: 3, step: 2 },
    );
    grown = await space.advance(grown, { chunk: 4, step: 0 });
    // The past was made there: nothing of it went back, and nothing was recomputed (3 caches each).
    expect(counts.nodes).toBe(0);
    expect(space.cost().cacheWrites).toBe(9);
    space.keep([]);
    await space.decode(grown);
    expect([denoiser.live(), space.cacheBytes]).toEqual([0, 0]);
    expect(counts.nodes).toBe(12);
  });

  test("errors, aborts and a lost generator come through", async () => {
    const { space, close } = await acrossWire();
    await expect(space.preview([space.root(0, 0)])).rejects.toThrow(RangeError);
    await expect(space.preview([space.root(0, 0)])).rejects.toThrow("Cannot show candidate [0]");
    expect(() => space.position(17)).toThrow("Cannot place step 17");
    const stop = new AbortController();
    const running = space.advance([space.root(0, 0)], { chunk: 4, step: 0 }, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(await space.advance([space.root(0, 0)], { chunk: 1, step: 0 })).toHaveLength(1);
    const lost = space.advance([space.root(1, 0)], { chunk: 4, step: 0 });
    close();
    await expect(lost).rejects.toThrow("Cannot compute candidates as the generator has ended: closed.");
    await expect(space.advance([space.root(1, 0)], { chunk: 1, step: 0 })).rejects.toThrow("has ended");
  });

  test("an answer that was on its way when the abort came is read and not used", async () => {
    const { here, there } = wire();
    const deaf: typeof here = {
      ...here,
      send: (message) => ("call" in message && message.call === "abort" ? undefined : here.send(message)),
    };
    const connecting = remoteSpace(deaf);
    hostSpace(localSpace(fakeDenoiser()), there, `host${hosts++}`);
    const space = await connecting;
    const stop = new AbortController();
    const running = space.advance([space.root(0, 0)], { chunk: 4, step: 0 }, { signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(await space.advance([space.root(0, 0)], { chunk: 1, step: 0 })).toHaveLength(1);
    space.close();
  });

  test("a search whose generator was lost resumes on another to the identical result", async () => {
    const [strategy] = strategies;
    const whole = await search(localSpace(fakeDenoiser()), strategy!, { verifier, seed: 3 });
    const first = await acrossWire();
    const records: JournalRecord[] = [];
    const torn = search(first.space, strategy!, {
      verifier,
      seed: 3,
      onRecord: (record) => {
        if (records.push(record) === 12) first.close();
      },
    });
    await expect(torn).rejects.toThrow("has ended");
    const resume = readJournal(records.map((record) => JSON.stringify(record)).join("\n"));
    const outcome = await search((await acrossWire()).space, strategy!, { verifier, seed: 3, resume });
    expect(outcome.best.video.data).toEqual(whole.best.video.data);
    expect(outcome.cost.nfe).toBe(whole.cost.nfe);
  });
});

describe("worker processes", () => {
  const spaces: RemoteSpace[] = [];
  afterAll(() => {
    for (const space of spaces) space.close();
  });
  const built = existsSync(join(packageRoot, "dist/src/search/remote/worker.js"));

  test("a shipped model on 1 and 2 workers gives the bits of this process", async (context) => {
    if (!built) skipOrFail(context, "dist is not built");
    await useDevice("auto");
    const options = { model: "mini-teacher-forcing", prompt: "a red ball stays still", chunks: 2, steps: 2 };
    const strategy = treeOfFrames({ roots: 4, branch: [1, 2], keep: "median" });
    const here = await search(await pretrainedSpace(options), strategy, { verifier, seed: 1 });
    for (const workers of [1, 2]) {
      const space = await workerFleet({ workers, options: { ...options, batchSize: 4 / workers } });
      spaces.push(space);
      const outcome = await search(space, strategy, { verifier, seed: 1 });
      expect(outcome.best.video.data).toEqual(here.best.video.data);
      expect(outcome.cost.nfe).toBe(here.cost.nfe);
      space.close();
      await expect(space.advance([space.root(0, 0)], { chunk: 1, step: 0 })).rejects.toThrow(
        "signal SIGTERM",
      );
    }
  }, 60_000);

  test("what keeps a worker from starting is said", async (context) => {
    if (!built) skipOrFail(context, "dist is not built");
    await expect(workerFleet({ workers: 0, options: {} })).rejects.toThrow("Cannot search on 0 workers");
    const folder = mkdtempSync(join(tmpdir(), "workers-"));
    const broken = join(folder, "broken.mjs");
    writeFileSync(broken, 'export const searchSpace = () => { throw new Error("no weights"); };');
    await expect(workerFleet({ workers: 1, module: broken, options: {} })).rejects.toThrow(
      "Cannot make the generator's search space: no weights",
    );
    const dying = join(folder, "dying.mjs");
    writeFileSync(dying, "process.exit(7);");
    await expect(workerFleet({ workers: 1, module: dying, options: {} })).rejects.toThrow("exit code 7");
  }, 60_000);
});
