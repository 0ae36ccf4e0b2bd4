import { expect, test } from "vitest";
import { CausalWan } from "../../src/model/causal-wan.ts";
import { type ClaimRow, claimRows } from "../../src/search/experiments/claim-rows.ts";
import {
  clipSetting,
  fullClipSetting,
  largeFullClipSetting,
  largePictureSetting,
  motionFullClipSetting,
  pictureSetting,
} from "../../src/search/experiments/claim-settings.ts";
import { judgeClaims } from "../../src/search/experiments/claim-verdicts.ts";
import { claimPrompts, claimsProgram } from "../../src/search/experiments/claims.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { prompts as split } from "../../src/train/recipes/mini.ts";
import { worldCodec } from "../../src/video/pca-codec.ts";

/** Measured rows of an untrained model, tiny: every field that the judge reads is there. */
test.each([
  // The widest tree needs the NFE of twelve candidates.
  clipSetting({ n: 12, chunks: 4, steps: 2 }),
  pictureSetting({ n: 6, steps: 8 }),
  fullClipSetting({ n: 6, steps: 4 }),
  largePictureSetting({ n: 6, steps: 8 }),
  largeFullClipSetting({ n: 6 }),
  motionFullClipSetting({ n: 6 }),
])(
  "$name: rows of every kind come out, are judged, and are taken up again where they stopped",
  async (setting) => {
    await useDevice("auto");
    const codec = worldCodec();
    const config = { dim: 32, layers: 1, heads: 2, ffn: 64 };
    const chunkFrames = setting.name.startsWith("full clip") ? 4 : 1;
    const model = CausalWan.mini({ codec, seed: 3, config, chunkFrames });
    const options = { prompts: ["a red ball stays still"], seeds: [0, 1], stamp: { weights: "none" } };
    const rows: ClaimRow[] = [];
    for await (const row of claimRows(model, codec, setting, options)) rows.push(row);
    expect(rows.filter((row) => row.kind === "pool")).toHaveLength(2 * setting.n);
    // No search spends more than its budget's worth of whole candidates.
    const whole = rows[0]!["nfe"] as number;
    for (const row of rows.filter((one) => one.kind === "search"))
      expect(row["nfe"]).toBeLessThanOrEqual(whole * (row["budget"] as number));
    const verdicts = judgeClaims(rows, { resamples: 50 });
    const expected = {
      clip: [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 17],
      picture: [9, 10, 12, 13, 14, 17],
      "picture 64": [9, 10, 12, 14, 17],
      "full clip": [9, 10, 12, 14, 17],
      "full clip 32": [9, 10, 12, 14, 17],
      "full clip motion": [9, 10, 12, 14],
    }[setting.name];
    expect([...new Set(verdicts.map((one) => one.claim))].sort((a, b) => a - b)).toEqual(expected);
    for (const verdict of verdicts) {
      expect(verdict.estimate, verdict.statement).not.toBeNaN();
      // Two seeds decide nothing.
      expect(verdict.verdict).toBe("INCONCLUSIVE");
    }
    // A kill in the middle of the second seed: that seed is measured anew, and comes out the same.
    const rest: ClaimRow[] = [];
    for await (const row of claimRows(model, codec, setting, { ...options, done: rows.slice(0, -3) }))
      rest.push(row);
    expect(rest).toEqual(rows.filter((row) => row.seed === 1));
  },
  120_000,
);

/** Rows in which a tree costs a quarter of a pool of eight and EvoSearch's reward is `evoGain` above the rest. */
function rowsOf(evoGain: number): ClaimRow[] {
  const rows: ClaimRow[] = [];
  for (let seed = 0; seed < 5; seed++) {
    for (const prompt of ["a", "b", "c", "d"]) {
      const key = { setting: "clip", prompt, seed };
      const jitter = ((seed * 7 + prompt.charCodeAt(0)) % 5) / 500;
      for (let i = 0; i < 8; i++) {
        const total = 0.5 + 0.02 * ((i + seed) % 8) + jitter;
        const proxies = { color: total, shape: 0, motion: 0, smoothness: 0, sharpness: 0, vivid: i };
        const parts = { content: total, temporal: 1 };
        rows.push({
          kind: "pool",
          ...key,
          candidate: i,
          nfe: 10,
          reward: total,
          total,
          ...parts,
          ...proxies,
        });
      }
      const add = (strategy: string, budget: number, nfe: number, reward: number) => {
        const scores = { reward, total: reward, topReward: reward, diversity: 1, heldOut: 0.5 };
        rows.push({ kind: "search", ...key, strategy, budget, nfe, ...scores });
      };
      add("linear", 8, 80, 0.6 + jitter);
      // Linear search with four candidates has 0.624 on average, the tree has it at 20 NFE of 40.
      add("tree 0", 8, 20, 0.6241 + jitter);
      add("tree 1", 8, 40, 0.65 + jitter);
      for (const budget of [4, 8]) {
        add("evo-search", budget, 10 * budget, 0.6 + evoGain + jitter);
        add("particles", budget, 10 * budget, 0.6 + jitter / 2);
      }
      rows.push({ kind: "moran", ...key, share: 1, i: 0.8 + jitter });
    }
  }
  return rows;
}

