/**
 * Runs a strategy: counts, budgets, journals, survives failing verifiers, keeps the best, and turns the whole into
 * rows. The strategy itself sees none of this (src/search/strategy.ts).
 */
import { type Account, cellAccount } from "../diffusion/account.ts";
import { type Cost, spent } from "../diffusion/nfe.ts";
import { rng } from "../tensor/rng.ts";
import type { Stage, Verifier } from "../verify/verifier.ts";
import type { Video } from "../video/video.ts";
import { checkBudget } from "./budget.ts";
import { type Candidate, candidateKey, comparePositions, type Position } from "./candidate.ts";
import { compared, competition, type SearchRow } from "./competition.ts";
import {
  type AdvanceRecord,
  advanced,
  advanceRecord,
  closedRecords,
  type JournalRecord,
  type ScoreRecord,
  type SearchIdentity,
} from "./journal.ts";
import { judge, type Verdict } from "./judge.ts";
import type { SearchSpace } from "./space.ts";
import {
  endOf,
  type Origin,
  type Scored,
  type ScoreOptions,
  type SearchContext,
  type SearchEvent,
  type SearchStrategy,
  type Stamped,
} from "./strategy.ts";

export interface SearchOptions {
  readonly verifier: Verifier;
  /** Default 0. */
  readonly seed?: number;
  /** Default: no limit. */
  readonly maxNfe?: number;
  readonly signal?: AbortSignal;
  /** Records of an interrupted search of the same strategy, space and seed. */
  readonly resume?: readonly JournalRecord[];
  /** Called with each record as it is made: append it to a file, and the search can be resumed. */
  readonly onRecord?: (record: JournalRecord) => void;
  /**
   * Gets the rows of the finished search under "search" and is charged with what was spent, also where the search was
   * stopped: a run of the store. Without it a notebook cell charges the notebook's open run.
   */
  readonly run?: Account & { append?(kind: string, rows: readonly SearchRow[]): void };
  /** Called with each event: live charts and trees. */
  readonly onEvent?: (event: Stamped) => void;
}

export interface SearchOutcome {
  readonly best: Scored & { readonly video: Video };
  /** All finished candidates with their scores, in the order in which they were judged. */
  readonly finished: readonly Scored[];
  /** The method's sample, repeats included: what diversity and coverage are measured on. */
  readonly population: readonly Scored[];
  readonly events: readonly Stamped[];
  /** Best so far against NFE (the anytime curve); the last row is the result's. */
  readonly rows: readonly SearchRow[];
  readonly cost: Cost;
  /** Verdicts that were NaN or thrown. */
  readonly failures: number;
}

const noCost: Cost = { nfe: 0, calls: 0, forwards: 0, cacheWrites: 0, verifierCalls: 0, seconds: 0 };

/**
 * @throws BudgetError when `maxNfe` cannot hold the strategy's first generation
 * @throws Error when no finished candidate could be judged, with the first failure in the message
 * @example const { best } = await search(space, treeOfFrames({ roots: 8, keep: "median" }), { verifier: oracle() });
 */
