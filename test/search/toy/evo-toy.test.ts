import { expect, test } from "vitest";
import {
  type EvoToy,
  evoToy,
  type ToyFrame,
  toyEvoSearch,
  toyMixture,
  toyModes,
} from "../../../src/search/toy/evo-toy.ts";
import { mixture } from "../../../src/search/toy/mixture.ts";
import { planeModel, pretrain, ringReward } from "../../../src/search/toy/plane-model.ts";
import { useDevice } from "../../../src/tensor/device.ts";
import { rng } from "../../../src/tensor/rng.ts";
import { tf } from "../../../src/tensor/tf.ts";

async function finish(run: AsyncGenerator<ToyFrame, EvoToy>): Promise<{ frames: ToyFrame[]; toy: EvoToy }> {
  const frames: ToyFrame[] = [];
  for (;;) {
    const next = await run.next();
    if (next.done) return { frames, toy: next.value };
    frames.push(next.value);
  }
}

test("the exact velocity is -(x + t grad log p_t) / (1 - t), by finite differences of the density", () => {
  const data = toyMixture();
  for (const t of [0.1, 0.5, 0.9]) {
    const noisy = mixture(
      data.components.map(({ x, y, weight, deviation }) => ({
        x: (1 - t) * x,
        y: (1 - t) * y,
        weight,
        deviation: Math.hypot((1 - t) * deviation, t),
      })),
    );
    for (const [x, y] of [
      [0.3, -0.7],
      [2, 1],
      [-4, 4],
    ] as const) {
      const v = data.velocity(tf.tensor2d([[x, y]]), t).dataSync();
      const h = 1e-4;
      const slope = [
        (noisy.logDensity(x + h, y) - noisy.logDensity(x - h, y)) / (2 * h),
        (noisy.logDensity(x, y + h) - noisy.logDensity(x, y - h)) / (2 * h),
      ];
      // E[eps | x] = -t grad log p_t and x = (1-t) E[x_0] + t E[eps], so v = E[eps] - E[x_0].
      [x, y].forEach((value, i) => {
        expect(v[i]!).toBeCloseTo(-(value + t * slope[i]!) / (1 - t), 2);
      });
    }
  }
});

test("samples have the mixture's weights, and the light components lie on the circle", () => {
  const data = toyMixture();
  const points = data.sample(20_000, rng(0));
  let near = 0;
  for (let i = 0; i < points.length; i += 2) if (Math.hypot(points[i]!, points[i + 1]!) < 3.2) near++;
  const share = data.components
    .filter(({ deviation }) => deviation === 0.25)
    .reduce((sum, { weight }) => sum + weight, 0);
  const total = data.components.reduce((sum, { weight }) => sum + weight, 0);
  // Standard error .002; the far components reach inside 3.2 with probability below .001.
  expect(Math.abs(near / 20_000 - share / total)).toBeLessThan(0.01);
  expect(toyModes(data)).toHaveLength(6);
  expect(ringReward(0, 2)).toBeCloseTo(0);
  expect(ringReward(3, 0)).toBe(-5);
});

test("with the exact field: EvoSearch delivers more reward than best-of-N at equal NFE and covers every mode", async () => {
  const { toy, frames } = await finish(evoToy({ field: "exact", budget: 400, points: 50 }));
  const row = (method: string) => toy.rows.find((one) => one.method === method)!;
  expect(toy.rows.map((one) => one.method)).toEqual(["pretrained", "best-of-N", "particles", "EvoSearch"]);
  expect(row("pretrained").reward).toBeLessThan(-10);
  expect(row("EvoSearch").reward).toBeGreaterThan(row("best-of-N").reward + 0.1);
  expect(row("EvoSearch").coverage).toBe(1);
  expect(row("EvoSearch").nfe).toBeLessThanOrEqual(row("best-of-N").nfe);
  expect(row("EvoSearch").nfe).toBeGreaterThan(0.95 * row("best-of-N").nfe);
  const means = frames
    .filter((frame) => frame.method === "EvoSearch" && frame.step >= 0)
    .map((frame) => frame.reward);
  expect(means).toEqual([...means].sort((a, b) => a - b));
});

test("the network learns the field; both ways of fine-tuning raise reward and lose diversity", async () => {
  await useDevice("native").catch(() => useDevice("cpu"));
  const model = planeModel({ seed: 1 });
  const losses: number[] = [];
  for await (const { loss } of pretrain(model, toyMixture(), { steps: 300, seed: 1 })) losses.push(loss);
  expect(losses.at(-1)!).toBeLessThan(0.6 * losses[0]!);
  model.dispose();

  const { toy } = await finish(
    evoToy({ pretrainSteps: 500, fineTuneSteps: 30, budget: 100, points: 40, steps: 10 }),
  );
  const row = (method: string) => toy.rows.find((one) => one.method === method)!;
  for (const method of ["policy gradient", "back-propagation"]) {
    expect(row(method).reward).toBeGreaterThan(row("pretrained").reward + 5);
    expect(row(method).diversity).toBeLessThan(0.5 * row("pretrained").diversity);
  }
  expect(toy.rows).toHaveLength(6);
});

test("the budget is spent by EvoSearch's own formula", () => {
  const { population, schedule } = toyEvoSearch(1000, 20, 100).options as {
    population: number[];
    schedule: number[];
  };
  const nfe =
    population[0]! * 20 + schedule.reduce((sum, elapsed, g) => sum + population[g + 1]! * (20 - elapsed), 0);
  expect(nfe).toBeLessThanOrEqual(20_000);
  expect(nfe).toBeGreaterThan(19_500);
});
