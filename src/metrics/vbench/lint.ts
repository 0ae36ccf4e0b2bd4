/**
 * Does a row of VBench numbers agree with itself? Published tables have swapped and rotated columns and totals of
 * other rows in them; the formula finds these. Tolerances follow from rounding: half a unit of the last printed digit
 * of each input, carried through the formula, plus half a unit of the printed total.
 */
import { type VbenchKey, vbenchDimensions, vbenchKeys } from "./constants.ts";
import { missingOf, type Raw, sensitivity, totalOf, type VbenchTotals, vbenchTotals } from "./totals.ts";

export type LintRule = "missing" | "total" | "bounds" | "unusual" | "units" | "columns";

export interface LintFinding {
  readonly rule: LintRule;
  readonly message: string;
  readonly dimensions?: readonly string[];
}

export interface LintInput {
  /** Raw fractions. */
  readonly raw: Raw<VbenchKey>;
  /** Printed totals as fractions, where the row has them. */
  readonly printed?: Partial<VbenchTotals>;
  /** Half a unit of the last printed digit, as a fraction; 0.00005 for percent with two decimals. */
  readonly halfUnit?: number;
}

const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
const inverse = 1e-9;

/** How far a printed total may lie from the computed one by rounding alone. */
export function roundingTolerance(halfUnit: number): { readonly [T in keyof VbenchTotals]: number } {
  const carried = { quality: 0, semantic: 0, total: 0 };
  for (const key of vbenchKeys) {
    const { group, total } = sensitivity(key);
    carried[vbenchDimensions[key].group] += group * halfUnit;
    carried.total += total * halfUnit;
  }
  const own = (value: number) => value + halfUnit + inverse;
  return { quality: own(carried.quality), semantic: own(carried.semantic), total: own(carried.total) };
}

const totalNames = ["quality", "semantic", "total"] as const;

function disagreements(
  computed: VbenchTotals,
  printed: Partial<VbenchTotals>,
  halfUnit: number,
): (keyof VbenchTotals)[] {
  const tolerance = roundingTolerance(halfUnit);
  return totalNames.filter((name) => {
    const value = printed[name];
    return value !== undefined && Math.abs(value - computed[name]) > tolerance[name];
  });
}

/** Above what was ever published by a wide margin, though not impossible: aesthetics and imaging end near 0.75. */
const unusualAbove: { readonly [D in VbenchKey]?: number } = {
  aesthetic_quality: 0.8,
  imaging_quality: 0.85,
  appearance_style: 0.31,
  temporal_style: 0.364,
  overall_consistency: 0.364,
  scene: 0.8222,
};

function boundsFindings(raw: Raw<VbenchKey>): LintFinding[] {
  const findings: LintFinding[] = [];
  for (const key of vbenchKeys) {
    const value = raw[key];
    if (value === undefined || Number.isNaN(value)) continue;
    const { min } = vbenchDimensions[key];
    if (value < -1 || value > 1) {
      findings.push({
        rule: "bounds",
        dimensions: [key],
        message: `${key} ${percent(value)} is outside of -100 to 100 %.`,
      });
    } else if (value < min && vbenchDimensions[key].group === "quality") {
      findings.push({
        rule: "bounds",
        dimensions: [key],
        message: `${key} ${percent(value)} is below its empirical minimum ${percent(min)}: is it another column?`,
      });
    } else if (value > (unusualAbove[key] ?? 1)) {
      findings.push({
        rule: "unusual",
        dimensions: [key],
        message: `${key} ${percent(value)} is higher than any published row: is it another column?`,
      });
    }
  }
  return findings;
}

interface Rearrangement {
  readonly dimensions: readonly VbenchKey[];
  /** "Swapping a and b", "Rotating the columns a to b by one to the left" */
  readonly name: string;
  readonly raw: Raw<VbenchKey>;
}

const rowOf = (values: readonly number[]): Raw<VbenchKey> =>
  Object.fromEntries(vbenchKeys.map((key, i) => [key, values[i]!])) as Raw<VbenchKey>;

