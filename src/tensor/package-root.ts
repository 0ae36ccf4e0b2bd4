/** Where the package lies, from `src/` (tests) and from `dist/src/` (built) alike. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (true) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "zoetrope") return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error("internal: no package.json named zoetrope above this file");
    folder = parent;
  }
}

/** Absolute path of the package folder: assets are addressed from here, never relative to a compiled file. */
export const packageRoot: string = findRoot();
