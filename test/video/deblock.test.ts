import { beforeAll, describe, expect, it } from "vitest";
import { rng } from "../../src/tensor/rng.ts";
import { type Tensor, tf } from "../../src/tensor/tf.ts";
import { deblock, deblocked } from "../../src/video/deblock.ts";
import { worldCodec } from "../../src/video/pca-codec.ts";
import { world } from "../../src/video/world/world.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const psnr = (a: Tensor, b: Tensor): number =>
  10 * Math.log10(4 / (a.sub(b).square().mean().dataSync()[0] as number));
/** One row of pixels, 16 wide, as a video of one frame of height 8. */
const row = (values: readonly number[]) =>
  tf.tensor(
    Float32Array.from({ length: 8 * 16 * 3 }, (_, i) => values[Math.floor(i / 3) % 16]!),
    [1, 1, 8, 16, 3],
  );
const firstRow = (video: Tensor) => [...video.slice([0, 0, 0, 0, 0], [1, 1, 1, 16, 1]).dataSync()];

describe("deblocking", () => {
  it("spreads a small step between two flat patches over both, and leaves the middles", () => {
    const step = [...new Array<number>(8).fill(0), ...new Array<number>(8).fill(0.06)];
    const out = firstRow(deblock(row(step), 8));
    // 0.06 < limit 0.3: gate sqrt(0.8), ramp 7/16, 5/16, 3/16, 1/16 of the step on each side.
    const gate = Math.sqrt(0.8);
    expect(out[7]).toBeCloseTo(0.06 * gate * (7 / 16), 5);
    expect(out[4]).toBeCloseTo(0.06 * gate * (1 / 16), 5);
    expect(out[8]).toBeCloseTo(0.06 - 0.06 * gate * (7 / 16), 5);
    expect(out.slice(0, 4)).toEqual([0, 0, 0, 0]);
  });

  it("leaves content: a large step, and a step beside an edge", () => {
    const large = [...new Array<number>(8).fill(-0.5), ...new Array<number>(8).fill(0.5)];
    expect(firstRow(deblock(row(large), 8))).toEqual(large);
    const edge = [0, 0, 0, 0, 0, 0, 0, 0.5, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55, 0.55];
    firstRow(deblock(row(edge), 8)).forEach((value, i) => {
      expect(value).toBeCloseTo(edge[i]!, 6);
    });
  });

  it("never harms clean clips and gains a quarter of a decibel or more on latents with a model's errors", () => {
    const codec = worldCodec();
    const smooth = deblocked(codec);
    for (const scene of ["bounce", "pair", "pour", "style"] as const) {
      const { videos } = world({ scenes: [scene], numClips: 8, numFrames: 2, seed: 50 }).batch([
        ...Array(8).keys(),
      ]);
      const latents = codec.encode(videos);
      expect(psnr(smooth.decode(latents), videos), scene).toBeGreaterThan(
        psnr(codec.decode(latents), videos) - 0.05,
      );
      // The leading components carry the patch's level and slope: errors there make seams.
      const errors = rng(1)
        .normal(latents.size)
        .map((v, i) => v * (i % 64 < 6 ? 0.4 : 0.1));
      const spoiled = latents.add(tf.tensor(errors, latents.shape));
      const gain = psnr(smooth.decode(spoiled), videos) - psnr(codec.decode(spoiled), videos);
      expect(gain, scene).toBeGreaterThan(0.25);
    }
  });

  it("keeps the latents and names its limits", () => {
    const codec = worldCodec();
    const videos = tf.zeros([1, 1, 32, 32, 3]);
    expect(deblocked(codec).encode(videos).dataSync()).toEqual(codec.encode(videos).dataSync());
    expect(() => deblock(videos, 3)).toThrow(/an even patch of at least 4/);
    expect(() => deblock(videos, 8, { limit: 0 })).toThrow(/limit must be positive/);
  });
});
