/**
 * The process that runs our own engines in the engine bench: `node engine-peer.js <native|wasm> <threads> <precision>`,
 * asked over the protocol of `peer.ts`. Inputs are made when a work is first asked for, so that the peak of memory after
 * "train" is that of training.
 */
import { createInterface } from "node:readline";
import type { EngineBackend } from "../backend.ts";
import { type Precision, setThreads, useDevice } from "../device.ts";
import { runFused } from "../ops/fused.ts";
import { type Tensor, tf } from "../tf.ts";
import { ditRef } from "./dit-ref.ts";
import { BATCH, STEP_PRODUCTS } from "./works.ts";

const [backend, threads, precision] = process.argv.slice(2) as ["native" | "wasm", string, Precision];

const ones = (...shape: number[]): Tensor => tf.keep(tf.ones(shape));

/** All products of one train step, forward and both gradients, with inputs shared between equal shapes. */
function stepProducts(): () => void {
  const made = new Map<string, Tensor>();
  const matrix = (rows: number, columns: number): tf.Tensor2D => {
    const key = `${rows} ${columns}`;
    const found = made.get(key) ?? ones(rows, columns);
    made.set(key, found);
    return found as tf.Tensor2D;
  };
  return () => {
    for (const { count, rows, inputs, outputs } of STEP_PRODUCTS) {
      const [x, w, dy] = [matrix(rows, inputs), matrix(outputs, inputs), matrix(rows, outputs)];
      for (let i = 0; i < count; i++) {
        tf.matMul(x, w, false, true).dispose();
        tf.matMul(dy, w).dispose();
        // The kernel of a layer's gradient, which a plain product of this shape does not take.
        tf.dispose(runFused("Fused.LinearGradWeight", { x, dy }, { withBias: false }));
      }
    }
  };
}

/** 100 GB of tensors of 4 MB in one loop, nothing disposed by hand. */
function hundredGigabytes(): void {
  let x: Tensor = tf.ones([1 << 20]);
  for (let i = 0; i < 25_000; i++) x = tf.neg(x);
  x.dataSync();
}

const model = ditRef();
const makers: Record<string, (...sizes: number[]) => () => void> = {
  train: () => () => void model.trainStep(BATCH),
  forward() {
    const [x, t] = [tf.keep(tf.zeros([BATCH, 256, 16])), tf.keep(tf.fill([BATCH, 16], 0.5))];
    return () => {
      tf.tidy(() => {
        model.forward(x, t);
      });
    };
  },
  sample: (batch) => () => model.sample(batch!),
  "train products": stepProducts,
  gemm(m, n, k) {
    const [left, right] = [ones(m!, k!) as tf.Tensor2D, ones(n!, k!) as tf.Tensor2D];
    return () => tf.matMul(left, right, false, true).dispose();
  },
  "add 64x64"() {
    const a = ones(64, 64);
    return () => tf.add(a, a).dispose();
  },
  "loop 100 GB": () => hundredGigabytes,
};

const works = new Map<string, () => void>();
function workOf(name: string): () => void {
  const found = works.get(name);
  if (found !== undefined) return found;
  const sizes = name.match(/(?: \d+)+$/)?.[0] ?? "";
  const plain = makers[name] ?? makers[name.slice(0, name.length - sizes.length)];
  if (plain === undefined) throw new Error(`no work named ${name}`);
  const made = plain(...sizes.trim().split(" ").map(Number));
  works.set(name, made);
  return made;
}

function answer({ kind, work, repeat }: { kind: string; work: string; repeat: number }): number[] {
  // Not a time, but asked and answered like one.
  if (kind === "peak bytes") return [process.resourceUsage().maxRSS * 1024];
  const run = workOf(work);
  const start = performance.now();
  for (let i = 0; i < repeat; i++) run();
  return [(performance.now() - start) / repeat];
}

await useDevice(backend, { precision });
setThreads(Number(threads));
const { engine } = tf.backend() as EngineBackend;
console.log(JSON.stringify({ isa: engine.isa }));
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify({ ms: answer(JSON.parse(line)) }));
  } catch (error) {
    console.log(JSON.stringify({ error: (error as Error).message.split("\n")[0] }));
  }
}
