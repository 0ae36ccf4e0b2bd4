/**
 * `zoetrope notebooks [name ...]`: makes the committed outputs. Runs notebooks in full and in place, then writes the
 * picture of the cell tagged "figure" to notebooks/figures/, where the notebook's own first lines and the README show it.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import sharp from "sharp";
import { packageRoot } from "../tensor/package-root.ts";
import { delegate } from "./delegate.ts";

interface Cell {
  readonly cell_type: string;
  readonly metadata?: { readonly tags?: readonly string[] };
  readonly outputs?: readonly { readonly data?: Readonly<Record<string, string | readonly string[]>> }[];
}

const folder = join(packageRoot, "notebooks");

/** File names of the numbered notebooks that `names` (numbers, stems or file names) ask for; all without any. */
export function chosenNotebooks(names: readonly string[]): string[] {
  const all = readdirSync(folder).filter((file) => /^\d\d-[\w-]+\.ipynb$/.test(file));
  if (names.length === 0) return all;
  return names.map((name) => {
    const stem = basename(name, ".ipynb");
    const found = all.find((file) => file === `${stem}.ipynb` || file.startsWith(`${stem}-`));
    if (found === undefined) {
      throw new RangeError(
        `Cannot find the notebook "${name}": there are ${all.join(", ")}. Name one by its number.`,
      );
    }
    return found;
  });
}

/** The PNG that the cell tagged "figure" shows, if it shows one. */
export function figureOf(cells: readonly Cell[]): Buffer | undefined {
  const pictures = cells
    .filter((cell) => cell.metadata?.tags?.includes("figure"))
    .flatMap((cell) => (cell.outputs ?? []).flatMap(({ data }) => data?.["image/png"] ?? []));
  const last = pictures.at(-1);
  return last === undefined ? undefined : Buffer.from([last].flat().join(""), "base64");
}

/** Exit status: that of the first notebook that fails; those before it are done. */
export async function runNotebooks(names: readonly string[]): Promise<number> {
  for (const file of chosenNotebooks(names)) {
    const path = join(folder, file);
    const status = await delegate(["run", path, "--in-place"]);
    if (status !== 0) return status;
    const figure = figureOf((JSON.parse(readFileSync(path, "utf8")) as { cells: Cell[] }).cells);
    if (figure === undefined) continue;
    const target = join(folder, "figures", file.replace(/\.ipynb$/, ".png"));
    mkdirSync(join(folder, "figures"), { recursive: true });
    await sharp(figure)
      .resize({ width: 1100, withoutEnlargement: true })
      .png({ palette: true, compressionLevel: 9 })
      .toFile(target);
    process.stdout.write(`  figure  ${target}\n`);
  }
  return 0;
}
