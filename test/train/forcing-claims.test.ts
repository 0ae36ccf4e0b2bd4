import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRun, type Run } from "../../src/lab/run.ts";
import { rng } from "../../src/tensor/rng.ts";
import { judgeForcings } from "../../src/train/experiments/forcing-claims.ts";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "zoetrope-claims-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Rollouts whose thirds score what `thirds` says, give or take a hundredth. */
function record(
  run: Run,
  arm: string,
  thirds: readonly number[],
  { history = "window 7", seeds = [0, 1, 2] } = {},
) {
  for (const seed of seeds) {
    const noise = rng(seed).at(arm, history).uniform(18, -0.01, 0.01);
    const rows = ["a", "b", "c"].flatMap((prompt, p) =>
      [0, 1].flatMap((rollout) =>
        thirds.map((score, third) => {
          const worldScore = score + noise[6 * p + 3 * rollout + third]!;
          return { arm, history, seed, prompt, rollout, third, worldScore, right: 0, lostObjectRate: 0 };
        }),
      ),
    );
    run.append("rollout", rows);
  }
}

const verdicts = async (run: Run) =>
  Object.fromEntries((await judgeForcings(run)).map(({ statement, verdict }) => [statement, verdict]));

describe("the verdicts on forcings", () => {
  test("follow what the rollouts show, and are kept in the run", async () => {
    const run = await openRun("forcing-claims", { seed: 0 }, { root });
    record(run, "teacher-forcing", [0.9, 0.7, 0.5]);
    record(run, "resampling-forcing", [0.9, 0.9, 0.88]);
    record(run, "parallel-resampling", [0.9, 0.85, 0.8]);
    record(run, "noise-augmentation", [0.9, 0.9, 0.85]);
    record(run, "resampling-forcing", [0.9, 0.88, 0.87], { history: "routing 5" });
    record(run, "resampling-forcing", [0.9, 0.7, 0.5], { history: "routing 1" });
    record(run, "resampling-forcing", [0.9, 0.7, 0.6], { history: "window 1" });
    const found = await verdicts(run);
    expect(found).toMatchObject({
      "18: teacher forcing decays from the first third to the last": "PASS",
      "18: resampling forcing loses less than half of what teacher forcing loses": "PASS",
      "19: autoregressive above parallel resampling in the last third": "PASS",
      "19: parallel resampling above noise augmentation in the last third": "FAIL",
      "21: routing to 5 chunks is at most 0.03 below the window of 7": "PASS",
      "21: routing to 1 chunk above a window of 1": "FAIL",
    });
    // Arms that were not measured are not judged.
    expect(Object.keys(found).filter((statement) => /^2[04]:/.test(statement))).toEqual([]);
    expect(run.rows("@claims")).toHaveLength(Object.keys(found).length);
  });

  test("rest on three seeds or stay open; seeds that one arm lacks do not count", async () => {
    const run = await openRun("forcing-claims", { seed: 0 }, { root });
    record(run, "teacher-forcing", [0.9, 0.7, 0.5]);
    record(run, "resampling-forcing", [0.9, 0.9, 0.9], { seeds: [0, 1] });
    const late = (await judgeForcings(run)).find(({ statement }) => statement.startsWith("19:"))!;
    expect(late.verdict).toBe("INCONCLUSIVE");
    expect(late.seeds).toEqual([0, 1]);
    expect(late.estimate).toBeCloseTo(0.4, 1);
  });

  test("time a step against teacher forcing's, and routing against chance", async () => {
    const run = await openRun("forcing-claims", { seed: 0 }, { root });
    record(run, "teacher-forcing", [0.9, 0.9, 0.9]);
    record(run, "resampling-forcing", [0.9, 0.9, 0.9]);
    for (const seed of [0, 1, 2]) {
      const step = (stage: string, secondsPerStep: number) =>
        run.append("train", { stage: `${stage}, seed ${seed}`, secondsPerStep });
      step("teacher-forcing", 0.2 + 0.01 * seed);
      step("resampling-forcing", 0.34);
      run.append("routing", { seed, first: 0.05 + 0.001 * seed, newest: 0.4 + 0.01 * seed, chance: 0.15 });
    }
    expect(await verdicts(run)).toMatchObject({
      "23: a step of resampling forcing costs at most three of teacher forcing": "PASS",
      "22: the first chunk is picked more often than by chance": "FAIL",
      "22: the newest chunk is picked more often than by chance": "PASS",
    });
  });
});
