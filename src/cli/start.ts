/** `npm start`: the quickstart notebook through our own kernel, then its report and where to look next. */
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../tensor/package-root.ts";
import { delegate } from "./delegate.ts";

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
  process.stdout.write(
    [
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
