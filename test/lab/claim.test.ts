import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaimOptions, claim, decide, listClaims } from "../../src/lab/claim.ts";
import { openRun } from "../../src/lab/run.ts";

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "zoetrope-claims-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const seeds = [0, 1, 2, 3, 4];
const options = (low: number, high: number, more: Partial<ClaimOptions> = {}): ClaimOptions => ({
  effect: { estimate: (low + high) / 2, low, high },
  holds: { atMost: 0.6 },
  test: "bootstrap",
  seeds,
  ...more,
});

describe("the verdict", () => {
  it.each([
    [0.3, 0.5, {}, "PASS", "The interval [0.3, 0.5] lies within ≤ 0.6."],
    [0.7, 0.9, {}, "FAIL", "The interval [0.7, 0.9] lies outside ≤ 0.6."],
    [0.5, 0.7, {}, "INCONCLUSIVE", "The interval [0.5, 0.7] straddles the boundary of ≤ 0.6."],
    [0.3, 0.5, { seeds: [0, 1, 1, 0] }, "INCONCLUSIVE", "2 seeds; at least 5 are needed."],
    [0.3, 0.5, { p: 0.2 }, "INCONCLUSIVE", "p = 0.2 after correction is above 0.05."],
    [0.3, 0.5, { p: 0.01 }, "PASS", "The interval [0.3, 0.5] lies within ≤ 0.6."],
    [
      0.3,
      Number.POSITIVE_INFINITY,
      {},
      "INCONCLUSIVE",
      "The interval [0.3, Infinity] straddles the boundary of ≤ 0.6.",
    ],
    [Number.NaN, 1, {}, "INCONCLUSIVE", "The effect or its interval is not a number."],
    [
      -0.01,
      0.02,
      { holds: { atLeast: -0.05, atMost: 0.05 } },
      "PASS",
      "The interval [-0.01, 0.02] lies within [-0.05, 0.05].",
    ],
    [
      0,
      0,
      { holds: { atMost: 0 }, seeds: [1], leastSeeds: 1 },
      "PASS",
      "The interval [0, 0] lies within ≤ 0.",
    ],
  ] as const)("of [%f, %f] with %o is %s", (low, high, more, verdict, reason) => {
    expect(decide(options(low, high, more as Partial<ClaimOptions>))).toEqual({ verdict, reason });
  });

  it("is never PASS and FAIL for complementary claims, and PASS never needs the estimate outside", () => {
    const number = fc.double({ min: -10, max: 10, noNaN: true });
    fc.assert(
      fc.property(number, number, number, (a, b, boundary) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const below = decide(options(low, high, { holds: { atMost: boundary } })).verdict;
        const above = decide(options(low, high, { holds: { atLeast: boundary } })).verdict;
        if (below === "PASS" && above === "PASS") expect([low, high]).toEqual([boundary, boundary]);
        expect(below === "FAIL" && above === "FAIL").toBe(false);
      }),
    );
  });

  it("is refused without a region or for swapped ends", () => {
    expect(() => decide(options(0, 1, { holds: {} }))).toThrow(
      "Cannot decide a claim that holds nowhere in particular",
    );
    expect(() => decide(options(2, 1))).toThrow("its ends are swapped");
  });
});

describe("the list of claims", () => {
  it("keeps failing claims, the newest decision of each, and the runs behind it", async () => {
    const run = await openRun("search", {}, { root });
    await claim("A is cheaper", options(0.5, 0.7, { runs: [run] }));
    await claim(
      "B is better",
      options(0.7, 0.9, { runs: [run], note: "verifier is hacked", correction: "Holm over 2" }),
    );
    const made = await claim("A is cheaper", options(0.3, 0.5, { runs: [run] }));
    const listed = listClaims({ root });
    expect(
      listed.map(({ statement, verdict, revision, isIntact }) => ({
        statement,
        verdict,
        revision,
        isIntact,
      })),
    ).toEqual([
      { statement: "A is cheaper", verdict: "PASS", revision: 2, isIntact: true },
      { statement: "B is better", verdict: "FAIL", revision: 1, isIntact: true },
    ]);
    expect(listed[1]).toMatchObject({
      note: "verifier is hacked",
      correction: "Holm over 2",
      runs: ["search-0001"],
      seeds,
    });
    const bundle = made[Symbol.for("Jupyter.display")]!();
    expect(bundle["text/plain"]).toContain("PASS  A is cheaper");
    expect(bundle["text/html"]).toContain("PASS</b>");
  });

  it("finds claims without a run, keeps infinite intervals, and spots an edited one", async () => {
    await claim("C <b>never</b> reaches it", options(1, Number.POSITIVE_INFINITY, { root }));
    const found = listClaims({ root, run: "claims-0001" })[0]!;
    expect(found.high).toBe(Number.POSITIVE_INFINITY);
    expect(found.isIntact).toBe(true);
    expect(found[Symbol.for("Jupyter.display")]!()["text/html"]).toContain("C &lt;b&gt;never");
    const folder = join(root, "claims-0001", "rows");
    const path = join(folder, readdirSync(folder)[0]!);
    writeFileSync(path, readFileSync(path, "utf8").replace('"FAIL"', '"PASS"'));
    expect(listClaims({ root, run: "claims-0001" })[0]).toMatchObject({ verdict: "PASS", isIntact: false });
    appendFileSync(path, "{torn");
    expect(listClaims({ root }).length).toBe(3);
  });
});
