/**
 * What a report carries besides what it shows: every figure's spec and data, every claim, the source that made it, and
 * hashes of all of them, so that a later reader can re-run, grade, and see edits by hand.
 */

import type { Spec } from "../../plot/render.ts";
import type { Row } from "../../plot/row.ts";
import { canonicalJson, sha256 } from "../hash.ts";
import type { CodeState, Machine } from "../provenance.ts";
import type { RunFacts } from "../run.ts";

export interface PayloadFigure {
  readonly id: string;
  readonly title: string;
  /** SHA-256 of the canonical spec, data included. */
  readonly hash: string;
  readonly spec: Spec;
  readonly rows: readonly Row[];
}

export interface PayloadClaim {
  readonly statement: string;
  readonly verdict: string;
  readonly estimate: number | string;
  readonly low: number | string;
  readonly high: number | string;
  readonly hash: string;
}

export interface Payload {
  readonly format: "zoetrope-report-1";
  readonly title: string;
  readonly created: string;
  /** The file name it was written under. */
  readonly fileName: string;
  readonly figures: readonly PayloadFigure[];
  readonly claims: readonly PayloadClaim[];
  readonly runs: readonly RunFacts[];
  readonly code: CodeState;
  readonly machine: Machine;
  readonly device: string | null;
  /** The notebook that makes the report, outputs stripped; null where a report cannot be re-run. */
  readonly source: { readonly fileName: string; readonly notebook: object } | null;
  /** How the source becomes this report: it writes it itself, or its outputs are the report. */
  readonly madeBy: "notebook" | "template";
}

export const hashOf = (value: unknown): string => sha256(canonicalJson(value));

/** Numbers that JSON lacks as their names. */
export const plainNumber = (value: number): number | string =>
  Number.isFinite(value) ? value : String(value);

/** JSON that may stand inside a script element. */
export const scriptJson = (value: unknown): string =>
  JSON.stringify(value)
    .replaceAll("<", "\\u003c")
    .replaceAll("\u2028", "\\u2028")
    .replaceAll("\u2029", "\\u2029");
