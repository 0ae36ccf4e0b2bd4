/**
 * What a run has spent: rows of kind "@ledger", their totals, and the line that a notebook cell shows while it spends.
 * The line carries the cell's NFE as display metadata, which the headless client counts, and the run as JSON, which
 * a report of the notebook lists among its runs.
 */
import { type Account, chargeCells } from "../diffusion/account.ts";
import { cellSignal } from "../diffusion/cell-signal.ts";
import { type Cost, type Meter, meter } from "../diffusion/nfe.ts";
import type { Row } from "../plot/row.ts";

export type Ledger = Cost;

const nothing: Ledger = { nfe: 0, calls: 0, forwards: 0, cacheWrites: 0, verifierCalls: 0, seconds: 0 };
const columns = Object.keys(nothing) as (keyof Ledger)[];

/** Sums of ledger rows; what is not a finite number counts as nothing. */
export function totalCost(rows: readonly (Row | Partial<Cost>)[]): Ledger {
  const sum = { ...nothing };
  for (const row of rows) {
    for (const key of columns) {
      const value = row[key];
      if (typeof value === "number" && Number.isFinite(value)) sum[key] += value;
    }
  }
  return sum;
}

/** "1,024 NFE, 12 verifier calls, 3.4 s". */
export function costText(cost: Ledger): string {
  const count = (value: number, name: string) =>
    value > 0 ? [`${value.toLocaleString("en-US")} ${name}`] : [];
  const time = cost.seconds >= 100 ? cost.seconds.toFixed(0) : cost.seconds.toFixed(1);
  return [...count(cost.nfe, "NFE"), ...count(cost.verifierCalls, "verifier calls"), `${time} s`].join(", ");
}

/** Runs `work` under a fresh meter and books what it spent, also where it fails or is stopped. */
export async function booked<T>(work: (meter: Meter) => Promise<T>, book: (cost: Cost) => void): Promise<T> {
  const cost = meter();
  try {
    return await work(cost);
  } finally {
    book(cost.read());
  }
}

/** Runs that this process opened and has not finished, the newest last: cells charge the last one. */
const open: (Account & { readonly root: string; readonly id: string })[] = [];

export function openLedger(run: (typeof open)[number]): void {
  open.push(run);
  chargeCells(run);
}

export function closeLedger(root: string, id: string): void {
  const at = open.findIndex((run) => run.root === root && run.id === id);
  if (at >= 0) open.splice(at, 1);
  chargeCells(open.at(-1));
}

export const runMediaType = "application/vnd.zoetrope.run+json";

/** Of the global `display` that kernels give to cells; undefined outside a notebook. */
type Display = (
  value: object,
  options: { readonly id: string; readonly metadata: Readonly<Record<string, unknown>> },
) => unknown;

/** Lines shown so far: two cells must not share a display id, or the second would overwrite the first. */
let numLines = 0;

/** Shows spending in the cell that spends: one line for a run and cell, that counts up. */
export function ledgerLine(id: string): (part: Partial<Cost>, run: () => object) => void {
  let cell: AbortSignal | undefined;
  let here = nothing;
  let numLine = 0;
  return (part, run) => {
    const { display } = globalThis as { readonly display?: unknown };
    if (typeof display !== "function") return;
    const now = cellSignal();
    // Each cell has a stop signal of its own.
    const isNew = numLine === 0 || now !== cell;
    if (isNew) numLine = ++numLines;
    here = totalCost(isNew ? [part] : [here, part]);
    cell = now;
    const text = `${id}: ${costText(here)}`;
    const bundle = {
      [runMediaType]: run(),
      "text/html": `<div style="opacity:.65;font-size:85%">${text}</div>`,
      "text/plain": text,
    };
    (display as Display)(
      { [Symbol.for("Jupyter.display")]: () => bundle },
      { id: `ledger ${numLine} ${id}`, metadata: { zoetrope: { nfe: here.nfe } } },
    );
  };
}
