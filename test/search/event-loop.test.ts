import { afterEach, expect, test, vi } from "vitest";
import { eventLoopTurns } from "../../src/search/event-loop.ts";

/** Work that keeps the event loop for so many milliseconds. */
function busy(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

afterEach(() => {
  vi.useRealTimers();
});

test("short pieces share a turn, a long one is followed by its own", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  const turn = eventLoopTurns({ every: 30 });
  vi.advanceTimersByTime(29);
  expect(turn()).toBeUndefined();
  vi.advanceTimersByTime(1);
  const waited = turn();
  expect(waited).toBeInstanceOf(Promise);
  await waited;
  expect(turn()).toBeUndefined();
});

test("a timer that is due comes through between two pieces", async () => {
  const turn = eventLoopTurns({ every: 5 });
  let isThrough = false;
  setTimeout(() => {
    isThrough = true;
  }, 1);
  for (let piece = 0; piece < 4 && !isThrough; piece++) {
    busy(6);
    await turn();
  }
  expect(isThrough).toBe(true);
});
