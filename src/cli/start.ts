/** `npm start`: the quickstart notebook through our own kernel, then its report and where to look next. */
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from "node:fs";
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

export async function start(options: { readonly fast: boolean }): Promise<number> {
  const reports = join(packageRoot, "data", "reports");
  try {
    mkdirSync(reports, { recursive: true });
    accessSync(reports, constants.W_OK);
  } catch (error) {
    process.stderr.write(
      `Cannot write the report as data/reports must be writable: ${(error as Error).message}. Make it writable or clone elsewhere.\n`,
    );
    return 1;
  }
  const executed = join(reports, "01-quickstart.ipynb");
  const notebook = join(packageRoot, "notebooks", "01-quickstart.ipynb");
  const status = await delegate([
    "run",
    notebook,
    "-o",
    executed,
    ...(options.fast ? ["-p", "fast=true"] : []),
  ]);
  const report = join(reports, "quickstart.html");
  const result = existsSync(executed)
    ? headline((JSON.parse(readFileSync(executed, "utf8")) as { cells: Cell[] }).cells)
    : "";
  process.stdout.write(
    [
      ...(result === "" ? [] : ["", result]),
      "",
      status === 0 ? "Quickstart finished." : "Quickstart stopped early; everything produced so far is kept:",
      `  executed notebook  ${executed}`,
      ...(existsSync(report) ? [`  report             ${report}`] : []),
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
