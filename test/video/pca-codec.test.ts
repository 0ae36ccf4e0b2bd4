import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { packageRoot } from "../../src/tensor/package-root.ts";
import { tf } from "../../src/tensor/tf.ts";
import { unstackVideos } from "../../src/video/dataset.ts";
import { covarianceEigen } from "../../src/video/eigen.ts";
import { fitPcaCodec, loadPcaCodec, pcaCodec, savePcaCodec, worldCodec } from "../../src/video/pca-codec.ts";
import { fitWorldCodec } from "../../src/video/recipes/world-codec.ts";
import { scenes } from "../../src/video/world/grammar.ts";
import { world } from "../../src/video/world/world.ts";

const psnr = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10(4 / (sum / a.length));
};

beforeAll(async () => {
  await tf.setBackend("cpu");
});

describe("pca codec", () => {
  it("reconstructs held-out clips of every scene at 30 dB or better", async () => {
    const codec = worldCodec();
    for (const scene of scenes) {
      const clips = world({ scenes: [scene], numClips: 12, numFrames: 8, seed: 99 });
      const { videos } = clips.batch([...Array(12).keys()]);
      const latents = codec.encode(videos);
      expect(latents.shape).toEqual([12, ...codec.latentShape(8, 32, 32)]);
      const back = codec.decode(latents);
      expect(
        psnr((await back.data()) as Float32Array, (await videos.data()) as Float32Array),
        scene,
      ).toBeGreaterThan(30);
    }
  });

  it("gives latents of about unit variance over all scenes and encodes each patch on its own", async () => {
    const codec = worldCodec();
    const { videos } = world({ scenes, numClips: 40, numFrames: 8, seed: 98 }).batch([...Array(40).keys()]);
    const rms = tf.moments(codec.encode(videos)).variance.dataSync()[0]!;
    expect(rms).toBeGreaterThan(0.8);
    expect(rms).toBeLessThan(1.2);
    // Changing the patch at (1, 2) must change that latent cell only.
    const changed = await unstackVideos(videos);
    const v = changed[0]!.data;
    for (let i = 8; i < 16; i++) for (let j = 16; j < 24; j++) v[(i * 32 + j) * 3] = 1;
    const before = codec.encode(videos).slice([0, 0, 0, 0, 0], [1, 1, 4, 4, 64]).dataSync();
    const after = codec
      .encode(tf.tensor(v, [1, 8, 32, 32, 3]))
      .slice([0, 0, 0, 0, 0], [1, 1, 4, 4, 64])
      .dataSync();
    const cells = new Set<number>();
    before.forEach((value, i) => {
      if (Math.abs(value - after[i]!) > 1e-4) cells.add(Math.floor(i / 64));
    });
    expect([...cells]).toEqual([6]);
  });

  it("survives saving and loading to the bit, and ships below 100 kB", () => {
    const weights = fitPcaCodec(world({ numClips: 12, numFrames: 8, seed: 1 }), { patch: 4, channels: 12 });
    const path = join(mkdtempSync(join(tmpdir(), "codec-")), "c.json");
    savePcaCodec(path, weights);
    expect(loadPcaCodec(path)).toEqual(weights);
    expect(pcaCodec(weights).latentShape(3, 32, 32)).toEqual([3, 8, 8, 12]);
    expect(statSync(join(packageRoot, "data/codec/world-pca-64.json")).size).toBeLessThan(100_000);
  });

  it("ships what its recipe gives", () => {
    const [fitted, shipped] = [
      fitWorldCodec(),
      loadPcaCodec(join(packageRoot, "data/codec/world-pca-64.json")),
    ];
    expect(fitted.recipe).toBe(shipped.recipe);
    expect(fitted.scale).toBeCloseTo(shipped.scale, 6);
    // Equal to the bit on one machine; sines may differ in the last digit on another.
    const worst = fitted.basis.reduce((most, v, i) => Math.max(most, Math.abs(v - shipped.basis[i]!)), 0);
    expect(worst).toBeLessThan(1e-3);
  });

  it("names the remedy for shapes it cannot take", () => {
    const codec = worldCodec();
    expect(() => codec.latentShape(1, 30, 32)).toThrow(/must be multiples of 8\. Resize/);
    expect(() => codec.encode(tf.zeros([1, 2, 32, 32, 4]))).toThrow(
      /videos must be a tensor \[B, frames, height, width, 3\]/,
    );
    expect(() => codec.encode(world().clip(0).video as never)).toThrow(
      /got no tensor\. Of a clip: tf\.tensor5d\(clip\.data/,
    );
    expect(() => codec.decode(tf.zeros([1, 2, 4, 4, 8]))).toThrow(
      /latents are \[B, frames, height, width, 64\]/,
    );
  });
});

describe("eigenvectors", () => {
  it("diagonalise a symmetric matrix: A v = lambda v, orthonormal, falling", () => {
    const n = 6;
    const a = Float64Array.from({ length: n * n }, (_, k) => 1 / (1 + Math.floor(k / n) + (k % n)));
    const { values, vectors } = covarianceEigen(a.slice(), n, n);
    for (let k = 0; k < n; k++) {
      for (let i = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j < n; j++) sum += a[i * n + j]! * vectors[j * n + k]!;
        expect(sum).toBeCloseTo(values[k]! * vectors[i * n + k]!, 10);
      }
      if (k > 0) expect(values[k]!).toBeLessThanOrEqual(values[k - 1]!);
    }
  });
});
