/**
 * From rows to verdicts. Effects are means over prompts of means over seeds; intervals are hierarchical bootstraps of 95 %
 * (prompts, then seeds within them), paired wherever two methods are compared. Linear search's curve is the unbiased
 * expectation over all subsets of a pool, not one draw. The numbers of the claims are those of the two papers' list.
 */
import { decide, type Region, type Verdict } from "../../lab/claim.ts";
import { type Cell, hierarchicalBootstrap, type Interval } from "../../metrics/statistics/bootstrap.ts";
import { equalScoreRatio } from "../../metrics/statistics/equal-score.ts";
import { expectedChoice } from "../../metrics/statistics/summary.ts";
import { type ClaimRow, completeUnits, ensembleRanks, unitOf } from "./claim-rows.ts";

export interface ClaimVerdict {
  readonly setting: string;
  readonly claim: number;
  readonly statement: string;
  readonly verdict: Verdict;
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  readonly reason: string;
}

export interface JudgeOptions {
  readonly leastSeeds?: number;
  readonly resamples?: number;
}

/** Honest proxies; "vivid" is the one that can be hacked. */
const members = ["color", "shape", "motion", "smoothness", "sharpness"];

type State = (claim: number, statement: string, effect: Omit<Interval, "level">, holds: Region) => void;

/** The rows of one (prompt, seed). */
interface Unit {
  readonly prompt: string;
  readonly seed: number;
  readonly pool: readonly ClaimRow[];
  readonly searches: readonly ClaimRow[];
  readonly moran: readonly ClaimRow[];
}

/**
 * Verdicts over all rows that are complete, by setting; a claim whose rows are missing is left out.
 * @throws Error for rows of different weights
 */
export function judgeClaims(rows: readonly ClaimRow[], options: JudgeOptions = {}): ClaimVerdict[] {
  const weights = [...new Set(rows.map((row) => row["weights"]))];
  if (weights.length > 1) {
    throw new Error(
      `Cannot judge rows of different weights together: got ${weights.join(", ")}. Judge them one by one.`,
    );
  }
  const whole = completeUnits(rows);
  const settings = [...new Set(rows.map((row) => row.setting))];
  return settings.flatMap((setting) => {
    const own = rows.filter((row) => row.setting === setting && whole.has(unitOf(row)));
    return own.length > 0 ? judgeSetting(setting, unitsOf(own), options) : [];
  });
}

function judgeSetting(
  setting: string,
  units: readonly Unit[],
  { leastSeeds = 5, resamples = 2000 }: JudgeOptions,
): ClaimVerdict[] {
  const seeds = [...new Set(units.map((unit) => unit.seed))];
  const verdicts: ClaimVerdict[] = [];
  const state: State = (claim, statement, effect, holds) => {
    const { verdict, reason } = decide({ effect, holds, seeds, leastSeeds, test: "hierarchical bootstrap" });
    const { estimate, low, high } = effect;
    verdicts.push({ setting, claim, statement, verdict, estimate, low, high, reason });
  };
  const over = (value: (unit: Unit) => number): Interval =>
    hierarchicalBootstrap(
      units.map((unit): Cell => ({ prompt: unit.prompt, seed: unit.seed, value: value(unit) })),
      { resamples },
    );
  const { pool, searches } = units[0]!;
  const labels = new Set(searches.map((row) => row["strategy"] as string));
  if (pool[0]!["vivid"] !== undefined) judgeSelection(state, over, pool.length);
  if ([...labels].some((label) => label.startsWith("tree")))
    judgeTrees(state, over, units, labels, resamples);
  if (labels.has("evo-search")) judgeEvolution(state, over, pool.length, searches);
  for (const { share } of units[0]!.moran.map((row) => ({ share: row["share"] as number }))) {
    state(
      14,
      `reward is clustered over the states at ${percent(share)} of the way: Moran's I > 0.5`,
      over((unit) => unit.moran.find((row) => row["share"] === share)!["i"] as number),
      { atLeast: 0.5 },
    );
  }
  return verdicts;
}

type Over = (value: (unit: Unit) => number) => Interval;

const field = (rows: readonly ClaimRow[], name: string): number[] => rows.map((row) => row[name] as number);

/** Expected `name` of the best of `n` of the pool, chosen by `by`. */
function choice({ pool }: Unit, by: string, n: number, name = "total"): number {
  return expectedChoice(field(pool, by), field(pool, name), n);
}

