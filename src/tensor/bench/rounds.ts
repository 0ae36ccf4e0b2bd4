/**
 * Rounds in which every engine has its turn at the same work: what disturbs the machine for a while disturbs all of them,
 * so that ratios of one run hold.
 */
import type { Work } from "./works.ts";

export interface Turn {
  readonly engine: string;
  /** Milliseconds of each run. @throws Error with the reason why there is none */
  run(work: Work, limitMs: number): Promise<number[]>;
  /** The first run may take this long (a compiler may be at work), milliseconds. Default 30 s. */
  readonly warmUpMs?: number;
}

export type Timing =
  | {
      readonly work: string;
      readonly engine: string;
      readonly times: readonly number[];
      readonly why?: string;
    }
  | { readonly work: string; readonly engine: string; readonly why: string };

export interface RoundsOptions {
  readonly log?: (line: string) => void;
  /** The whole bench ends about then (`performance.now()`): what has not begun is left out. May come nearer meanwhile. */
  readonly deadline?: () => number;
}

const LIMIT_MS = 30_000;
/** What has begun may end a little after the deadline. */
const GRACE_MS = 5000;

/**
 * One warm-up each, then rounds until there are `work.rounds` of them or `work.seconds` are over, at least one.
 * An engine that fails or takes too long is out of this work, with its reason; the others go on.
 */
export async function rounds(
  work: Work,
  turns: readonly Turn[],
  { log = () => {}, deadline = () => Number.POSITIVE_INFINITY }: RoundsOptions = {},
): Promise<Timing[]> {
  const times = new Map<Turn, number[]>();
  const warmUps = new Map<Turn, number>();
  const reasons = new Map<Turn, string>();
  const take = async (turn: Turn, limitMs: number): Promise<number[]> => {
    try {
      const left = deadline() - performance.now();
      if (left <= 0) throw new Error("the time of the whole run was over");
      return await turn.run(work, Math.min(limitMs, left + GRACE_MS));
    } catch (error) {
      reasons.set(turn, (error as Error).message);
      return [];
    }
  };
  for (const turn of turns) {
    const [ms] = await take(turn, turn.warmUpMs ?? LIMIT_MS);
    if (ms !== undefined) warmUps.set(turn, ms);
    if (ms !== undefined) log(`${work.name}, ${turn.engine}: ${readable(ms)} to warm up`);
  }
  const end = performance.now() + work.seconds * 1000;
  for (let round = 0; round < work.rounds && (round === 0 || performance.now() < end); round++) {
    for (const turn of turns) {
      if (reasons.has(turn)) continue;
      times.set(turn, [...(times.get(turn) ?? []), ...(await take(turn, LIMIT_MS))]);
    }
  }
  return turns.map((turn) => {
    const { engine } = turn;
    const measured = times.get(turn) ?? [];
    if (measured.length > 0) return { work: work.name, engine, times: measured };
    const cold = warmUps.get(turn);
    // Better than nothing, and said so.
    if (cold !== undefined) return { work: work.name, engine, times: [cold], why: "the warm-up alone" };
    return { work: work.name, engine, why: reasons.get(turn)! };
  });
}

/** Milliseconds as people read them. */
export const readable = (ms: number): string =>
  ms < 0.1 ? `${(ms * 1000).toFixed(2)} us` : ms < 10 ? `${ms.toFixed(2)} ms` : `${ms.toFixed(0)} ms`;
