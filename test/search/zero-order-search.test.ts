import { expect, test } from "vitest";
import { euler } from "../../src/diffusion/solvers.ts";
import { searchSpace } from "../../src/search/latent-space.ts";
import { search } from "../../src/search/search.ts";
import { zeroOrderSearch } from "../../src/search/zero-order-search.ts";
import { fakeDenoiser, redVerifier } from "./fake-denoiser.ts";

const verifier = redVerifier();
const spaceOf = () => searchSpace(fakeDenoiser(), { prompt: "red", chunks: 2, steps: 5, solver: euler() });

test("cost is one candidate and all neighbours of all iterations; a budget stops it early", async () => {
  const strategy = zeroOrderSearch({ iterations: 3, neighbours: 4 });
  expect((await search(spaceOf(), strategy, { verifier })).cost.nfe).toBe((1 + 12) * 20);
  expect((await search(spaceOf(), strategy, { verifier, maxNfe: 145 })).cost.nfe).toBe(140);
});

test("it climbs, and neighbours are nearer than strangers", async () => {
  const { events, finished } = await search(
    spaceOf(),
    zeroOrderSearch({ iterations: 8, neighbours: 4, rate: 0.4 }),
    { verifier },
  );
  const bests = events.filter((event) => event.type === "generation").map((event) => event.best);
  expect(Math.max(...bests.slice(4))).toBeGreaterThan(bests[0]! + 0.1);
  // Same noise but for a share of 0.4: the first neighbours resemble the start more than chance would.
  const start = finished[0]!.score;
  const near = finished.slice(1, 5).map((one) => Math.abs(one.score - start));
  expect(Math.max(...near)).toBeLessThan(0.3);
});

test("a rate outside (0, 1] is refused", () => {
  expect(() => zeroOrderSearch({ iterations: 1, neighbours: 1, rate: 0 })).toThrow(
    '"rate" must lie in (0, 1]: got 0',
  );
});
