import { expect, test } from "vitest";
import { type ToyFrame, toyMixture } from "../../../src/search/toy/evo-toy.ts";
import { toyVideo } from "../../../src/search/toy/toy-picture.ts";

const frame = (method: ToyFrame["method"], step: number, ...points: number[]): ToyFrame => ({
  method,
  step,
  reward: 0,
  points: Float32Array.from(points),
});

test("a panel per method, points where they belong, the last third shows what was delivered", () => {
  const frames = [
    frame("pretrained", -1, 3, 3),
    frame("EvoSearch", 0, -3, 3),
    frame("EvoSearch", -1, -3, -3),
  ];
  const clip = toyVideo(toyMixture(), frames, { size: 60, numFrames: 6, columns: 2 });
  expect([clip.numFrames, clip.height, clip.width]).toEqual([6, 60, 120]);
  const redAt = (f: number, row: number, column: number) => {
    const at = ((f * 60 + row) * 120 + column) * 3;
    return clip.data[at]! - clip.data[at + 1]! > 1;
  };
  expect([redAt(0, 14, 44), redAt(0, 14, 74), redAt(0, 44, 74)]).toEqual([true, true, false]);
  expect([redAt(5, 14, 44), redAt(5, 14, 74), redAt(5, 44, 74)]).toEqual([true, false, true]);
  expect(() => toyVideo(toyMixture(), [])).toThrow("Cannot draw the toy without frames");
  expect(toyVideo(toyMixture(), [frame("particles", 0, 99, 99)], { size: 20, numFrames: 1 }).width).toBe(20);
});
