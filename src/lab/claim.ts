/**
 * Claims as code: a sentence, the interval that decides it, and what it rests on. The verdict follows from the numbers:
 *
 *   PASS          the whole interval lies where the claim says (and the corrected p, where given, is at most alpha)
 *   FAIL          the whole interval lies elsewhere
 *   INCONCLUSIVE  it straddles the boundary, or rests on fewer than five seeds, or on runs that were not found
 *
 * A claim that fails is a result, and is stored like one that passes.
 */
import type { Interval } from "../metrics/statistics/bootstrap.ts";
import type { Row } from "../plot/row.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import { runsRoot } from "./root.ts";
import { attachRun, openRun, type Run } from "./run.ts";
import { runIds } from "./run-files.ts";
import { escapeHtml } from "./table.ts";

export type Verdict = "PASS" | "FAIL" | "INCONCLUSIVE";

/** Where the effect must lie for the claim to hold. */
export interface Region {
  /** Effect at most this. */
  readonly atMost?: number;
  /** Effect at least this. */
  readonly atLeast?: number;
}

export interface ClaimOptions {
  /** The effect with its interval, as the statistics return it. */
  readonly effect: Interval | { readonly estimate: number; readonly low: number; readonly high: number };
  /** Where the effect must lie. */
  readonly holds: Region;
  /** What was computed, e.g. "equal-score NFE ratio, bootstrap over seeds". */
  readonly test: string;
  /** Seeds behind the numbers: fewer than `leastSeeds` cannot decide a statistical claim. */
  readonly seeds: readonly number[];
  /** Five unless the claim is exact, where one is enough. */
  readonly leastSeeds?: number;
  /** p-value after correction; PASS needs it at most alpha. */
  readonly p?: number;
  readonly alpha?: number;
  /** e.g. "Holm over 6 comparisons"; "none" by default. */
  readonly correction?: string;
  /** Runs the numbers come from; the claim is stored in the last one (without any: in the run "claims"). */
  readonly runs?: readonly Run[];
  /** What we think is the cause, where it fails. */
  readonly note?: string;
  readonly root?: string;
}

export interface Claim {
  readonly statement: string;
  readonly verdict: Verdict;
  /** Why this verdict, in one sentence. */
  readonly reason: string;
  readonly estimate: number;
  readonly low: number;
  readonly high: number;
  readonly holds: string;
  readonly test: string;
  readonly correction: string;
  readonly p: number | null;
  readonly seeds: readonly number[];
  readonly runs: readonly string[];
  readonly note: string;
  /** Of all of the above, so that a claim edited by hand is found out. */
  readonly hash: string;
  [key: symbol]: () => Record<string, string | object>;
}

/**
 * @example
 * await claim("Tree-of-Frames reaches linear search's score at <= 0.6 of its NFE", {
 *   effect: statistics.equalScoreRatio(tof, linear), holds: { atMost: 0.6 },
 *   test: "equal-score NFE ratio, bootstrap over seeds", seeds, runs: [run],
 * });
 */
export async function claim(statement: string, options: ClaimOptions): Promise<Claim> {
  const { effect, holds, test, seeds, runs = [], correction = "none", note = "", p } = options;
  const { verdict, reason } = decide(options);
  const fields = {
    statement,
    verdict,
    reason,
    estimate: effect.estimate,
    low: effect.low,
    high: effect.high,
    holds: regionText(holds),
    test,
    correction,
    p: p ?? null,
    seeds,
    runs: runs.map((run) => run.id),
    note,
  };
  const made = present({ ...fields, hash: claimHash(fields) });
  const home =
    runs.at(-1) ?? (await openRun("claims", undefined, { ...(options.root ? { root: options.root } : {}) }));
  home.append("@claims", toRow(made));
  return made;
}

export function claimHash(fields: object): string {
  const { hash: _, ...rest } = fields as { hash?: string };
  return sha256(canonicalJson(rest));
}

