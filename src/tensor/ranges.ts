/** Numbers that options may take: one way to check them, and to say which was wrong, what it must be and what it was. */

export interface Range {
  readonly whole?: boolean;
  /** Smallest value that is allowed. */
  readonly least?: number;
  /** Bound that lies just outside. */
  readonly above?: number;
  /** Largest value that is allowed. */
  readonly most?: number;
  /** Bound that lies just outside. */
  readonly below?: number;
  /** Whether Infinity stands for "without end". */
  readonly endless?: boolean;
}

export const positiveInteger: Range = { whole: true, least: 1 };
export const natural: Range = { whole: true, least: 0 };
export const positive: Range = { above: 0 };
export const notNegative: Range = { least: 0 };
export const share: Range = { least: 0, most: 1 };
export const finite: Range = {};

function holds(value: number, { whole = false, least, above, most, below, endless = false }: Range): boolean {
  if (value === Number.POSITIVE_INFINITY) return endless;
  return (
    Number.isFinite(value) &&
    (!whole || Number.isInteger(value)) &&
    (least === undefined || value >= least) &&
    (above === undefined || value > above) &&
    (most === undefined || value <= most) &&
    (below === undefined || value < below)
  );
}

function phrase({ whole = false, least, above, most, below, endless = false }: Range): string {
  const or = endless ? " or Infinity" : "";
  const low = least ?? above;
  const high = most ?? below;
  if (low !== undefined && high !== undefined) {
    const [opens, closes] = [least === undefined ? "(" : "[", most === undefined ? ")" : "]"];
    return `${whole ? "be an integer" : "lie"} in ${opens}${low}, ${high}${closes}`;
  }
  if (whole) return `${least === 1 ? "be a positive integer" : `be an integer of at least ${least}`}${or}`;
  if (above === 0) return `be positive${or}`;
  return least === undefined ? "be a finite number" : `be at least ${least}${or}`;
}

/**
 * @param action completes "Cannot ..."
 * @param values by the name of their option
 * @param remedy a sentence, where there is more to say than the requirement
 * @throws RangeError unless all values lie in the range
 */
export function requireNumbers(
  action: string,
  values: Readonly<Record<string, number>>,
  range: Range,
  remedy = "",
): void {
  for (const [name, value] of Object.entries(values)) {
    if (holds(value, range)) continue;
    throw new RangeError(
      `Cannot ${action} as "${name}" must ${phrase(range)}: got ${value}.${remedy && ` ${remedy}`}`,
    );
  }
}
