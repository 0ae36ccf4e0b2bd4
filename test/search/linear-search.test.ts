import { expect, test } from "vitest";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = (batchSize = 8) =>
  searchSpace(fakeDenoiser(), { prompt: "red", chunks: 3, steps: 5, batchSize });

test("cost is N x steps x latent frames, from the meter", async () => {
  const { cost, rows } = await search(spaceOf(4), linearSearch({ n: 6 }), { verifier });
  expect(cost.nfe).toBe(6 * 3 * 5 * 2);
  expect(cost.calls).toBe(6 * 3 * 5);
  expect(cost.verifierCalls).toBe(6);
  // The last chunk is never appended: nothing follows it.
  expect(cost.cacheWrites).toBe(6 * 2);
  expect(rows.map((row) => row.nfe)).toEqual([30, 60, 90, 120, 150, 180]);
  expect(rows.map((row) => row.n)).toEqual([1, 2, 3, 4, 5, 6]);
});

test("the best so far never falls, and the first n candidates are those of a smaller search", async () => {
  const large = await search(spaceOf(), linearSearch({ n: 8 }), { verifier, seed: 3 });
  const small = await search(spaceOf(), linearSearch({ n: 3 }), { verifier, seed: 3 });
  expect(large.rows[2]!.score).toBe(small.best.score);
  expect(large.rows.map(({ best }) => large.finished[best]!.score)).toEqual(
    large.rows.map(({ score }) => score),
  );
  large.rows.forEach((row, i) => {
    expect(row.score).toBeGreaterThanOrEqual(large.rows[i - 1]?.score ?? -Infinity);
  });
});

test("one candidate is plain generation", async () => {
  const space = spaceOf();
  const { best } = await search(space, linearSearch({ n: 1 }), { verifier, seed: 5 });
  const [plain] = await space.advance([space.root(0, 5)], { chunk: 3, step: 0 });
  const [clip] = await space.decode([plain!]);
  expect(best.video.data).toEqual(clip!.data);
});

test("a budget ends the search early, and one that holds no candidate says the sum", async () => {
  const { finished, cost } = await search(spaceOf(), linearSearch({ n: 8 }), { verifier, maxNfe: 100 });
  expect(finished).toHaveLength(3);
  expect(cost.nfe).toBe(90);
  await expect(search(spaceOf(), linearSearch({ n: 8 }), { verifier, maxNfe: 29 })).rejects.toThrow(
    "Cannot run linear within maxNfe = 29 as its first generation costs 30 NFE: 1 candidate x 15 steps.",
  );
});
