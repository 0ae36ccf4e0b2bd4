/** `zoetrope claims`: every claim in the run store with its verdict. */
import { type ListedClaim, listClaims } from "../lab/claim.ts";

export interface ClaimsOptions {
  readonly json: boolean;
  readonly run?: string;
}

/** Exit status: 1 when a stored claim was edited by hand, or a run that was asked for holds none. */
export function claims({ json, run }: ClaimsOptions): number {
  const listed = listClaims(run === undefined ? {} : { run });
  if (json) process.stdout.write(`${JSON.stringify(listed, null, 2)}\n`);
  else for (const line of listed.flatMap(lines)) process.stdout.write(`${line}\n`);
  if (listed.length === 0) {
    const where = run === undefined ? "in the run store" : `in run "${run}"`;
    process.stderr.write(
      `No claims ${where}. Notebooks make them with claim(...); npm start makes the first ones.\n`,
    );
    return run === undefined ? 0 : 1;
  }
  return listed.every(({ isIntact }) => isIntact) ? 0 : 1;
}

function lines(one: ListedClaim): string[] {
  const short = (value: number): string => Number(value.toPrecision(3)).toString();
  return [
    `${one.verdict.padEnd(13)} ${one.statement}`,
    `              ${short(one.estimate)} [${short(one.low)}, ${short(one.high)}], holds if ${one.holds}; ${one.test}; run ${one.run}`,
    ...(one.verdict === "PASS" ? [] : [`              ${one.reason}`]),
    ...(one.isIntact ? [] : ["              EDITED BY HAND: its fields do not match its hash"]),
  ];
}
