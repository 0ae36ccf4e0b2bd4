import { expect, test } from "vitest";
import { dense, routing, sinkWindow } from "../../src/model/history-policy.ts";
import { slotSelection } from "../../src/model/slot-selection.ts";

test("a pass of two chunks: each sees what the policy shows it, and itself", () => {
  const select = slotSelection(dense());
  expect(select([0, 1, 2], 3, 2)(0)).toEqual({
    visible: [
      [0, 1, 2, 3],
      [0, 1, 2, 3, 4],
    ],
  });
  expect(select([0, 1, 2], 3, 2)(1)).toEqual({ visible: [[0, 1, 2, 3, 4]] });
});

test("candidates, but for a first chunk, which has none", () => {
  const select = slotSelection(routing({ topK: 2 }));
  expect(select([], 0, 1)(0)).toEqual({ visible: [[0]] });
  expect(select([], 0, 2)(0)).toEqual({ visible: [[0], [1]], route: { topK: 2, candidates: [[], [0]] } });
});

test("where chunks were dropped, slots count what is left", () => {
  const select = slotSelection(sinkWindow({ sink: 1, window: 2 }));
  // Chunk 9 sees chunks 0, 7 and 8; they lie in slots 0, 2 and 3.
  expect(select([0, 6, 7, 8], 9, 1)(0)).toEqual({ visible: [[0, 2, 3, 4]] });
});

test("the same question has the same answer, which nobody can change; another has its own", () => {
  const select = slotSelection(routing({ topK: 2 }));
  const slots = [0, 1, 2];
  const answer = select(slots, 3, 1)(0);
  expect(select(slots, 3, 1)(0)).toBe(answer);
  const lists = [answer.visible, ...answer.visible, answer.route!.candidates, ...answer.route!.candidates];
  expect(lists.every((list) => Object.isFrozen(list))).toBe(true);
  expect(select([0, 1], 2, 1)(0).route!.candidates).toEqual([[0, 1]]);
  expect(select(slots, 3, 1)(0)).toEqual(answer);
});
