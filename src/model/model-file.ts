/**
 * Models as safetensors files under Wan's tensor names. Our files carry config and text encoder in their metadata; a
 * released Wan file (original or diffusers names, one file or shards behind an index) is loaded by naming its preset.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { packageRoot } from "../tensor/package-root.ts";
import { openSafetensors, writeSafetensors } from "../tensor/safetensors.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { type CausalWan, type CausalWanOptions, modelOf } from "./causal-wan.ts";
import { type CausalWanConfig, checkConfig, type PresetName, presets } from "./config.ts";
import { diffusersNames } from "./diffusers-names.ts";
import { routing } from "./history-policy.ts";
import { type TextEncoder, type TextEncoderConfig, textEncoderFrom } from "./text.ts";
import { weightShapes } from "./weights.ts";

/** A file whose tensors are not those of the model. */
export class ModelFileError extends Error {
  override readonly name = "ModelFileError";
}

export interface SaveModelOptions {
  /** Format of the weights in the file. */
  readonly floats?: "F32" | "F16" | "BF16";
  /** Free text beside the config, e.g. how it was trained. */
  readonly notes?: Readonly<Record<string, string>>;
}

/** Writes the weights that `model` reads (averaged ones, for an averaged view), with what rebuilds it. */
export async function saveModel(
  model: CausalWan,
  path: string,
  options: SaveModelOptions = {},
): Promise<void> {
  const { floats = "F32", notes = {} } = options;
  await writeSafetensors(path, model.weights, {
    floats,
    metadata: {
      ...notes,
      config: JSON.stringify(model.config),
      text: JSON.stringify(model.textEncoder.config),
    },
  });
}

export interface LoadModelOptions
  extends Pick<CausalWanOptions, "history" | "recorder" | "maxDistance" | "mergeWrites" | "cachePrecision"> {
  /** For files without our metadata: whose weights they are. */
  readonly preset?: PresetName;
  readonly textEncoder?: TextEncoder;
}

/**
 * Loads a model; weights become float32.
 * @throws ModelFileError when a tensor is missing or has another shape
 */
export async function loadModel(path: string, options: LoadModelOptions = {}): Promise<CausalWan> {
  const file = await openSafetensors(path);
  const loaded = new Map<string, Tensor>();
  try {
    const { config, textEncoder } = described(path, file.metadata, options);
    const shapes = weightShapes(config);
    const aliases = file.names.includes("patch_embedding.weight") && !file.names.includes("head.head.weight");
    const names = aliases ? diffusersNames(config) : new Map<string, string>();
    for (const [name, shape] of shapes) {
      const stored = names.get(name) ?? name;
      if (!file.names.includes(stored)) {
        throw new ModelFileError(
          `Cannot load ${path} as ${config.name} as it must hold "${stored}": it has ${file.names.length} other tensors. Name the preset that the file belongs to.`,
        );
      }
      const found = file.info(stored).shape;
      if (found.join() !== shape.join()) {
        throw new ModelFileError(
          `Cannot load ${path} as ${config.name} as "${stored}" must be [${shape}]: got [${found}]. Name the preset that the file belongs to.`,
        );
      }
      loaded.set(name, await file.read(stored));
    }
    return modelOf(config, textEncoder, loaded, options);
  } finally {
    tf.dispose([...loaded.values()]);
    await file.close();
  }
}

function described(
  path: string,
  metadata: Readonly<Record<string, string>>,
  { preset, textEncoder }: LoadModelOptions,
): { config: CausalWanConfig; textEncoder: TextEncoder } {
  const stored = metadata["config"];
  const config = stored ? withDefaults(JSON.parse(stored) as CausalWanConfig) : preset && presets[preset];
  if (!config) {
    throw new ModelFileError(
      `Cannot load ${path} as it does not say which model it is. Pass preset: one of ${Object.keys(presets).join(", ")}.`,
    );
  }
  const text = metadata["text"];
  const encoder = textEncoder ?? (text ? textEncoderFrom(JSON.parse(text) as TextEncoderConfig) : undefined);
  if (!encoder) {
    throw new ModelFileError(
      `Cannot load ${path} without a text encoder: it reads ${config.textDim}-dimensional tokens. Pass "textEncoder".`,
    );
  }
  return { config: checkConfig(config), textEncoder: encoder };
}

/** Fields that joined the config after the file was written come from its preset. */
function withDefaults(stored: CausalWanConfig): CausalWanConfig {
  const preset = Object.values(presets).find(({ name }) => name === stored.name) ?? presets.mini;
  return { ...preset, ...stored };
}

/** One line of data/checkpoints/manifest.json. */
export interface ShippedModel {
  readonly name: string;
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  /** How it was made, and of what codec its latents are. */
  readonly recipe: string;
  readonly forcing: string;
  readonly codec: { readonly name: string; readonly sha256: string };
  /** Settings of `rollout` that it was evaluated with. */
  readonly sampling: { readonly steps: number; readonly shift: number; readonly guidanceScale: number };
  /** Trained with routed history of so many chunks, which is then its default, at most a trained distance away. */
  readonly topK?: number;
  /** Shares and means over free rollouts of held-out prompts; see recipes/evaluate. */
  readonly evaluation: Readonly<Record<string, number>>;
}

const checkpoints = () => join(packageRoot, "data", "checkpoints");

/** The models that come with the package. */
export async function shippedModels(): Promise<readonly ShippedModel[]> {
  const text = await readFile(join(checkpoints(), "manifest.json"), "utf8");
  return (JSON.parse(text) as { models: ShippedModel[] }).models;
}

/**
 * A model that comes with the package, its file checked against the manifest.
 * @example const model = await pretrained("mini-resampling-forcing");
 */
export async function pretrained(
  name = "mini-resampling-forcing",
  options: LoadModelOptions = {},
): Promise<CausalWan> {
  const models = await shippedModels();
  const entry = models.find((model) => model.name === name);
  if (!entry) {
    throw new RangeError(
      `Cannot load "${name}" as it is not shipped. Choose from ${models.map((m) => m.name).join(", ")}.`,
    );
  }
  const path = join(checkpoints(), entry.file);
  const sha256 = createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
  if (sha256 !== entry.sha256) {
    throw new ModelFileError(
      `Cannot load ${path} as its checksum must be ${entry.sha256}: got ${sha256}. Restore the file from the repository.`,
    );
  }
  if (entry.topK === undefined || options.history) return loadModel(path, options);
  const model = await loadModel(path, options);
  return model.withHistory(routing({ topK: entry.topK }), {
    maxDistance: options.maxDistance ?? model.config.trainedChunks - 1,
  });
}
