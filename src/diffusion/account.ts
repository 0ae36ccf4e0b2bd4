/**
 * Whom work charges. A search, a rollout or a training adds what it spent to the run that it was given or, in a notebook
 * cell, to the run that the notebook opened last. Work inside of other work is charged once, by the outer one.
 */
import { cellSignal } from "./cell-signal.ts";
import type { Cost } from "./nfe.ts";

/** A run of the store, or anything that keeps count. */
export interface Account {
  spend?(cost: Partial<Cost>, purpose?: string): void;
}

/** For work whose cost somebody else counts. */
export const uncharged: Account = Object.freeze({});

let charged: Account | undefined;

/** From now on work in notebook cells that is given no account charges this one; undefined: nobody. */
export function chargeCells(account: Account | undefined): void {
  charged = account;
}

/** Whom the running cell charges; undefined outside of notebooks, where accounts are passed by name. */
export function cellAccount(): Account | undefined {
  return cellSignal() === undefined ? undefined : charged;
}
