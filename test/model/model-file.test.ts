import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { presets } from "../../src/model/config.ts";
import { diffusersNames } from "../../src/model/diffusers-names.ts";
import { loadModel, saveModel } from "../../src/model/model-file.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { prompts, tinyClip, tinyModel } from "./tiny-model.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "zoetrope-model-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const velocityOf = (model: ReturnType<typeof tinyModel>) =>
  model.velocity(tinyClip(model, 1, 1), 0.5, model.emptyHistory(2), model.encode(prompts));
const gap = (a: Tensor, b: Tensor) => a.sub(b).abs().max().dataSync()[0]!;

test("a saved model comes back with config, text encoder and weights", async () => {
  const model = tinyModel();
  const path = join(folder, "model.safetensors");
  await saveModel(model, path);
  const again = await loadModel(path);
  expect(again.config).toEqual(model.config);
  expect(gap(velocityOf(again), velocityOf(model))).toBe(0);
  await saveModel(model, path, { floats: "F16" });
  // Half precision keeps 11 bits of each weight.
  expect(gap(velocityOf(await loadModel(path)), velocityOf(model))).toBeLessThan(0.02);
});

test("a diffusers file is read under its own names", async () => {
  const model = tinyModel();
  const names = diffusersNames(model.config);
  const path = join(folder, "diffusers.safetensors");
  const metadata = { config: JSON.stringify(model.config), text: JSON.stringify(model.textEncoder.config) };
  await writeSafetensors(path, new Map([...model.weights].map(([name, x]) => [names.get(name)!, x])), {
    metadata,
  });
  expect(gap(velocityOf(await loadModel(path)), velocityOf(model))).toBe(0);
});

test("diffusers names of the 1.3B model", () => {
  const names = diffusersNames(presets["wan2.1-1.3b"]);
  expect(new Set(names.values()).size).toBe(825);
  const sample = {
    "patch_embedding.weight": "patch_embedding.weight",
    "time_embedding.2.bias": "condition_embedder.time_embedder.linear_2.bias",
    "text_embedding.0.weight": "condition_embedder.text_embedder.linear_1.weight",
    "time_projection.1.weight": "condition_embedder.time_proj.weight",
    "blocks.4.modulation": "blocks.4.scale_shift_table",
    "blocks.4.self_attn.q.weight": "blocks.4.attn1.to_q.weight",
    "blocks.4.self_attn.norm_k.weight": "blocks.4.attn1.norm_k.weight",
    "blocks.4.cross_attn.o.bias": "blocks.4.attn2.to_out.0.bias",
    "blocks.4.norm3.weight": "blocks.4.norm2.weight",
    "blocks.4.ffn.0.weight": "blocks.4.ffn.net.0.proj.weight",
    "blocks.4.ffn.2.bias": "blocks.4.ffn.net.2.bias",
    "head.modulation": "scale_shift_table",
    "head.head.weight": "proj_out.weight",
  };
  for (const [original, renamed] of Object.entries(sample)) expect(names.get(original)).toBe(renamed);
});

test("a file of another model is refused with the tensor that differs", async () => {
  const path = join(folder, "model.safetensors");
  await writeSafetensors(path, tinyModel().weights);
  await expect(loadModel(path)).rejects.toThrow(
    "as it does not say which model it is. Pass preset: one of mini, small,",
  );
  const { textEncoder } = tinyModel();
  await expect(loadModel(path, { preset: "wan2.1-1.3b", textEncoder })).rejects.toThrow(
    'as wan2.1-1.3b as "patch_embedding.weight" must be [1536,16,1,2,2]: got [24,4,1,1,1].',
  );
});