export async function search(
  space: SearchSpace,
  strategy: SearchStrategy,
  options: SearchOptions,
): Promise<SearchOutcome> {
  const {
    verifier,
    seed = 0,
    maxNfe = Number.POSITIVE_INFINITY,
    signal,
    resume,
    onRecord,
    onEvent,
  } = options;
  const account = options.run ?? cellAccount();
  checkBudget(strategy.name, strategy.firstCost(space), maxNfe);

  const identity: SearchIdentity = {
    kind: "search",
    strategy: strategy.name,
    options: strategy.options,
    space: space.name,
    prompt: space.prompt,
    seed,
  };
  const memory = remembered(identity, resume);
  if (!resume) onRecord?.(identity);

  const events: Stamped[] = [];
  const race = competition({ strategy: strategy.name, prompt: space.prompt, seed }, verifier);
  let total = noCost;
  /** Of `total`, what the journal remembers: the rest is spent now. */
  let recalled = noCost;
  let failures = 0;

  /** Where an event comes about: to yield it through a strategy's generators would cost a dozen turns of the job queue. */
  const happened = (event: SearchEvent): void => {
    signal?.throwIfAborted();
    const stamped = Object.freeze({ ...event, nfe: total.nfe, seconds: total.seconds });
    events.push(stamped);
    onEvent?.(stamped);
  };

  /**
   * Work in slices, so that little is lost when the search is killed; the last record of a slice closes it. What the
   * journal knows already is made of its records by `recall`, what is new by `compute`; one value per item, in order.
   */
  async function sliced<T, V, R extends AdvanceRecord | ScoreRecord>(
    items: readonly T[],
    keyOf: (item: T) => string,
    recall: (item: T, record: R) => V,
    compute: (items: readonly T[]) => Promise<{
      readonly values: readonly V[];
      readonly cost: Cost;
      readonly records: () => readonly R[];
      readonly event?: SearchEvent;
    }>,
  ): Promise<readonly V[]> {
    const values = new Array<V>(items.length);
    /** Where the missing items are; undefined: all are. */
    let places: number[] | undefined;
    if (memory.size > 0) {
      places = [];
      for (const [i, item] of items.entries()) {
        const known = memory.get(keyOf(item)) as R | undefined;
        if (known) values[i] = recall(item, known);
        else places.push(i);
        if (!known?.cost) continue;
        total = addCost(total, known.cost);
        recalled = addCost(recalled, known.cost);
      }
    }
    const missing = places ? places.map((i) => items[i]!) : items;
    for (let start = 0; start < missing.length; start += space.batchSize) {
      signal?.throwIfAborted();
      const made = await compute(missing.slice(start, start + space.batchSize));
      for (let i = 0; i < made.values.length; i++) {
        values[places ? places[start + i]! : start + i] = made.values[i]!;
      }
      total = addCost(total, made.cost);
      if (onRecord) {
        const records = made.records();
        for (const [i, record] of records.entries())
          onRecord(i === records.length - 1 ? { ...record, cost: made.cost } : record);
      }
      if (made.event) happened(made.event);
    }
    return values;
  }

  async function advance(candidates: readonly Candidate[], to: Position): Promise<readonly Candidate[]> {
    const target = `${to.chunk}.${to.step}`;
    const ahead = candidates.filter((candidate) => comparePositions(candidate, to) < 0);
    const keyOf = (candidate: Candidate): string => `${candidateKey(candidate)} -> ${target}`;
    const compute = async (slice: readonly Candidate[]) => {
      const before = space.cost();
      const values = await space.advance(slice, to, signal ? { signal } : {});
      const records = () => values.map((after, i) => advanceRecord(slice[i]!, after, target));
      const event = { type: "advanced" as const, lineages: slice.map(({ lineage }) => lineage), ...to };
      return { values, cost: spent(before, space.cost()), records, event };
    };
    const done = await sliced(ahead, keyOf, advanced, compute);
    if (ahead.length === candidates.length) return done;
    let next = 0;
    return candidates.map((candidate) => (comparePositions(candidate, to) < 0 ? done[next++]! : candidate));
  }

  async function score(
    candidates: readonly Candidate[],
    stage: Stage,
    { preview = false, by = verifier }: ScoreOptions = {},
  ): Promise<readonly Scored[]> {
    const keyOf = (candidate: Candidate): string =>
      `${candidateKey(candidate)} ${preview ? "preview" : "video"} ${stage} by ${by.name}`;
    const recall = (_: Candidate, record: ScoreRecord): Verdict => record;
    const compute = async (slice: readonly Candidate[]) => {
      const started = performance.now();
      const videos = await (preview ? space.preview(slice) : space.decode(slice));
      const values = await judge(by, videos, space.prompt, stage, signal);
      const records = () =>
        values.map((verdict, i): ScoreRecord => ({ kind: "score", key: keyOf(slice[i]!), ...verdict }));
      const verifierCalls = slice.length * (by.ensemble?.members.length ?? 1);
      const seconds = (performance.now() - started) / 1000;
      return { values, cost: { ...noCost, verifierCalls, seconds }, records };
    };
    const verdicts = await sliced(candidates, keyOf, recall, compute);
    const judged = verdicts.map(({ score, parts, failure }, i): Scored => {
      if (failure !== undefined) failures++;
      return {
        candidate: candidates[i]!,
        score: score ?? -Infinity,
        ...(parts && { parts: parts.map((part) => part ?? Number.NaN) }),
        ...(failure !== undefined && { failure }),
      };
    });
    const scored = by.ensemble ? compared(by, judged).map((score, i) => ({ ...judged[i]!, score })) : judged;
    for (const { candidate, score, failure } of scored) {
      const { lineage, chunk, step } = candidate;
      happened({
        type: "scored",
        lineage,
        stage,
        score,
        chunk,
        step,
        ...(failure !== undefined && { failure }),
      });
    }
    if (stage !== "end" || by !== verifier || preview) return scored;
    const end = endOf(space);
    if (!candidates.every((candidate) => comparePositions(candidate, end) >= 0)) return scored;
    const before = race.best();
    race.enter(scored, total, failures);
    const best = race.best();
    if (best !== undefined && best !== before) {
      happened({
        type: "best",
        lineage: race.finished[best]!.candidate.lineage,
        score: race.rows.at(-1)!.score,
      });
    }
    return scored;
  }

  const context: SearchContext = {
    space,
    seed,
    rng: rng(seed).at("search"),
    remaining: () => maxNfe - total.nfe,

    born: (candidates, origin: Origin) =>
      quietly(async () => {
        for (const { lineage, chunk, step } of candidates) {
          const parent = lineage.length > 1 ? { parent: lineage.slice(0, -1) } : {};
          happened({ type: "born", lineage, ...parent, origin, chunk, step });
        }
        return candidates;
      }),

    advance: (candidates, to: Position) => quietly(() => advance(candidates, to)),
    compare: (scored) => compared(verifier, scored),

    score: (candidates, stage, options) => quietly(() => score(candidates, stage, options)),
  };

  try {
    for await (const event of strategy.run(context)) happened(event);
  } finally {
    account?.spend?.(spent(recalled, total), "search");
  }
  space.keep([]);
  const finished = race.final();
  const best = race.best();
  if (best === undefined) {
    const reason = finished.find((one) => one.failure)?.failure ?? "no candidate was finished";
    throw new Error(
      `Cannot choose a video as none of ${finished.length} finished candidates could be judged by ${verifier.name}: ${sentence(reason)} Check the verifier on one clip first.`,
    );
  }
  const [winner] = await space.decode([finished[best]!.candidate]);
  options.run?.append?.("search", race.rows);
  return Object.freeze({
    best: { ...finished[best]!, video: winner! },
    finished,
    population: delivered(events, finished),
    events,
    rows: race.rows,
    cost: total,
    failures,
  });
}

