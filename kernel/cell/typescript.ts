/**
 * The compiler, and ts-blank-space on it. Both are loaded as CommonJS: importing the compiler as a module makes Node
 * read its nine megabytes twice more, to tell the format and the names, which took a quarter of the time until the first
 * cell was checked.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, resolve } from "node:path";
import type * as BlankSpace from "ts-blank-space";
import type TypeScript from "typescript";

const load = createRequire(import.meta.url);
const ts: typeof TypeScript = load("typescript");
export default ts;

/** An ECMAScript module whose imports are `typescript` and its own neighbours. */
function moduleAt(file: string): unknown {
  const { outputText } = ts.transpileModule(readFileSync(file, "utf8"), {
    compilerOptions: {
      module: ts.ModuleKind.CommonJS,
      target: ts.ScriptTarget.ES2022,
      esModuleInterop: true,
    },
  });
  const exports = {};
  const requireFrom = (name: string): unknown =>
    name === "typescript" ? { __esModule: true, default: ts } : moduleAt(resolve(dirname(file), name));
  new Function("exports", "require", outputText)(exports, requireFrom);
  return exports;
}

export const { blankSourceFile } = moduleAt(load.resolve("ts-blank-space")) as typeof BlankSpace;
