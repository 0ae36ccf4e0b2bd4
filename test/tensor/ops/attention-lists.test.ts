import { describe, expect, it } from "vitest";
import { attentionLists } from "../../../src/tensor/ops/attention-lists.ts";

describe("chunk lists of attention", () => {
  it("are offsets and chunks one behind the other", () => {
    const { visible, candidates, mostCandidates } = attentionLists([[4], [], [5]], [[0, 2], [1], []], 3, 6);
    expect([...visible.offsets]).toEqual([0, 1, 1, 2]);
    expect([...visible.chunks]).toEqual([4, 5]);
    expect([...candidates!.offsets]).toEqual([0, 2, 3, 3]);
    expect([...candidates!.chunks]).toEqual([0, 2, 1]);
    expect(mostCandidates).toBe(2);
  });

  it("are made once for calls that ask the same", () => {
    const first = attentionLists([[3]], [[0, 1, 2]], 1, 4);
    expect(attentionLists([[3]], [[0, 1, 2]], 1, 4)).toBe(first);
    // A longer cache changes nothing.
    expect(attentionLists([[3]], [[0, 1, 2]], 1, 9)).toBe(first);
  });

  it("are made anew for any difference, the array that was changed since included", () => {
    const list = [0, 1];
    const first = attentionLists([[3]], [list], 1, 4);
    list[1] = 2;
    expect([...attentionLists([[3]], [list], 1, 4).candidates!.chunks]).toEqual([0, 2]);
    expect([...first.candidates!.chunks]).toEqual([0, 1]);
    list.pop();
    expect([...attentionLists([[3]], [list], 1, 4).candidates!.chunks]).toEqual([0]);
    expect([...attentionLists([[2]], [list], 1, 4).visible.chunks]).toEqual([2]);
    expect(attentionLists([[2]], undefined, 1, 4).candidates).toBeNull();
    expect([...attentionLists([[2]], [[]], 1, 4).candidates!.offsets]).toEqual([0, 0]);
    // The same chunks, divided in another way.
    attentionLists([[0], [1, 2]], undefined, 2, 3);
    expect([...attentionLists([[0, 1], [2]], undefined, 2, 3).visible.offsets]).toEqual([0, 2, 3]);
  });

  it("are checked against what each call holds", () => {
    attentionLists([[3]], [[0, 1, 2]], 1, 4);
    expect(() => attentionLists([[3]], [[0, 1, 2]], 1, 3)).toThrow(
      "Cannot attend as visible[0] must hold increasing chunk indices below 3: got [3].",
    );
    expect(() => attentionLists([[3]], [[0, 1, 2]], 2, 4)).toThrow(
      "Cannot attend as visible must have one list per query chunk (2): got 1.",
    );
    expect(() => attentionLists([[3]], [[0, 1.5]], 1, 4)).toThrow(
      "Cannot attend as candidates[0] must hold increasing chunk indices below 4: got [0,1.5].",
    );
    expect(() => attentionLists([[1, 3]], [[0, 1, 2]], 1, 4)).toThrow(
      "Cannot route query chunk 0 as its candidates must not be visible already: got 1 in both.",
    );
    // A refused call leaves nothing behind.
    expect(() => attentionLists([[1, 3]], [[0, 1, 2]], 1, 4)).toThrow("Cannot route query chunk 0");
  });
});
