import { expect, test } from "vitest";
import { CausalWan } from "../../src/model/causal-wan.ts";
import { type ClaimRow, claimRows } from "../../src/search/experiments/claim-rows.ts";
import { judgeClaims } from "../../src/search/experiments/claims.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { worldCodec } from "../../src/video/pca-codec.ts";

/** Measured rows of an untrained model, tiny: every field that the judge reads is there. */
test("rows of every kind come out, and are taken up again where they stopped", async () => {
  await useDevice("native").catch(() => useDevice("auto"));
  const codec = worldCodec();
  const model = CausalWan.mini({ codec, seed: 3 });
  const options = { prompts: ["a red ball stays still"], seeds: [0], chunks: 2, steps: 3, n: 8 };
  const rows: ClaimRow[] = [];
  for await (const row of claimRows(model, codec, options)) rows.push(row);
  expect(rows.filter((row) => row.kind === "pool")).toHaveLength(8);
  const searches = rows.filter((row) => row.kind === "search");
  expect(new Set(searches.map((row) => row["strategy"])).size).toBe(8);
  for (const row of searches) {
    for (const field of ["nfe", "grader", "total", "diversity", "heldOut", "expanded"])
      expect(row[field]).toEqual(expect.any(Number));
  }
  // No search spends more than its budget's worth of whole candidates.
  const whole = rows[0]!["nfe"] as number;
  for (const row of searches) expect(row["nfe"]).toBeLessThanOrEqual(whole * (row["budget"] as number));
  const rest: ClaimRow[] = [];
  for await (const row of claimRows(model, codec, { ...options, done: rows })) rest.push(row);
  expect(rest).toEqual([]);
}, 120_000);

/** Rows in which selection by the grader is worth what we say it is. */
function rowsOf(evoGain: number): ClaimRow[] {
  const rows: ClaimRow[] = [];
  for (let seed = 0; seed < 5; seed++) {
    for (const prompt of ["a", "b", "c", "d"]) {
      const key = { prompt, seed };
      const jitter = ((seed * 7 + prompt.charCodeAt(0)) % 5) / 500;
      for (let i = 0; i < 12; i++) {
        const total = 0.5 + 0.1 * Math.sin(i + seed) + jitter;
        const proxies = { color: total, shape: 0, motion: 0, smoothness: 0, sharpness: 0, vivid: i };
        rows.push({
          kind: "pool",
          ...key,
          candidate: i,
          nfe: 10,
          total,
          semantic: total,
          content: total,
          temporal: 1,
          right: 1,
          grader: total,
          ...proxies,
        });
      }
      const add = (strategy: string, budget: number, nfe: number, grader: number) =>
        rows.push({
          kind: "search",
          ...key,
          strategy,
          budget,
          nfe,
          grader,
          total: grader,
          semantic: grader,
          right: 1,
          diversity: 1,
          heldOut: 0.5,
          expanded: budget,
        });
      add("linear", 12, 120, 0.6 + jitter);
      for (const roots of [2, 3, 6, 12]) add("tree-of-frames", roots, 5 * roots, 0.5 + 0.01 * roots + jitter);
      for (const budget of [3, 6, 12]) {
        add("evo-search", budget, 10 * budget, 0.6 + evoGain + jitter);
        add("particles", budget, 10 * budget, 0.6 + jitter / 2);
      }
      for (const label of ["evo k_start 0.5", "evo k_start 1", "evo schedule early", "evo schedule late"])
        add(label, 12, 120, 0.6 + jitter);
      rows.push({ kind: "moran", ...key, share: 1, i: 0.8 + jitter });
    }
  }
  return rows;
}

test("verdicts follow the rows: what is built in passes, what is not fails", () => {
  const verdict = (rows: readonly ClaimRow[], statement: string) =>
    judgeClaims(rows, { resamples: 100 }).find((one) => one.statement.startsWith(statement))!;
  expect(verdict(rowsOf(0.1), "EvoSearch above best-of-N at equal NFE (verifier score)")).toMatchObject({
    verdict: "PASS",
    claim: 9,
  });
  expect(
    verdict(rowsOf(0.1), "EvoSearch above best-of-N at equal NFE (verifier score)").estimate,
  ).toBeCloseTo(0.1);
  expect(verdict(rowsOf(-0.1), "EvoSearch above best-of-N at equal NFE (verifier score)").verdict).toBe(
    "FAIL",
  );
  expect(verdict(rowsOf(0), "reward is clustered").verdict).toBe("PASS");
  expect(
    verdict(
      rowsOf(0).filter((row) => row.seed < 3),
      "reward is clustered",
    ).verdict,
  ).toBe("INCONCLUSIVE");
  expect(
    judgeClaims(
      rowsOf(0).filter((row) => row.kind === "pool"),
      { resamples: 100 },
    ).map((one) => one.claim),
  ).toEqual([1, 1, 4, 5, 6, 7]);
});