/** Claims 1 and 4 to 7: what selection buys, by who selects. */
function judgeSelection(state: State, over: Over, n: number): void {
  const gain = (unit: Unit, from: number, to: number) =>
    choice(unit, "reward", to) - choice(unit, "reward", from);
  for (let from = 1; 2 * from <= n; from *= 2) {
    state(
      1,
      `best-of-N rises from ${from} to ${2 * from}`,
      over((unit) => gain(unit, from, 2 * from)),
      {
        atLeast: 0,
      },
    );
  }
  state(
    1,
    "and flattens: the last doubling gives less than the first",
    over((unit) => gain(unit, 1, 2) - gain(unit, n / 2, n)),
    { atLeast: 0 },
  );
  const gains = members.map((member) => ({ member, mean: over((unit) => choice(unit, member, n)).estimate }));
  const proxy = gains.reduce((best, one) => (one.mean > best.mean ? one : best)).member;
  const byEnsemble = (unit: Unit) =>
    expectedChoice(ensembleRanks(unit.pool, members), field(unit.pool, "total"), n);
  state(
    4,
    `the ensemble of ${members.length} proxies is at least the best of them (${proxy}) at N = ${n}`,
    over((unit) => byEnsemble(unit) - choice(unit, proxy, n)),
    { atLeast: 0 },
  );
  state(
    5,
    `the oracle gains more over the best proxy (${proxy}) than that gains over N = 1`,
    over((unit) => choice(unit, "total", n) - 2 * choice(unit, proxy, n) + choice(unit, "total", 1)),
    { atLeast: 0 },
  );
  const relative = (name: string) => {
    const base = over((unit) => choice(unit, "reward", 1, name)).estimate;
    const gained = (unit: Unit) => choice(unit, "reward", n, name) - choice(unit, "reward", 1, name);
    return (unit: Unit) => (base > 0 ? gained(unit) / base : 0);
  };
  const [content, temporal] = [relative("content"), relative("temporal")];
  state(
    6,
    `content dimensions gain at least five times what temporal ones do (${percent(over(content).estimate)} against ${percent(over(temporal).estimate)}; the difference of the one and five times the other)`,
    over((unit) => content(unit) - 5 * temporal(unit)),
    { atLeast: 0 },
  );
  state(
    7,
    "a hackable proxy over-optimises: the true score of its choice falls from N = 3 on",
    over((unit) => choice(unit, "vivid", n) - choice(unit, "vivid", 3)),
    { atMost: 0 },
  );
}

/** Claims 2 and 3: trees against linear search. */
function judgeTrees(
  state: State,
  over: Over,
  units: readonly Unit[],
  labels: ReadonlySet<string>,
  resamples: number,
): void {
  const trees = [...labels].filter((label) => label.startsWith("tree"));
  const n = units[0]!.pool.length;
  const of = (unit: Unit, label: string) => unit.searches.find((row) => row["strategy"] === label)!;
  for (const [name, what] of [
    ["reward", "verifier score"],
    ["total", "true score"],
  ] as const) {
    const keyOf = (unit: Unit) => ({ unit: `${unit.seed} ${unit.prompt}`, group: unit.prompt });
    const method = units.flatMap((unit) =>
      trees.map((label) => {
        const row = of(unit, label);
        return { ...keyOf(unit), budget: label, nfe: row["nfe"] as number, score: row[name] as number };
      }),
    );
    const baseline = units.flatMap((unit) =>
      Array.from({ length: n }, (_, i) => ({
        ...keyOf(unit),
        budget: i + 1,
        nfe: (i + 1) * (unit.pool[0]!["nfe"] as number),
        score: choice(unit, "reward", i + 1, name),
      })),
    );
    for (const atBudget of [n, n / 2, n / 4]) {
      state(
        2,
        `Tree-of-Frames reaches the ${what} of linear search with ${atBudget} candidates at <= 0.6 of its NFE`,
        equalScoreRatio(method, baseline, { resamples, atBudget }),
        { atMost: 0.6 },
      );
    }
    for (const label of trees) {
      const cost = over((unit) => (of(unit, label)["nfe"] as number) / (unit.pool[0]!["nfe"] as number));
      state(
        3,
        `Tree-of-Frames is at least linear search at the NFE of ${cost.estimate.toFixed(2)} candidates (${what})`,
        over((unit) => {
          const row = of(unit, label);
          const count = (row["nfe"] as number) / (unit.pool[0]!["nfe"] as number);
          const below = Math.floor(count);
          const low = choice(unit, "reward", below, name);
          const high = choice(unit, "reward", Math.min(n, below + 1), name);
          return (row[name] as number) - (low + (count - below) * (high - low));
        }),
        { atLeast: 0 },
      );
    }
  }
}

