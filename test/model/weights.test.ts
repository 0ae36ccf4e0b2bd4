import { describe, expect, test } from "vitest";
import { presetConfig } from "../../src/model/causal-wan.ts";
import { checkConfig, presets } from "../../src/model/config.ts";
import { ropeAngles, ropeSplit } from "../../src/model/rope-table.ts";
import { countParameters, initialWeight, isBlockMatrix, weightShapes } from "../../src/model/weights.ts";
import { rng } from "../../src/tensor/rng.ts";

describe("the Wan presets are the released checkpoints, tensor by tensor", () => {
  test.each([
    ["wan2.1-1.3b", 30, 1_418_996_800, 46_440_704],
    ["wan2.1-14b", 40, 14_288_491_584, 351_394_304],
  ] as const)("%s", (name, layers, total, perBlock) => {
    const config = presets[name];
    const shapes = weightShapes(config);
    expect(shapes.size).toBe(27 * layers + 15);
    expect(countParameters(config)).toBe(total);
    expect(countParameters(config) - countParameters({ ...config, layers: layers - 1 })).toBe(perBlock);
  });

  test("names and shapes of the 1.3B state dict", () => {
    const shapes = weightShapes(presets["wan2.1-1.3b"]);
    expect(shapes.size).toBe(825);
    const sample = {
      "patch_embedding.weight": [1536, 16, 1, 2, 2],
      "text_embedding.0.weight": [1536, 4096],
      "text_embedding.2.bias": [1536],
      "time_embedding.0.weight": [1536, 256],
      "time_projection.1.weight": [9216, 1536],
      "blocks.0.modulation": [1, 6, 1536],
      "blocks.29.self_attn.norm_q.weight": [1536],
      "blocks.7.cross_attn.o.weight": [1536, 1536],
      "blocks.7.norm3.bias": [1536],
      "blocks.7.ffn.0.weight": [8960, 1536],
      "blocks.7.ffn.2.weight": [1536, 8960],
      "head.modulation": [1, 2, 1536],
      "head.head.weight": [64, 1536],
    };
    for (const [name, shape] of Object.entries(sample)) expect(shapes.get(name), name).toEqual(shape);
    expect([...shapes.keys()].some((name) => name.includes("chunk_position"))).toBe(false);
  });
});

test("mini and small have the advertised sizes", () => {
  expect(countParameters(presetConfig("mini"))).toBeGreaterThan(1e6);
  expect(countParameters(presetConfig("mini"))).toBeLessThan(2e6);
  expect(countParameters(presetConfig("small"))).toBeGreaterThan(4e6);
  expect(countParameters(presetConfig("small"))).toBeLessThan(6e6);
});

test("Muon's matrices are the linears inside the blocks", () => {
  const names = [...weightShapes(presets["wan2.1-1.3b"]).keys()].filter(isBlockMatrix);
  expect(names).toHaveLength(30 * 10);
  expect(names).toContain("blocks.3.cross_attn.k.weight");
  expect(names).not.toContain("blocks.3.self_attn.norm_q.weight");
});

test("rotation follows Wan: 44/42/42 features of a head of 128, angle = position * theta^(-2j/n)", () => {
  expect(ropeSplit(128)).toEqual([44, 42, 42]);
  const config = { ...presets["wan2.1-1.3b"], chunkShape: [3, 4, 4, 16] } as const;
  const angles = ropeAngles(config, [2]);
  // Chunk 2 starts at frame 6; its last token is frame 8, row 1, column 1 of 2x2 patches.
  const last = angles.subarray(-64);
  expect(last[0]).toBe(8);
  expect(last[1]).toBeCloseTo(8 * 10000 ** (-2 / 44), 12);
  expect(last[22]).toBe(1);
  expect(last[43]).toBe(1);
  expect(angles.subarray(0, 64)[0]).toBe(6);
});

test("initial values depend on seed and name only; norms start at one, the head at zero", () => {
  const config = presetConfig("mini");
  const name = "blocks.1.ffn.0.weight";
  const shape = weightShapes(config).get(name)!;
  expect(initialWeight(config, name, shape, rng(3))).toEqual(initialWeight(config, name, shape, rng(3)));
  expect(initialWeight(config, name, shape, rng(3))[0]).not.toBe(
    initialWeight(config, name, shape, rng(4))[0],
  );
  expect(Math.max(...initialWeight(config, name, shape, rng(0)))).toBeLessThanOrEqual(
    Math.sqrt(6 / (512 + 128)),
  );
  expect(initialWeight(config, "head.head.weight", [64, 128], rng(0)).every((x) => x === 0)).toBe(true);
  expect(initialWeight(config, "blocks.0.self_attn.norm_q.weight", [128], rng(0))[5]).toBe(1);
});

test("impossible configs are named", () => {
  expect(() => checkConfig({ ...presetConfig("mini"), heads: 3 })).toThrow(
    'Cannot build CausalWan as "dim" must be a multiple of 2 x "heads": got 128 and 3 heads.',
  );
  expect(() => checkConfig({ ...presetConfig("mini"), patch: 3 })).toThrow(
    '"patch" must divide the latent height and width: got patch 3 for 4x4',
  );
});
