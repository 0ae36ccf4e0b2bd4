/** What the engine bench rests on: turns, time limits, ratios. (The numbers themselves come from `npm run bench`.) */
import { expect, it } from "vitest";
import { ratiosOf } from "../../src/tensor/bench/engine.ts";
import { peer } from "../../src/tensor/bench/peer.ts";
import { rounds } from "../../src/tensor/bench/rounds.ts";
import { chosenWorks } from "../../src/tensor/bench/works.ts";

const work = { name: "w", repeat: 1, rounds: 3, seconds: 5 };

it("every engine has a turn in each round; one that fails is out, with its reason", async () => {
  const order: string[] = [];
  const turn = (engine: string) => ({
    engine,
    run: async () => {
      order.push(engine);
      if (engine === "broken") throw new Error("no such kernel");
      return [order.length];
    },
  });
  const timings = await rounds(work, [turn("a"), turn("broken"), turn("b")]);
  expect(order.join(" ")).toBe("a broken b a b a b a b");
  expect(timings).toEqual([
    { work: "w", engine: "a", times: [4, 6, 8] },
    { work: "w", engine: "broken", why: "no such kernel" },
    { work: "w", engine: "b", times: [5, 7, 9] },
  ]);
});

it("when time is over the warm-up counts, and says so", async () => {
  let isOver = false;
  const turn = {
    engine: "a",
    run: async () => {
      isOver = true;
      return [7];
    },
  };
  const deadline = () => (isOver ? 0 : Number.POSITIVE_INFINITY);
  expect(await rounds(work, [turn], { deadline })).toEqual([
    { work: "w", engine: "a", times: [7], why: "the warm-up alone" },
  ]);
});

it("a peer that takes too long is stopped, and starts again for the next work", async () => {
  const script = `console.log(JSON.stringify({ pid: process.pid }));
    require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
      const { work } = JSON.parse(line);
      if (work === "fast") console.log(JSON.stringify({ ms: [1] }));
      if (work === "unknown") console.log(JSON.stringify({ error: "not measured" }));
    });`;
  const node = peer({ command: process.execPath, args: ["-e", script] });
  const first = await node.hello();
  expect(await node.measure("time", "fast")).toEqual([1]);
  await expect(node.measure("time", "unknown")).rejects.toThrow("not measured");
  await expect(node.measure("time", "endless", { limitMs: 1000 })).rejects.toThrow("took more than 1 s");
  expect(await node.measure("time", "fast")).toEqual([1]);
  expect((await node.hello())["pid"]).not.toBe(first["pid"]);
  node.close();
  const nobody = peer({ command: "/nonexistent/python", args: [] });
  await expect(nobody.hello()).rejects.toThrow("the process ended");
});

it("ratios are ours over PyTorch's best of each kind, and the step over its own products", () => {
  const row = (of: string, engine: string, medianMs: number) => ({
    work: of,
    engine,
    medianMs,
    bestMs: medianMs,
  });
  expect(
    ratiosOf([
      row("train", "native", 300),
      row("train", "torch-fp32", 500),
      row("train", "torch-compiled", 400),
      row("train", "torch-bf16", 200),
      row("train products", "native", 150),
    ]),
  ).toEqual({
    "train native/torch-fp32": 0.75,
    "train native/torch-bf16": 1.5,
    "train native/its products": 2,
  });
});

it("works are chosen by how their names begin", () => {
  expect(chosenWorks("sample, add").map(({ name }) => name)).toEqual(["sample 1", "add 64x64", "sample 16"]);
  expect(() => chosenWorks("train,sampling")).toThrow(
    /^Cannot measure "sampling" alone as the works are train, train products, forward,/,
  );
});
