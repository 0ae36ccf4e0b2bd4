import { describe, expect, it } from "vitest";
import { philox4x32, philoxBlocks } from "../../src/tensor/philox.ts";
import { rng } from "../../src/tensor/rng.ts";
import { philoxKeys } from "./philox-keys.ts";

describe("philox4x32", () => {
  // Known-answer vectors of Random123 (kat_vectors, philox4x32 10).
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)("counter %j, key %j", (counter, key, expected) => {
    const out = new Uint32Array(4);
    philox4x32(counter, key, out);
    expect([...out]).toEqual([...expected]);
  });
});

it("the fast blocks are those of the reference", () => {
  for (const key of philoxKeys) {
    const [fast, slow] = [new Uint32Array(4096), new Uint32Array(4096)];
    philoxBlocks(key, fast);
    for (let i = 0; i < 1024; i++) philox4x32([i, 0, 0, 0], key, slow, 4 * i);
    expect(fast).toEqual(slow);
  }
});

describe("rng", () => {
  it("gives the same values for the same path, whatever was drawn before", () => {
    const a = rng(1);
    a.normal(100);
    expect(a.at("noise", 3).normal(5)).toEqual(rng(1).at("noise", 3).normal(5));
    expect(a.at("noise").at(3).normal(5)).toEqual(rng(1).at("noise", 3).normal(5));
  });

  it("separates seeds, names, indices, and numbers from their spelling", () => {
    const first = (r: ReturnType<typeof rng>) => r.float();
    const draws = [
      rng(0),
      rng(1),
      rng(-1),
      rng(0).at("a"),
      rng(0).at("b"),
      rng(0).at(1),
      rng(0).at("1"),
      rng(0).at("a", "b"),
      rng(0).at("ab"),
    ];
    expect(new Set(draws.map(first)).size).toBe(draws.length);
  });

  it("draws a prefix of a longer draw", () => {
    expect(rng(5).normal(7)).toEqual(rng(5).normal(100).slice(0, 7));
  });

  it("normals have the moments of N(0, 1)", () => {
    const n = 200_000;
    const x = rng(2).normal(n);
    const moment = (k: number) => x.reduce((sum, v) => sum + v ** k, 0) / n;
    // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(15/n), sqrt(96/n).
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });

  it("permutes", () => {
    expect([...rng(3).permutation(50)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
  });

  it("refuses a path step that is no address", () => {
    expect(() => rng(0).at(0.5)).toThrow(/a path step is a string or an integer/);
  });
});
