import { expect, test } from "vitest";
import { beamSearch } from "../../src/search/beam-search.ts";
import { evoSearch } from "../../src/search/evo-search.ts";
import { type JournalRecord, readJournal } from "../../src/search/journal.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { particleSampling } from "../../src/search/particle-sampling.ts";
import { search } from "../../src/search/search.ts";
import { treeOfFrames } from "../../src/search/tree-of-frames.ts";
import { zeroOrderSearch } from "../../src/search/zero-order-search.ts";
import type { Verifier } from "../../src/verify/verifier.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = (batchSize = 3, prompt = "red") =>
  searchSpace(fakeDenoiser(), { prompt, chunks: 3, steps: 4, batchSize });
const strategies = [
  linearSearch({ n: 7 }),
  treeOfFrames({ roots: 5, branch: 2, image: { at: [2] } }),
  evoSearch({ schedule: [0, 5], population: [6, 4, 4], elites: 1 }),
  particleSampling({ n: 5, schedule: [3, 7] }),
  beamSearch({ width: 2, branch: 2 }),
  zeroOrderSearch({ iterations: 2, neighbours: 3 }),
];

test.each(strategies)("$name, killed anywhere and resumed, gives the identical result", async (strategy) => {
  const records: JournalRecord[] = [];
  const whole = await search(spaceOf(), strategy, {
    verifier,
    seed: 8,
    onRecord: (record) => records.push(record),
  });
  const text = records.map((record) => JSON.stringify(record)).join("\n");
  for (const share of [0.05, 0.3, 0.62, 0.9, 1]) {
    // A kill leaves a torn line at the end.
    const resume = readJournal(text.slice(0, Math.floor(text.length * share)));
    if (resume.length === 0) continue;
    const rest: JournalRecord[] = [];
    const space = spaceOf();
    const resumed = await search(space, strategy, {
      verifier,
      seed: 8,
      resume,
      onRecord: (record) => rest.push(record),
    });
    expect(resumed.best.video.data).toEqual(whole.best.video.data);
    expect(resumed.finished.map((one) => one.score)).toEqual(whole.finished.map((one) => one.score));
    expect(resumed.cost.nfe).toBe(whole.cost.nfe);
    expect(resumed.rows.map(({ nfe, score }) => [nfe, score])).toEqual(
      whole.rows.map(({ nfe, score }) => [nfe, score]),
    );
    expect(space.cost().nfe).toBeLessThanOrEqual(whole.cost.nfe);
    if (share === 1) expect([space.cost().nfe, rest.length]).toEqual([0, 0]);
  }
});

test("a journal of another search is refused, a corrupt one names its line", async () => {
  const records: JournalRecord[] = [];
  await search(spaceOf(), strategies[0]!, { verifier, onRecord: (record) => records.push(record) });
  await expect(search(spaceOf(), linearSearch({ n: 8 }), { verifier, resume: records })).rejects.toThrow(
    "Cannot resume as the journal is of another search",
  );
  await expect(search(spaceOf(), strategies[0]!, { verifier, seed: 1, resume: records })).rejects.toThrow(
    '"seed":1',
  );
  expect(() => readJournal('{"kind":"search"}\noops\n{}')).toThrow("line 2 of 3 is not JSON");
});

test.each(strategies)("$name survives a verifier that is NaN or throws now and then", async (strategy) => {
  let asked = 0;
  const shaky: Verifier = {
    name: "shaky",
    async score(inputs) {
      if (inputs.length > 1) throw new Error("too many at once");
      asked++;
      if (asked % 4 === 2) throw new Error("down");
      if (asked % 5 === 3) return [Number.NaN];
      return verifier.score(inputs);
    },
  };
  const { best, failures, rows } = await search(spaceOf(), strategy, { verifier: shaky });
  expect(Number.isFinite(best.score)).toBe(true);
  expect(best.failure).toBeUndefined();
  expect(failures).toBeGreaterThan(0);
  expect(rows.at(-1)!.failures).toBe(failures);
});

test("where nothing could be judged, the first failure is in the error", async () => {
  const broken: Verifier = { name: "broken", score: async () => Promise.reject(new Error("no GPU")) };
  await expect(search(spaceOf(), linearSearch({ n: 2 }), { verifier: broken })).rejects.toThrow(
    "Cannot choose a video as none of 2 finished candidates could be judged by broken: no GPU. Check the verifier on one clip first.",
  );
  const spelled: Verifier = { name: "spelled", score: async () => Promise.reject(new Error("Down.")) };
  await expect(search(spaceOf(), linearSearch({ n: 2 }), { verifier: spelled })).rejects.toThrow(
    "by spelled: Down. Check the verifier",
  );
  const short: Verifier = { name: "short", score: async () => [] };
  await expect(search(spaceOf(), linearSearch({ n: 2 }), { verifier: short })).rejects.toThrow(
    "short returned 0 scores for 1 videos",
  );
});

test.each(strategies)("$name stops when asked to, between two slices", async (strategy) => {
  const stop = new AbortController();
  let events = 0;
  const running = search(spaceOf(), strategy, {
    verifier,
    signal: stop.signal,
    onEvent: () => {
      if (++events === 9) stop.abort(new Error("enough"));
    },
  });
  await expect(running).rejects.toThrow("enough");
});

test("events tell the tree: every parent was born, every score belongs to someone, NFE never falls", async () => {
  for (const strategy of strategies) {
    const { events } = await search(spaceOf(), strategy, { verifier });
    const born = new Set<string>();
    let nfe = 0;
    for (const event of events) {
      expect(event.nfe).toBeGreaterThanOrEqual(nfe);
      nfe = event.nfe;
      if (event.type === "born") {
        if (event.parent) expect(born.has(event.parent.join("."))).toBe(true);
        expect(born.has(event.lineage.join("."))).toBe(false);
        born.add(event.lineage.join("."));
      }
      if (event.type === "scored" || event.type === "best")
        expect(born.has(event.lineage.join("."))).toBe(true);
      if (event.type === "pruned")
        for (const lineage of event.lineages) expect(born.has(lineage.join("."))).toBe(true);
    }
    expect(events.some((event) => event.type === "best")).toBe(true);
  }
});

test("empty and huge prompts are carried through", async () => {
  for (const prompt of ["", "red ".repeat(20_000)]) {
    const { rows } = await search(spaceOf(3, prompt), linearSearch({ n: 1 }), { verifier });
    expect(rows[0]!.prompt).toBe(prompt);
  }
});
