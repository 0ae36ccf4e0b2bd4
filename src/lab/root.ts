/** Where runs are kept: data/runs of the package, or the folder that ZOETROPE_RUNS names. */
import { join, resolve } from "node:path";
import { packageRoot } from "../tensor/package-root.ts";

export function runsRoot(root?: string): string {
  return resolve(root ?? process.env["ZOETROPE_RUNS"] ?? join(packageRoot, "data", "runs"));
}
