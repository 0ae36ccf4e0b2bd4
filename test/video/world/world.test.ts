import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../../src/tensor/package-root.ts";
import { promptsOf, scenes } from "../../../src/video/world/grammar.ts";
import { bounceHeight, gravity, reflect, worldSize } from "../../../src/video/world/physics.ts";
import { holdOut, world, worldClip } from "../../../src/video/world/world.ts";

const bytes = (v: Float32Array) => Buffer.from(v.buffer, v.byteOffset, v.byteLength);

describe("world", () => {
  it("makes the same clip for the same seed and index, whatever was asked before", () => {
    const a = world({ scenes, numClips: 40, seed: 5 });
    const b = world({ scenes, numClips: 40, seed: 5 });
    b.clip(3);
    expect(b.clip(17).video.data).toEqual(a.clip(17).video.data);
    expect(b.clip(17).prompt).toBe(a.clip(17).prompt);
    expect(world({ scenes, numClips: 40, seed: 6 }).clip(17).video.data).not.toEqual(a.clip(17).video.data);
  });

  it("continues a short clip when asked for a longer one", () => {
    const short = world({ scenes, numClips: 30, numFrames: 8, seed: 1 });
    const long = world({ scenes, numClips: 30, numFrames: 40, seed: 1 });
    for (let i = 0; i < 30; i++) {
      const head = short.clip(i).video.data;
      expect(Buffer.compare(bytes(long.clip(i).video.data.subarray(0, head.length)), bytes(head))).toBe(0);
    }
  });

  it("keeps values in range, objects inside, water rising and objects visible for 200 frames", () => {
    const clips = world({ scenes, numClips: 40, numFrames: 200, seed: 2 });
    for (let i = 0; i < clips.length; i++) {
      const { video, state, scene } = clips.clip(i);
      expect(video.data.every((v) => v >= -1 && v <= 1)).toBe(true);
      if (scene !== "move") {
        for (const { x, y, halfSize } of state.objects) {
          for (const p of [...x, ...y]) {
            expect(p).toBeGreaterThanOrEqual(halfSize - 1e-4);
            expect(p).toBeLessThanOrEqual(worldSize - halfSize + 1e-4);
          }
        }
      }
      state.glass?.level.forEach((level, f, all) => {
        if (f > 0) expect(level).toBeGreaterThanOrEqual(all[f - 1]!);
      });
    }
  });

  it("never lets two objects overlap, in collisions least of all", () => {
    const clips = world({ scenes: ["pair", "relation", "collide"], numClips: 60, numFrames: 120, seed: 3 });
    for (let i = 0; i < clips.length; i++) {
      const [a, b] = clips.clip(i).state.objects;
      for (let f = 0; f < 120; f++) {
        const gap = Math.max(Math.abs(a!.x[f]! - b!.x[f]!), Math.abs(a!.y[f]! - b!.y[f]!));
        expect(gap).toBeGreaterThan(a!.halfSize + b!.halfSize - 1e-3);
      }
    }
  });

  it("obeys its laws: elastic walls, constant gravity, energy kept over any number of bounces", () => {
    expect(reflect(5, 0, 4)).toBe(3);
    expect(reflect(-1, 0, 4)).toBe(1);
    expect(reflect(9, 0, 4)).toBe(1);
    const height = (t: number) => bounceHeight(t, 20);
    expect(height(0)).toBe(20);
    expect(height(2) - 2 * height(1) + height(0)).toBeCloseTo(-gravity, 10);
    const period = 2 * Math.sqrt((2 * 20) / gravity);
    expect(height(50 * period)).toBeCloseTo(20, 6);
  });

  it("collides equal masses: momentum goes over, the first comes to rest", () => {
    const { state } = worldClip("a red ball hits a blue square", { numFrames: 60, seed: 4 });
    const step = (x: Float32Array, f: number) => x[f + 1]! - x[f]!;
    const [a, b] = state.objects;
    const total = step(a!.x, 0) + step(b!.x, 0);
    const after = Array.from({ length: 50 }, (_, f) => f).find((f) => Math.abs(step(b!.x, f)) > 0.9);
    expect(after).toBeDefined();
    expect(step(a!.x, after! + 1)).toBeCloseTo(0, 4);
    expect(Math.abs(step(b!.x, after! + 1))).toBeCloseTo(Math.abs(total), 4);
  });

  it("hides the object completely behind the wall and shows it again", () => {
    let hidden = 0;
    for (let seed = 0; seed < 10; seed++) {
      const { state } = worldClip("a green ball passes behind a wall", { numFrames: 48, seed });
      const { x, halfSize } = state.objects[0]!;
      const { left, right } = state.wall!;
      const covered = [...x].map((p) => p - halfSize >= left && p + halfSize <= right);
      if (covered.includes(true) && covered.lastIndexOf(true) < covered.lastIndexOf(false)) hidden++;
    }
    expect(hidden).toBeGreaterThanOrEqual(8);
  });

  it("draws only from given prompts, and splits them reproducibly", () => {
    const { train, heldOut } = holdOut(promptsOf(["glide"]), { share: 0.2, seed: 0 });
    expect(heldOut).toHaveLength(11);
    expect([...train, ...heldOut].sort()).toEqual([...promptsOf(["glide"])].sort());
    const clips = world({ prompts: heldOut, numClips: 50, numFrames: 8 });
    for (let i = 0; i < 50; i++) expect(heldOut).toContain(clips.clip(i).prompt);
  });

  it("holds out the prompts that are written in data/prompts", () => {
    const { heldOut } = holdOut(promptsOf(["still", "glide", "bounce"]), { share: 0.1, seed: 0 });
    const written = readFileSync(join(packageRoot, "data/prompts/world-held-out.txt"), "utf8");
    expect(`${heldOut.join("\n")}\n`).toBe(written);
  });

  it("says what is wrong with its options and its indices", () => {
    expect(() => world({ scenes: [] })).toThrow(/without scenes\. Choose from still, glide/);
    expect(() => world({ numFrames: 0 })).toThrow(
      /^Cannot make a world as "numFrames" must be a positive integer: got 0\. Leave it out for the default\.$/,
    );
    expect(() => worldClip("a red ball stays still", { numFrames: 0 })).toThrow(
      'Cannot make a clip as "numFrames" must be a positive integer: got 0. Leave it out for the default.',
    );
    expect(() => worldClip("a red ball stays still", { fps: Number.NaN })).toThrow(
      '"fps" must be positive: got NaN',
    );
    expect(() => world({ scenes: ["bounce"], prompts: ["a red ball stays still"] })).toThrow(
      /none of the given prompts belongs to bounce/,
    );
    expect(() => world({ numClips: 4 }).clip(4)).toThrow(/it has 4 clips\. Ask for 0 to 3/);
  });
});
