/** Puts a trained model among the checkpoints that come with the package, and its line into their manifest. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CausalWan } from "../../model/causal-wan.ts";
import { type ShippedModel, saveModel } from "../../model/model-file.ts";
import { packageRoot } from "../../tensor/package-root.ts";
import type { Codec } from "../../video/codec.ts";

const codecFile = join(packageRoot, "data", "codec", "world-pca-64.json");

const sha256 = async (path: string) =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

export interface ShipOptions {
  readonly name: string;
  readonly forcing: string;
  /** How it was made, in one line. */
  readonly recipe: string;
  readonly codec: Codec;
  readonly sampling: ShippedModel["sampling"];
  readonly evaluation: Readonly<Record<string, number>>;
  /** For models trained with routed history: how many chunks a query picks. */
  readonly topK?: number;
  /** Default: data/checkpoints of the package. */
  readonly folder?: string;
}

/** Writes `<name>.safetensors` in half precision and replaces the model's line of manifest.json. */
export async function ship(model: CausalWan, options: ShipOptions): Promise<ShippedModel> {
  const { name, forcing, recipe, codec, sampling, evaluation, topK } = options;
  const folder = options.folder ?? join(packageRoot, "data", "checkpoints");
  await mkdir(folder, { recursive: true });
  const file = `${name}.safetensors`;
  const path = join(folder, file);
  await saveModel(model, path, { floats: "F16", notes: { name, forcing, recipe } });
  const entry: ShippedModel = {
    name,
    file,
    sha256: await sha256(path),
    bytes: (await readFile(path)).length,
    recipe,
    forcing,
    codec: { name: codec.name, sha256: await sha256(codecFile) },
    sampling,
    ...(topK !== undefined && { topK }),
    evaluation,
  };
  const manifest = join(folder, "manifest.json");
  const models = existsSync(manifest)
    ? (JSON.parse(await readFile(manifest, "utf8")) as { models: ShippedModel[] }).models
    : [];
  const next = [...models.filter((model) => model.name !== name), entry].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  await writeFile(`${manifest}.writing`, `${JSON.stringify({ models: next }, null, 2)}\n`);
  await rename(`${manifest}.writing`, manifest);
  return entry;
}
