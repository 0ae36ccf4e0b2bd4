import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { worldScore } from "../../src/metrics/world-score.ts";
import { pretrained, shippedModels } from "../../src/model/model-file.ts";
import { rolloutClip } from "../../src/sample/rollout.ts";
import { useDevice } from "../../src/tensor/device.ts";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { worldCodec } from "../../src/video/pca-codec.ts";

beforeAll(async () => {
  await useDevice("auto");
});

test("the manifest says which codec the latents are of, and it is the package's", async () => {
  const codec = readFileSync(join(packageRoot, "data", "codec", "world-pca-64.json"));
  const sha256 = createHash("sha256").update(codec).digest("hex");
  const models = await shippedModels();
  expect(models.map(({ name }) => name)).toContain("mini-resampling-forcing");
  for (const model of models) expect(model.codec.sha256, model.name).toBe(sha256);
});

test("all shipped files stay small", async () => {
  const models = await shippedModels();
  const bytes = models.map(({ file }) => statSync(join(packageRoot, "data", "checkpoints", file)).size);
  expect(models.map((model) => model.bytes)).toEqual(bytes);
  expect(bytes.reduce((a, b) => a + b, 0)).toBeLessThan(12 * 2 ** 20);
});

test("the shipped model draws what it is asked for", { timeout: 120_000 }, async () => {
  const model = await pretrained();
  const [entry] = (await shippedModels()).filter(({ name }) => name === "mini-resampling-forcing");
  // Prompts of the training set: colour and object are right in over 90 % of clips, so four of six is no gamble.
  const prompts = [
    "red ball",
    "cyan square",
    "green triangle",
    "blue ball",
    "magenta square",
    "yellow ball",
  ].map((object) => `a ${object} stays still`);
  const { videos, latents } = await rolloutClip(model, {
    ...entry!.sampling,
    prompts,
    chunks: 4,
    codec: worldCodec(),
  });
  const right = videos.filter((video, i) => {
    const { correct } = worldScore(video, prompts[i]!);
    return correct.object && correct.colour;
  });
  expect(right.length).toBeGreaterThanOrEqual(4);
  latents.dispose();
});

test("models that are not shipped are named", async () => {
  await expect(pretrained("huge")).rejects.toThrow(
    'Cannot load "huge" as it is not shipped. Choose from mini-',
  );
});
