import { beforeAll, expect, test } from "vitest";
import { textEncoderFrom, wordEncoder, worldText } from "../../src/model/text.ts";
import { tf } from "../../src/tensor/tf.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

test("words and their places are one-hot, padding and the empty prompt are zero", async () => {
  const encoder = wordEncoder(["red", "ball"], { length: 3 });
  expect(encoder.dim).toBe(5);
  const tokens = encoder.encode(["Red ball!", ""]);
  expect(tokens.shape).toEqual([2, 3, 5]);
  const [first, empty] = (await tokens.array()) as number[][][];
  // Vocabulary is sorted: ball, red; then three places.
  expect(first).toEqual([
    [0, 1, 1, 0, 0],
    [1, 0, 0, 1, 0],
    [0, 0, 0, 0, 0],
  ]);
  expect(empty!.flat().every((x) => x === 0)).toBe(true);
});

test("unknown words warn once and name the known ones", () => {
  const warnings: string[] = [];
  const encoder = wordEncoder(["red", "ball"], { warn: (message) => warnings.push(message) });
  encoder.encode(["a red dragon", "a dragon"]);
  expect(warnings).toEqual([
    'Word "a" is not in the model\'s vocabulary and is ignored. Known words: ball red.',
    'Word "dragon" is not in the model\'s vocabulary and is ignored. Known words: ball red.',
  ]);
  const world: string[] = [];
  worldText({ warn: (message) => world.push(message) }).encode(["a red dragon"]);
  expect(world[0]).toContain("dragon");
  expect(world[0]).toContain("Known words: a red");
});

test("a checkpoint's config rebuilds the encoder", async () => {
  for (const encoder of [worldText(), wordEncoder(["x", "y"], { length: 4 })]) {
    const again = textEncoderFrom(JSON.parse(JSON.stringify(encoder.config)));
    expect([again.dim, again.length]).toEqual([encoder.dim, encoder.length]);
    expect(await again.encode(["a red ball x"]).array()).toEqual(
      await encoder.encode(["a red ball x"]).array(),
    );
  }
  expect(() => wordEncoder([])).toThrow("Cannot encode prompts as the vocabulary is empty");
});
