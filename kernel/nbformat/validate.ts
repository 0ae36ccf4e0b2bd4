/**
 * Checks a notebook against the schema of format 4.5 (notebook-v4.5.schema.json) and the one rule a schema cannot
 * hold: cell ids are unique.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { packageRoot } from "../package-root.ts";
import { isJsonObject, type Notebook } from "./notebook.ts";

export interface Problem {
  /** Where, readable: `cells[3].outputs[0].name`; empty for the notebook itself. */
  readonly path: string;
  readonly message: string;
}

/** Raised where a notebook is required to be valid; `problems` holds all that was found. */
export class InvalidNotebookError extends Error {
  override readonly name = "InvalidNotebookError";
  readonly problems: readonly Problem[];
  constructor(message: string, problems: readonly Problem[] = []) {
    super(message);
    this.problems = problems;
  }
}

let compiled: ValidateFunction | undefined;

function schema(): ValidateFunction {
  if (compiled === undefined) {
    const path = join(packageRoot, "kernel/nbformat/notebook-v4.5.schema.json");
    const ajv = new Ajv({
      allErrors: true,
      discriminator: true,
      strict: true,
      strictRequired: false,
      strictTypes: false,
    });
    compiled = ajv.compile(JSON.parse(readFileSync(path, "utf8")));
  }
  return compiled;
}

/** All problems of a value that should be a notebook of format 4.5 or a later 4.x; none = valid. */
export function validateNotebook(value: unknown): Problem[] {
  const validate = schema();
  const problems: Problem[] = [];
  if (!validate(value)) problems.push(...(validate.errors ?? []).map(readable));
  if (isJsonObject(value) && Array.isArray(value["cells"])) {
    const firstWith = new Map<unknown, number>();
    for (const [index, cell] of value["cells"].entries()) {
      const id = isJsonObject(cell) ? cell["id"] : undefined;
      if (typeof id !== "string") continue;
      const first = firstWith.get(id);
      if (first === undefined) firstWith.set(id, index);
      else
        problems.push({ path: `cells[${index}].id`, message: `repeats the id of cells[${first}] ("${id}")` });
    }
  }
  return problems;
}

/** Throws {@link InvalidNotebookError} naming the first problem and the count of the others. */
export function requireValid(value: unknown, name = "the notebook"): asserts value is Notebook {
  const problems = validateNotebook(value);
  const [first] = problems;
  if (first === undefined) return;
  const others = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
  throw new InvalidNotebookError(
    `Cannot use ${name} as format 4.5 requires: ${first.path || "the file"} ${first.message}${others}. ` +
      "Open and save it in JupyterLab, or repair the named place.",
    problems,
  );
}

function readable(error: ErrorObject): Problem {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce(
      (soFar, part) => (/^\d+$/.test(part) ? `${soFar}[${part}]` : soFar ? `${soFar}.${part}` : part),
      "",
    );
  const parameters = error.params as { [name: string]: unknown };
  const detail =
    error.keyword === "additionalProperties"
      ? ` ("${parameters["additionalProperty"]}")`
      : error.keyword === "const"
        ? ` (${JSON.stringify(parameters["allowedValue"])})`
        : "";
  return { path, message: `${error.message ?? error.keyword}${detail}` };
}
