import { expect, test } from "vitest";
import { stopwatch, untimed } from "../../src/search/stopwatch.ts";

function busy(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

test("a piece counts without the pieces inside it, and all of them add up to the spans", () => {
  const watch = stopwatch();
  const started = performance.now();
  watch.time("outer", () => {
    busy(3);
    watch.time("inner", () => busy(9));
    expect(() =>
      watch.time("failing", () => {
        throw new Error("no");
      }),
    ).toThrow("no");
  });
  watch.time("outer", () => busy(3));
  const whole = performance.now() - started;
  const { outer, inner } = Object.fromEntries(watch.read()) as { outer: number; inner: number };
  expect(inner).toBeGreaterThanOrEqual(9);
  expect(outer).toBeGreaterThanOrEqual(6);
  const total = [...watch.read().values()].reduce((sum, ms) => sum + ms, 0);
  const spans = watch.spans().map(([begin, end]) => end - begin);
  expect(spans).toHaveLength(2);
  expect(total).toBeCloseTo(
    spans.reduce((sum, ms) => sum + ms, 0),
    6,
  );
  expect(total).toBeLessThanOrEqual(whole);
});

test("without a stopwatch the work is simply done", () => {
  expect(untimed.time("anything", () => 7)).toBe(7);
  expect([...untimed.read()]).toEqual([]);
});
