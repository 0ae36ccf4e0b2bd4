/**
 * From raw dimensions to totals, as each suite publishes them. Raw values are fractions (0.9737, not 97.37). No
 * clamping anywhere: smoothness may normalise above 1, the text-similarity dimensions below 0. Where the official
 * script takes a missing dimension for 0 (an empty folder scores -57.17 %), a total is refused here.
 */
import {
  qualityWeight,
  semanticWeight,
  type Vbench2Group,
  type Vbench2Key,
  type VbenchI2vKey,
  type VbenchKey,
  vbench2Groups,
  vbenchDimensions,
  vbenchI2vDimensions,
  vbenchKeys,
} from "./constants.ts";

export type Raw<K extends string> = { readonly [D in K]?: number };

export interface VbenchTotals {
  readonly quality: number;
  readonly semantic: number;
  readonly total: number;
}

export function missingOf<K extends string>(keys: readonly K[], raw: Raw<K>): K[] {
  return keys.filter((key) => !Number.isFinite(raw[key]));
}

function requireAll<K extends string>(suite: string, keys: readonly K[], raw: Raw<K>): void {
  const missing = missingOf(keys, raw);
  if (missing.length > 0) {
    throw new RangeError(
      `Cannot total a ${suite} row: ${missing.length} of ${keys.length} dimensions missing (${missing.join(", ")}). ` +
        "Measure or import them; a partial mean is not this score.",
    );
  }
}

/** (raw - min) / (max - min), not clamped. */
export function normalize(key: VbenchKey, raw: number): number {
  const { min, max } = vbenchDimensions[key];
  return (raw - min) / (max - min);
}

interface Weighted {
  readonly min: number;
  readonly max: number;
  readonly weight: number;
}

function weightedMean<K extends string>(
  table: { readonly [D in K]: Weighted },
  keys: readonly K[],
  raw: Raw<K>,
): number {
  let [sum, weights] = [0, 0];
  for (const key of keys) {
    const { min, max, weight } = table[key];
    sum += (weight * (raw[key]! - min)) / (max - min);
    weights += weight;
  }
  return sum / weights;
}

const qualityKeys = vbenchKeys.filter((key) => vbenchDimensions[key].group === "quality");
const semanticKeys = vbenchKeys.filter((key) => vbenchDimensions[key].group === "semantic");

/** Quality, semantic and total of sixteen raw fractions. @throws RangeError while one is missing. */
export function vbenchTotals(raw: Raw<VbenchKey>): VbenchTotals {
  requireAll("VBench", vbenchKeys, raw);
  const quality = weightedMean(vbenchDimensions, qualityKeys, raw);
  const semantic = weightedMean(vbenchDimensions, semanticKeys, raw);
  return { quality, semantic, total: totalOf(quality, semantic) };
}

/** (4 quality + semantic) / 5. */
export function totalOf(quality: number, semantic: number): number {
  return (qualityWeight * quality + semanticWeight * semantic) / (qualityWeight + semanticWeight);
}

/** By how much the total rises for one unit of a raw dimension: smoothness weighs 19 times as much as object class. */
export function sensitivity(key: VbenchKey): { readonly group: number; readonly total: number } {
  const { min, max, weight, group } = vbenchDimensions[key];
  const keys = group === "quality" ? qualityKeys : semanticKeys;
  const weights = keys.reduce((sum, k) => sum + vbenchDimensions[k].weight, 0);
  const inGroup = weight / (max - min) / weights;
  const share = (group === "quality" ? qualityWeight : semanticWeight) / (qualityWeight + semanticWeight);
  return { group: inGroup, total: share * inGroup };
}

/** VBench-I2V: I2V and quality are weighted means, the total their plain mean. */
export function vbenchI2vTotals(raw: Raw<VbenchI2vKey>): {
  readonly i2v: number;
  readonly quality: number;
  readonly total: number;
} {
  const keys = Object.keys(vbenchI2vDimensions) as VbenchI2vKey[];
  requireAll("VBench-I2V", keys, raw);
  const of = (group: string) =>
    weightedMean(
      vbenchI2vDimensions as { readonly [D in VbenchI2vKey]: Weighted },
      keys.filter((key) => vbenchI2vDimensions[key].group === group),
      raw,
    );
  const [i2v, quality] = [of("i2v"), of("quality")];
  return { i2v, quality, total: (i2v + quality) / 2 };
}

/** VBench-2.0: means of means. */
export function vbench2Totals(raw: Raw<Vbench2Key>): {
  readonly groups: { readonly [G in Vbench2Group]: number };
  readonly total: number;
} {
  const names = Object.keys(vbench2Groups) as Vbench2Group[];
  requireAll(
    "VBench-2.0",
    names.flatMap((name): readonly Vbench2Key[] => vbench2Groups[name]),
    raw,
  );
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const groups = Object.fromEntries(
    names.map((name) => [name, mean(vbench2Groups[name].map((key: Vbench2Key) => raw[key]!))]),
  ) as { [G in Vbench2Group]: number };
  return { groups, total: mean(names.map((name) => groups[name])) };
}

export interface CompetitionRaw {
  readonly subject_consistency?: number;
  readonly background_consistency?: number;
  readonly motion_smoothness?: number;
  readonly dynamic_degree?: number;
  readonly aesthetic_quality?: number;
  readonly imaging_quality?: number;
  /** ViCLIP. */
  readonly overall_consistency?: number;
  /** CLIP ViT-B/32 over eight frames. */
  readonly clip_score?: number;
  /** Only for the five-part variant. */
  readonly temporal_flickering?: number;
}

/** How "temporal quality" is put together; only the first is VBench's, the others are labelled alternatives. */
export const temporalRecipes = ["competition", "equal4", "equal5"] as const;
export type TemporalRecipe = (typeof temporalRecipes)[number];

/**
 * The temporal / frame-wise / text triple on raw (not normalised) values, as in VBench's competitions folder. Each
 * part is there when its dimensions are; `recipe` says which temporal mean was used. Papers that print such a
 * triple without a formula (Resampling Forcing, table 1) cannot be tied to one of these.
 */
export function competitionScores(
  raw: CompetitionRaw,
  recipe: TemporalRecipe = "competition",
): {
  readonly recipe: TemporalRecipe;
  readonly temporal?: number;
  readonly frameWise?: number;
  readonly text?: number;
} {
  const have = (...keys: (keyof CompetitionRaw)[]) => keys.every((key) => Number.isFinite(raw[key]));
  const {
    subject_consistency: s = 0,
    background_consistency: b = 0,
    motion_smoothness: m = 0,
    dynamic_degree: d = 0,
  } = raw;
  const base = have("subject_consistency", "background_consistency", "motion_smoothness", "dynamic_degree");
  const temporal = {
    competition: () => (base ? (s + b + m + 0.5 * d) / 3.5 : undefined),
    equal4: () => (base ? (s + b + m + d) / 4 : undefined),
    equal5: () =>
      base && have("temporal_flickering") ? (s + b + m + d + raw.temporal_flickering!) / 5 : undefined,
  }[recipe]();
  return {
    recipe,
    ...(temporal === undefined ? {} : { temporal }),
    ...(have("aesthetic_quality", "imaging_quality")
      ? { frameWise: (raw.aesthetic_quality! + raw.imaging_quality!) / 2 }
      : {}),
    ...(have("overall_consistency", "clip_score")
      ? { text: (raw.overall_consistency! + raw.clip_score!) / 2 }
      : {}),
  };
}
