/** `npm start`: the quickstart notebook through our own kernel, then its report and where to look next. */
import { accessSync, constants, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../tensor/package-root.ts";
import { delegate } from "./delegate.ts";

interface Cell {
  readonly metadata?: { readonly tags?: readonly string[] };
  readonly outputs?: readonly { readonly data?: Readonly<Record<string, string | readonly string[]>> }[];
}

/** What the cells tagged "headline" show, as text: the result in a few lines. */
export function headline(cells: readonly Cell[]): string {
  return cells
    .filter((cell) => cell.metadata?.tags?.includes("headline"))
    .flatMap((cell) =>
      (cell.outputs ?? []).flatMap(({ data }) => [data?.["text/plain"] ?? []].flat().join("")),
    )
    .filter((text) => text !== "")
    .join("\n\n");
}

/** Exit status of the run: 0, 1 for a failing cell, 130 when interrupted. `ZOETROPE_REPORTS` moves what it writes. */
export async function start(options: { readonly fast: boolean }): Promise<number> {
  const reports = process.env["ZOETROPE_REPORTS"] ?? join(packageRoot, "data", "reports");
  try {
    mkdirSync(reports, { recursive: true });
    accessSync(reports, constants.W_OK);
  } catch (error) {
    process.stderr.write(
      `Cannot write the report as ${reports} must be writable: ${(error as Error).message}. Make it writable or clone elsewhere.\n`,
    );
    return 1;
  }
  const executed = join(reports, "01-quickstart.ipynb");
  const began = Date.now();
  // What an earlier run left there is not a result of this one. File times may be whole seconds.
  const isFresh = (path: string): boolean =>
    (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) >= began - 1000;
  const notebook = join(packageRoot, "notebooks", "01-quickstart.ipynb");
  const status = await delegate([
    "run",
    notebook,
    "-o",
    executed,
    ...(options.fast ? ["-p", "fast=true"] : []),
  ]);
  const report = join(reports, "quickstart.html");
  const result = isFresh(executed)
    ? headline((JSON.parse(readFileSync(executed, "utf8")) as { cells: Cell[] }).cells)
    : "";
  process.stdout.write(
    [
      ...(result === "" ? [] : ["", result]),
      "",
      status === 0 ? "Quickstart finished." : "Quickstart stopped early; everything produced so far is kept:",
      ...(isFresh(executed) ? [`  executed notebook  ${executed}`] : []),
      ...(isFresh(report) ? [`  report             ${report}`] : []),
      ...(status === 0
        ? [
            "Next: open the report in a browser, `npm run lab` for the notebooks in JupyterLab,",
            "      `npx zoetrope verify data/reports/quickstart.html` to re-run and grade it.",
          ]
        : []),
      "",
    ].join("\n"),
  );
  return status;
}