test("verdicts follow the rows: what is built in passes, what is not fails", () => {
  const verdict = (rows: readonly ClaimRow[], statement: string) =>
    judgeClaims(rows, { resamples: 100 }).find((one) => one.statement.startsWith(statement))!;
  const above = "evo-search above linear at equal NFE (reward)";
  expect(verdict(rowsOf(0.1), above)).toMatchObject({ verdict: "PASS", claim: 9 });
  expect(verdict(rowsOf(0.1), above).estimate).toBeCloseTo(0.1);
  expect(verdict(rowsOf(-0.1), above).verdict).toBe("FAIL");
  const tree = "Tree-of-Frames reaches the verifier score of linear search with 4 candidates";
  expect(verdict(rowsOf(0), tree)).toMatchObject({ verdict: "PASS", estimate: 0.5 });
  expect(verdict(rowsOf(0), "reward is clustered").verdict).toBe("PASS");
  const fewSeeds = rowsOf(0).filter((row) => row.seed < 3);
  expect(verdict(fewSeeds, "reward is clustered").verdict).toBe("INCONCLUSIVE");
  // A (prompt, seed) without its last row is left out.
  const torn = rowsOf(0).filter((row) => !(row.kind === "moran" && row.seed === 4));
  expect(verdict(torn, "reward is clustered").verdict).toBe("INCONCLUSIVE");
  // Rows that a killed run left twice count once.
  const twice = [...rowsOf(0.1).slice(0, 5), ...rowsOf(0.1)];
  expect(judgeClaims(twice, { resamples: 50 })).toEqual(judgeClaims(rowsOf(0.1), { resamples: 50 }));
  const mixed = rowsOf(0).map((row) => ({ ...row, weights: row.seed === 0 ? "one" : "other" }));
  expect(() => judgeClaims(mixed)).toThrow(
    "Cannot judge rows of different weights together: got one, other.",
  );
});

test("twenty prompts, the held-out ones first, each once", () => {
  const prompts = claimPrompts(20);
  expect(new Set(prompts).size).toBe(20);
  expect(prompts.slice(0, split.heldOut.length)).toEqual(split.heldOut);
  const all = claimPrompts(1_000);
  expect([...all].sort()).toEqual([...split.heldOut, ...split.train].sort());
  expect(claimPrompts(20, 20)).toEqual(all.slice(20, 40));
});

test.each([
  [["--seeds", "0"], "argument '0' is invalid. Give a whole number of at least 1."],
  [["--share", "3/2"], "argument '3/2' is invalid. Give a part and their number, such as 1/2."],
  [["--share", "half"], "argument 'half' is invalid. Give a part and their number, such as 1/2."],
  [
    ["--setting", "clip", "film"],
    "argument 'film' is invalid. Allowed choices are clip, picture, full clip,",
  ],
  [["--from", "-1"], "argument '-1' is invalid. Give a whole number of at least 0."],
  [["--seed", "3"], "unknown option '--seed'"],
])("the command line refuses %j and says what it takes", async (options, message) => {
  const said: string[] = [];
  const program = claimsProgram()
    .exitOverride()
    .configureOutput({ writeErr: (text) => said.push(text) });
  await expect(program.parseAsync(["node", "claims.js", ...options])).rejects.toThrow(message);
  expect(said.join("")).toContain("--first-seed <n>");
});

test("the command line takes a setting or a file of rows again and again, or several at once", async () => {
  for (const options of [
    ["--rows", "a", "b", "--setting", "picture 64", "full clip"],
    ["--rows", "a", "--rows", "b", "--setting", "picture 64", "--setting", "full clip"],
  ]) {
    const program = claimsProgram().action(() => {});
    await program.parseAsync(["node", "claims.js", ...options, "--share", "2/3"]);
    expect(program.opts()).toMatchObject({
      rows: ["a", "b"],
      setting: ["picture 64", "full clip"],
      share: { part: 2, of: 3 },
      seeds: 5,
      judge: false,
    });
  }
});
