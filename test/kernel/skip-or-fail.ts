/** What a machine cannot run is skipped with its reason; where everything is required (CI) it fails with it. */
import type { TestContext } from "vitest";

/** `ZOETROPE_REQUIRE_ALL=1` turns every skip into a failure. */
export function skipOrFail(context: TestContext, reason: string): never {
  if (process.env["ZOETROPE_REQUIRE_ALL"] === "1") throw new Error(reason);
  return context.skip(reason);
}
