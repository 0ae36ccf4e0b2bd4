/** `zoetrope verify REPORT.html`: re-runs a report from what it carries, at its commit, and grades figures and claims. */
import { verifyReport } from "../lab/report/verify-report.ts";

export interface VerifyOptions {
  readonly execute: boolean;
  readonly here: boolean;
  readonly json: boolean;
  readonly timeout: string;
}

/** Exit status 1 when anything drifted, could not be re-run, or the file was edited by hand. */
export async function verify(path: string, { execute, here, json, timeout }: VerifyOptions): Promise<number> {
  const seconds = Number(timeout);
  if (!(seconds >= 0)) {
    throw new RangeError(
      `Cannot verify with a time limit of "${timeout}": give seconds per cell, 0 for no limit.`,
    );
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error("The verification was interrupted."));
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  try {
    const result = await verifyReport(path, {
      execute,
      runsHere: here,
      timeout: seconds,
      signal: stop.signal,
      ...(json ? {} : { onProgress: (line: string) => process.stderr.write(`${line}\n`) }),
    });
    process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : `${result.text()}\n`);
    const isGood = ["bit-exact", "within tolerance", "statistically equivalent"].includes(result.overall);
    return result.isIntact !== false && (isGood || !execute) ? 0 : 1;
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}