/** Claims 9, 10, 12, 13 and 17: EvoSearch, particles and best-of-N at equal NFE. */
function judgeEvolution(state: State, over: Over, n: number, searches: readonly ClaimRow[]): void {
  const labels = new Set(searches.map((row) => row["strategy"]));
  const knowsSamples = searches.every((row) => row["sampleDiversity"] !== undefined);
  const of = (unit: Unit, strategy: string, budget: number) =>
    unit.searches.find((row) => row["strategy"] === strategy && row["budget"] === budget)!;
  const difference = (a: string, b: string, name: string) =>
    over((unit) => (of(unit, a, n)[name] as number) - (of(unit, b, n)[name] as number));
  const atLeast = { atLeast: 0 };
  for (const [a, b] of [
    ["evo-search", "particles"],
    ["particles", "linear"],
    ["evo-search", "linear"],
  ] as const) {
    state(9, `${a} above ${b} at equal NFE (reward)`, difference(a, b, "reward"), atLeast);
    state(
      9,
      `${a} above ${b} at equal NFE (mean reward of the best four)`,
      difference(a, b, "topReward"),
      atLeast,
    );
    state(9, `${a} above ${b} at equal NFE (true score)`, difference(a, b, "total"), atLeast);
  }
  if (labels.has("evo euler")) {
    for (const other of ["linear euler", "particles"]) {
      const against = `${other} at equal NFE, each with its solver`;
      state(9, `evo euler above ${against} (reward)`, difference("evo euler", other, "reward"), atLeast);
      state(9, `evo euler above ${against} (true score)`, difference("evo euler", other, "total"), atLeast);
      const statement = `the best four of evo euler are at least as different as those of ${other}`;
      state(10, statement, difference("evo euler", other, "diversity"), atLeast);
    }
  }
  for (const other of ["linear", "particles"]) {
    const statement = `the best four of evo-search are at least as different as those of ${other}`;
    state(10, statement, difference("evo-search", other, "diversity"), atLeast);
    if (!knowsSamples) continue;
    const whole = `the whole sample of evo-search is at least as different as that of ${other}`;
    state(10, whole, difference("evo-search", other, "sampleDiversity"), atLeast);
  }
  for (const other of ["linear", "particles"]) {
    const statement = `held-out score: evo-search at least ${other}`;
    state(12, statement, difference("evo-search", other, "heldOut"), atLeast);
  }
  if (labels.has("evo k_start 2")) {
    const at = (unit: Unit, variants: readonly string[]) =>
      variance(variants.map((label) => of(unit, label, n)["reward"] as number));
    state(
      13,
      "k_start matters more than the schedule (variance of the reward)",
      over(
        (unit) =>
          at(unit, ["evo-search", "evo k_start 0.5", "evo k_start 2"]) -
          at(unit, ["evo-search", "evo schedule early", "evo schedule late"]),
      ),
      atLeast,
    );
    state(
      13,
      "a small k_start is worse",
      over(
        (unit) =>
          ((of(unit, "evo-search", n)["reward"] as number) +
            (of(unit, "evo k_start 2", n)["reward"] as number)) /
            2 -
          (of(unit, "evo k_start 0.5", n)["reward"] as number),
      ),
      atLeast,
    );
  }
  if (!searches.some((row) => row["budget"] === n / 2)) return;
  const growth = (unit: Unit, strategy: string) =>
    (of(unit, strategy, n)["reward"] as number) - (of(unit, strategy, n / 2)["reward"] as number);
  state(
    17,
    `evo-search still improves from ${n / 2} to ${n} candidates' worth of NFE`,
    over((unit) => growth(unit, "evo-search")),
    atLeast,
  );
  state(
    17,
    "and by more than best-of-N does",
    over(
      (unit) =>
        growth(unit, "evo-search") -
        (choice(unit, "reward", n, "reward") - choice(unit, "reward", n / 2, "reward")),
    ),
    atLeast,
  );
  state(
    17,
    "and by more than particles do",
    over((unit) => growth(unit, "evo-search") - growth(unit, "particles")),
    atLeast,
  );
}

function unitsOf(rows: readonly ClaimRow[]): Unit[] {
  const found = new Map<string, ClaimRow[]>();
  // A unit that a kill cut short and that was then measured anew has some of its rows twice.
  const same = ["candidate", "strategy", "budget", "share"];
  const once = new Map(
    rows.map((row) => [`${row.kind} ${unitOf(row)} ${same.map((field) => row[field]).join(" ")}`, row]),
  );
  for (const row of once.values()) {
    const unit = unitOf(row);
    const known = found.get(unit);
    if (known) known.push(row);
    else found.set(unit, [row]);
  }
  return [...found.values()].map((some) => ({
    prompt: some[0]!.prompt,
    seed: some[0]!.seed,
    pool: some.filter((row) => row.kind === "pool"),
    searches: some.filter((row) => row.kind === "search"),
    moran: some.filter((row) => row.kind === "moran"),
  }));
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
