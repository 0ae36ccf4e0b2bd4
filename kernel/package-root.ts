/** Where the package lies, from `kernel/` (tests) and from `dist/kernel/` (built) alike: assets are addressed from here. */
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

/** Absolute path of the package folder. */
export const packageRoot: string = findRoot();

const manifest: { readonly name: string; readonly version: string } = JSON.parse(
  readFileSync(join(packageRoot, "package.json"), "utf8"),
);

/** Name of the package, as cells import it. */
export const packageName: string = manifest.name;

/** Version of the package, as in its manifest. */
export const packageVersion: string = manifest.version;