/** Every swap of two columns. */
function* swaps(values: readonly number[]): Generator<Rearrangement> {
  for (let a = 0; a < values.length; a++) {
    for (let b = a + 1; b < values.length; b++) {
      const changed = [...values];
      [changed[a], changed[b]] = [changed[b]!, changed[a]!];
      const dimensions = [vbenchKeys[a]!, vbenchKeys[b]!];
      yield { dimensions, name: `Swapping ${dimensions.join(" and ")}`, raw: rowOf(changed) };
    }
  }
}

/** Every run of at least three columns moved on by one, short runs first. */
function* rotations(values: readonly number[]): Generator<Rearrangement> {
  for (let length = 3; length <= values.length; length++) {
    for (let from = 0; from + length <= values.length; from++) {
      for (const step of [1, -1]) {
        const run = values.slice(from, from + length);
        const turned = run.map((_, i) => run[(i + step + length) % length]!);
        const dimensions = vbenchKeys.slice(from, from + length);
        yield {
          dimensions,
          name: `Rotating the columns ${dimensions[0]} to ${dimensions.at(-1)} by one to the ${step === 1 ? "left" : "right"}`,
          raw: rowOf([...values.slice(0, from), ...turned, ...values.slice(from + length)]),
        };
      }
    }
  }
}

/** Rearrangements of the columns that make every printed total right: one slip, undone. */
function repairs(raw: Raw<VbenchKey>, printed: Partial<VbenchTotals>, halfUnit: number): LintFinding[] {
  const values = vbenchKeys.map((key) => raw[key]!);
  const fits = (candidate: Rearrangement) =>
    disagreements(vbenchTotals(candidate.raw), printed, halfUnit).length === 0 &&
    boundsFindings(candidate.raw).every((finding) => finding.rule !== "bounds");
  const finding = ({ dimensions, name }: Rearrangement): LintFinding => ({
    rule: "columns",
    dimensions,
    message: `${name} makes the totals right.`,
  });
  const swapped = [...swaps(values)].filter(fits);
  return (swapped.length > 0 ? swapped : [...rotations(values)].filter(fits)).map(finding);
}

/** Values out of range and totals computed from them: the shortest rearrangements that bring all into range. */
function rangeRepairs(raw: Raw<VbenchKey>): LintFinding[] {
  const values = vbenchKeys.map((key) => raw[key]!);
  const fits = (candidate: Rearrangement) => boundsFindings(candidate.raw).length === 0;
  const found = [[...swaps(values)].find(fits), [...rotations(values)].find(fits)].filter(
    (c) => c !== undefined,
  );
  return found.map(({ dimensions, name }) => ({
    rule: "columns",
    dimensions,
    message: `${name} would bring every value into its range; compare with the source.`,
  }));
}

/** Findings of one row, worst first; none for a row that agrees with itself. */
export function lintVbench({ raw, printed = {}, halfUnit = 0.00005 }: LintInput): LintFinding[] {
  const findings: LintFinding[] = [];
  const missing = missingOf(vbenchKeys, raw);
  if (missing.length > 0) {
    findings.push({
      rule: "missing",
      dimensions: missing,
      message: `No total: ${missing.length} of 16 dimensions missing (${missing.join(", ")}).`,
    });
  }
  if (missing.length === 0) {
    const computed = vbenchTotals(raw);
    const wrong = disagreements(computed, printed, halfUnit);
    for (const name of wrong) {
      findings.push({
        rule: "total",
        message: `Printed ${name} ${percent(printed[name]!)} does not follow from the dimensions, which give ${percent(computed[name])}.`,
      });
    }
    if (wrong.length > 0) findings.push(...repairs(raw, printed, halfUnit));
    else if (boundsFindings(raw).length > 0) findings.push(...rangeRepairs(raw));
  }
  const { quality, semantic, total } = printed;
  if (quality !== undefined && semantic !== undefined && total !== undefined) {
    if (Math.abs(totalOf(quality, semantic) - total) > 2 * halfUnit + inverse) {
      findings.push({
        rule: "total",
        message: `Printed total ${percent(total)} is not (4 quality + semantic) / 5 = ${percent(totalOf(quality, semantic))}.`,
      });
    }
  }
  return [...findings, ...boundsFindings(raw)];
}