/** Work whose events are told where they come about, as a generator for strategies. */
// biome-ignore lint/correctness/useYield: see above
async function* quietly<T>(work: () => Promise<T>): AsyncGenerator<SearchEvent, T> {
  return work();
}

/** With a full stop, whether it came with one or not. */
function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** The sample that the strategy named last, or all that was finished. */
function delivered(events: readonly Stamped[], finished: readonly Scored[]): readonly Scored[] {
  const named = events.findLast((event) => event.type === "population");
  if (named?.type !== "population") return finished;
  const byLineage = new Map(finished.map((one) => [one.candidate.lineage.join("."), one]));
  return named.lineages.map((lineage) => byLineage.get(lineage.join("."))!);
}

/** Answers of an earlier, interrupted run of the same search. */
function remembered(
  identity: SearchIdentity,
  resume: readonly JournalRecord[] | undefined,
): Map<string, AdvanceRecord | ScoreRecord> {
  const answers = new Map<string, AdvanceRecord | ScoreRecord>();
  if (!resume) return answers;
  if (JSON.stringify(resume[0]) !== JSON.stringify(identity)) {
    throw new Error(
      `Cannot resume as the journal is of another search: it has ${JSON.stringify(resume[0])}, this one is ${JSON.stringify(identity)}. Start without "resume".`,
    );
  }
  for (const record of closedRecords(resume)) if (record.kind !== "search") answers.set(record.key, record);
  return answers;
}

function addCost(a: Cost, b: Cost): Cost {
  return {
    nfe: a.nfe + b.nfe,
    calls: a.calls + b.calls,
    forwards: a.forwards + b.forwards,
    cacheWrites: a.cacheWrites + b.cacheWrites,
    verifierCalls: a.verifierCalls + b.verifierCalls,
    seconds: a.seconds + b.seconds,
  };
}
