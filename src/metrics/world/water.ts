/** The water in a glass over time. */

import { mean } from "./grade.ts";
import { median } from "./motion-measures.ts";
import type { Seen } from "./object-measures.ts";

export interface Water {
  readonly found: boolean[];
  readonly colourOk: boolean[];
  /** Level per frame, NaN where no glass was found. */
  readonly levels: number[];
  readonly rises: boolean;
  readonly fall: number;
  /** Median rise per frame while the glass is not full. */
  readonly rate: number;
  readonly jerk: number;
}

/** A glass this full may stop rising. */
const brimful = 0.93;

export function readWater({ demand, reading }: Seen): Water {
  const levels = reading.glasses.map((g) => g?.level ?? Number.NaN);
  const rates: number[] = [];
  const changes: number[] = [];
  let fall = 0;
  let highest = 0;
  levels.forEach((level, f) => {
    if (Number.isNaN(level)) return;
    fall = Math.max(fall, highest - level);
    highest = Math.max(highest, level);
    const before = levels[f - 1];
    if (before === undefined || Number.isNaN(before)) return;
    if (before < brimful) rates.push(level - before);
    const earlier = levels[f - 2];
    if (earlier !== undefined && before < brimful) changes.push(Math.abs(level - 2 * before + earlier));
  });
  const known = levels.filter((l) => !Number.isNaN(l));
  const full = known.length > 0 && known[0]! >= brimful;
  const rate = median(rates);
  return {
    found: reading.glasses.map((g) => g?.colour !== undefined),
    colourOk: reading.glasses.map((g) => g?.colour === demand.water!.colour),
    levels,
    rises: full || (rate > 0.005 && fall < 0.1),
    fall,
    rate: full && rates.length < 3 ? Number.NaN : rate,
    jerk: full ? 0 : mean(changes.filter((c) => Number.isFinite(c))),
  };
}
