/**
 * JupyterLab renders charts with vega 5.33.0 and vega-lite 5.6.1. They cannot share a module tree with the versions the
 * project uses, so they live in test/plot/vega5 with their own lock file and are installed there on first use.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../src/tensor/package-root.ts";

export interface Vega5 {
  readonly vega: {
    readonly version: string;
    parse(spec: object): object;
    View: new (runtime: object, options: object) => { toSVG(): Promise<string>; finalize(): void };
    Warn: number;
  };
  readonly vegaLite: {
    readonly version: string;
    compile(spec: object, options: { logger: object }): { spec: object };
  };
}

const folder = join(packageRoot, "test/plot/vega5");

/** The two libraries, or the reason why they could not be installed (no network). */
export async function loadVega5(): Promise<Vega5 | string> {
  if (!existsSync(join(folder, "node_modules/vega-lite/package.json"))) {
    try {
      execFileSync("npm", ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"], {
        cwd: folder,
        stdio: "pipe",
        timeout: 240_000,
      });
    } catch (error) {
      return `vega 5 could not be installed: ${String(error).split("\n")[0]}`;
    }
  }
  const load = (path: string) => import(pathToFileURL(join(folder, "node_modules", path)).href);
  const vega = (await load("vega/build/vega-node.js")) as { default?: Vega5["vega"] };
  const vegaLite = (await load("vega-lite/build/vega-lite.js")) as { default?: Vega5["vegaLite"] };
  return {
    vega: vega.default ?? (vega as Vega5["vega"]),
    vegaLite: vegaLite.default ?? (vegaLite as Vega5["vegaLite"]),
  };
}
