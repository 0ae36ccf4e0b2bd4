/**
 * What search buys: strategies at several budgets over prompts and seeds, one row a result. The verifier that selects
 * and the metric that is reported stand side by side in every row; where they are the same, the row says so.
 */
import type { Row } from "../plot/row.ts";
import { type SearchOutcome, search } from "../search/search.ts";
import type { SearchSpace } from "../search/space.ts";
import type { SearchStrategy } from "../search/strategy.ts";
import type { Verifier } from "../verify/verifier.ts";
import type { Video } from "../video/video.ts";
import type { Run } from "./run.ts";

/** What is reported of a video. */
export interface ReportedMetric {
  readonly name: string;
  /** "world", "vbench", ...: where the number comes from. */
  readonly source: string;
  measure(video: Video, prompt: string): number | Promise<number>;
}

/** One line of the study: a strategy, and the finished candidates after which its best so far is reported too. */
export interface Contender {
  readonly strategy: SearchStrategy;
  /** What the row calls it; default the strategy's name. */
  readonly label?: string;
  /** Size of the budget in whole samples: groups the points of a curve. */
  readonly n: number;
  /** Earlier points of the same search, in finished candidates (linear search: best of 1, 2, 4, ... in one run). */
  readonly at?: readonly number[];
  readonly maxNfe?: number;
}

export interface ScalingStudyOptions {
  /** The space for a prompt. */
  readonly space: (prompt: string) => SearchSpace;
  readonly prompts: readonly string[];
  readonly seeds: readonly number[];
  readonly contenders: readonly Contender[];
  readonly verifier: Verifier;
  readonly metric: ReportedMetric;
  /** Rows are appended here under "search", and costs are booked. */
  readonly run?: Run;
  readonly signal?: AbortSignal | undefined;
}

export interface ScalingRow extends Row {
  readonly strategy: string;
  readonly n: number;
  readonly prompt: string;
  readonly seed: number;
  readonly nfe: number;
  readonly calls: number;
  /** The reported metric of the video that the search returns. */
  readonly score: number;
  readonly metric: string;
  readonly source: string;
  readonly verifier: string;
  readonly verifierScore: number;
  readonly verifierCalls: number;
  readonly failures: number;
  readonly seconds: number;
  /** Whether the metric is the selecting verifier itself. */
  readonly isSelfScored: boolean;
}

/** A row and the video it speaks of. */
export interface ScalingResult {
  readonly row: ScalingRow;
  readonly video: Video;
}

/**
 * Yields results as they are found: seed by seed, so that every prefix of the rows compares all contenders.
 * @throws RangeError for an empty list of prompts, seeds or contenders.
 */
export async function* scalingStudy(
  options: ScalingStudyOptions,
): AsyncGenerator<ScalingResult, void, undefined> {
  const { space, prompts, seeds, contenders, verifier, run, signal } = options;
  for (const [name, list] of Object.entries({ prompts, seeds, contenders })) {
    if (list.length === 0) throw new RangeError(`Cannot study scaling without ${name}: the list is empty.`);
  }
  for (const seed of seeds) {
    for (const prompt of prompts) {
      const ground = space(prompt);
      for (const contender of contenders) {
        signal?.throwIfAborted();
        const outcome = await search(ground, contender.strategy, {
          verifier,
          seed,
          ...(contender.maxNfe !== undefined && { maxNfe: contender.maxNfe }),
          ...(signal && { signal }),
          // The study's own rows are appended, not the search's.
          ...(run && { run: { spend: run.spend } }),
        });
        for await (const result of resultsOf(outcome, ground, contender, options)) {
          run?.append("search", result.row);
          yield result;
        }
      }
    }
  }
}

async function* resultsOf(
  outcome: SearchOutcome,
  space: SearchSpace,
  { strategy, label = strategy.name, n, at = [] }: Contender,
  { metric, verifier }: ScalingStudyOptions,
): AsyncGenerator<ScalingResult> {
  const last = outcome.rows.at(-1)!;
  const early = outcome.rows.filter((row) => row !== last && at.includes(row.n));
  for (const row of [...early, last]) {
    const video =
      row === last ? outcome.best.video : (await space.decode([outcome.finished[row.best]!.candidate]))[0]!;
    const { best: _, ...costs } = row;
    yield {
      video,
      row: {
        ...costs,
        strategy: label,
        n: row === last ? n : row.n,
        score: await metric.measure(video, row.prompt),
        metric: metric.name,
        source: metric.source,
        verifierScore: row.score,
        isSelfScored: verifier.name === metric.name,
      },
    };
  }
}
