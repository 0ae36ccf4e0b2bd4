import { expect, test } from "vitest";
import { beamSearch } from "../../src/search/beam-search.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { linearSearch } from "../../src/search/linear-search.ts";
import { search } from "../../src/search/search.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = (chunks: number) => searchSpace(fakeDenoiser(), { prompt: "red", chunks, steps: 5 });

test("cost is width x branch x steps, over chunks and over one clip", async () => {
  for (const chunks of [1, 4]) {
    const { cost, finished } = await search(spaceOf(chunks), beamSearch({ width: 2, branch: 3 }), {
      verifier,
    });
    expect(cost.nfe).toBe(6 * chunks * 5 * 2);
    expect(finished).toHaveLength(6);
  }
});

test("it beats linear search at equal cost where partial videos tell", async () => {
  let wins = 0;
  for (let seed = 0; seed < 5; seed++) {
    const beam = await search(spaceOf(4), beamSearch({ width: 2, branch: 4 }), { verifier, seed });
    const linear = await search(spaceOf(4), linearSearch({ n: 8 }), { verifier, seed });
    expect(beam.cost.nfe).toBe(linear.cost.nfe);
    if (beam.best.score > linear.best.score) wins++;
  }
  expect(wins).toBeGreaterThanOrEqual(4);
});

test("width 1 and branch 1 is plain generation", async () => {
  const beam = await search(spaceOf(3), beamSearch({ width: 1, branch: 1 }), { verifier, seed: 9 });
  const plain = await search(spaceOf(3), linearSearch({ n: 1 }), { verifier, seed: 9 });
  expect(beam.best.video.data).toEqual(plain.best.video.data);
});