export function decide(options: ClaimOptions): { verdict: Verdict; reason: string } {
  const { effect, holds, seeds, p, alpha = 0.05, leastSeeds = 5 } = options;
  const { estimate, low, high } = effect;
  if (holds.atMost === undefined && holds.atLeast === undefined) {
    throw new TypeError(
      "Cannot decide a claim that holds nowhere in particular. Give holds: { atMost } or { atLeast }.",
    );
  }
  if (low > high)
    throw new RangeError(`Cannot decide a claim on the interval [${low}, ${high}]: its ends are swapped.`);
  if ([estimate, low, high].some(Number.isNaN)) {
    return { verdict: "INCONCLUSIVE", reason: "The effect or its interval is not a number." };
  }
  const distinct = new Set(seeds).size;
  if (distinct < leastSeeds) {
    return { verdict: "INCONCLUSIVE", reason: `${distinct} seeds; at least ${leastSeeds} are needed.` };
  }
  const bottom = holds.atLeast ?? Number.NEGATIVE_INFINITY;
  const top = holds.atMost ?? Number.POSITIVE_INFINITY;
  const where = `[${short(low)}, ${short(high)}]`;
  if (high < bottom || low > top) {
    return { verdict: "FAIL", reason: `The interval ${where} lies outside ${regionText(holds)}.` };
  }
  if (low >= bottom && high <= top) {
    if (p !== undefined && !(p <= alpha)) {
      return { verdict: "INCONCLUSIVE", reason: `p = ${short(p)} after correction is above ${alpha}.` };
    }
    return { verdict: "PASS", reason: `The interval ${where} lies within ${regionText(holds)}.` };
  }
  return {
    verdict: "INCONCLUSIVE",
    reason: `The interval ${where} straddles the boundary of ${regionText(holds)}.`,
  };
}

function regionText({ atLeast, atMost }: Region): string {
  if (atLeast !== undefined && atMost !== undefined) return `[${atLeast}, ${atMost}]`;
  return atMost !== undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
}

const short = (value: number) => Number(value.toPrecision(3)).toString();

function toRow(made: Claim): Row {
  const { seeds, runs, ...rest } = made;
  const plain = Object.fromEntries(Object.entries(rest).filter(([, value]) => typeof value !== "function"));
  return { ...plain, seeds: JSON.stringify(seeds), runs: JSON.stringify(runs) } as Row;
}

function fromRow(row: Row): Claim {
  return present({
    ...(row as unknown as Omit<Claim, "seeds" | "runs">),
    seeds: JSON.parse(String(row["seeds"] ?? "[]")) as number[],
    runs: JSON.parse(String(row["runs"] ?? "[]")) as string[],
  } as Omit<Claim, symbol>);
}

function present(fields: Omit<Claim, symbol>): Claim {
  return Object.freeze({ ...fields, [Symbol.for("Jupyter.display")]: () => bundle(fields) }) as Claim;
}

const colors: Readonly<Record<Verdict, string>> = {
  PASS: "#009E73",
  FAIL: "#D55E00",
  INCONCLUSIVE: "#808080",
};

function bundle(made: Omit<Claim, symbol>): Record<string, string | object> {
  const numbers = `${short(made.estimate)} [${short(made.low)}, ${short(made.high)}], holds if ${made.holds}`;
  const basis = `${made.test}; ${new Set(made.seeds).size} seeds; correction: ${made.correction}`;
  const html =
    `<div style="border-left:4px solid ${colors[made.verdict]};padding:.35em .9em;margin:.4em 0">` +
    `<b style="color:${colors[made.verdict]}">${made.verdict}</b> ${escapeHtml(made.statement)}` +
    `<div style="opacity:.75;font-size:90%">${escapeHtml(numbers)}. ${escapeHtml(basis)}.${made.verdict === "PASS" ? "" : ` ${escapeHtml(made.reason)}`}</div></div>`;
  return {
    // Reports and `verify` read this; notebooks pass over it.
    "application/vnd.zoetrope.claim+json": JSON.parse(canonicalJson(made)) as object,
    "text/html": html,
    "text/plain": `${made.verdict}  ${made.statement}\n      ${numbers}. ${basis}. ${made.reason}`,
  };
}

export interface ListedClaim extends Claim {
  /** The run that holds it. */
  readonly run: string;
  /** How often it was decided before, in this run. */
  readonly revision: number;
  /** False where the stored fields do not match the stored hash: someone edited them. */
  readonly isIntact: boolean;
}

/** All claims of all runs: the newest decision of each statement in each run. */
export function listClaims(options: { root?: string; run?: string } = {}): ListedClaim[] {
  const root = runsRoot(options.root);
  const ids = options.run === undefined ? runIds(root) : [options.run];
  return ids.flatMap((id) => {
    let rows: readonly Row[];
    try {
      rows = attachRun(id, { root }).rows("@claims");
    } catch (error) {
      // A damaged run must not hide the claims of the others.
      if (options.run !== undefined) throw error;
      return [];
    }
    const newest = new Map<string, { made: Claim; revision: number }>();
    for (const row of rows) {
      const made = fromRow(row);
      newest.set(made.statement, { made, revision: (newest.get(made.statement)?.revision ?? 0) + 1 });
    }
    return [...newest.values()].map(({ made, revision }) => {
      const fields = Object.fromEntries(
        Object.entries(made).filter(([, value]) => typeof value !== "function"),
      );
      return Object.freeze({ ...made, run: id, revision, isIntact: claimHash(fields) === made.hash });
    });
  });
}
