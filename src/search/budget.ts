/** Search is bought in NFE (src/diffusion/nfe.ts); these are the two ways in which money runs out. */

/** A budget that cannot hold what a strategy needs before it has any result. */
export class BudgetError extends RangeError {
  override readonly name = "BudgetError";
}

/** What a strategy needs at least, and how that sum comes about. */
export interface FirstCost {
  readonly nfe: number;
  /** The sum in words: "10 candidates x 50 steps x 2 frames". */
  readonly sum: string;
  /** What to change when it is too much: names of options. */
  readonly options: string;
}

/** @throws BudgetError when `maxNfe` is below the first generation's cost. */
export function checkBudget(strategy: string, first: FirstCost, maxNfe: number): void {
  if (first.nfe <= maxNfe) return;
  throw new BudgetError(
    `Cannot run ${strategy} within maxNfe = ${maxNfe} as its first generation costs ${first.nfe} NFE: ${first.sum}. Lower ${first.options} or raise "maxNfe".`,
  );
}
