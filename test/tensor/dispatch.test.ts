import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { useDevice } from "../../src/tensor/device.ts";
import { tf } from "../../src/tensor/tf.ts";

/** The engine's own methods, which the short ways of `dispatch.ts` stand in front of. */
const engine = tf.engine();
const short = { runKernel: engine.runKernel, endScope: engine.endScope };
const long = Object.getPrototypeOf(engine) as typeof short;

function by<T>(ways: typeof short, compute: () => T): T {
  Object.assign(engine, { runKernel: ways.runKernel, endScope: ways.endScope });
  try {
    return compute();
  } finally {
    Object.assign(engine, short);
  }
}

/** A step of a program over tensors: ops, what is kept and disposed, scopes and what they return. */
type Step =
  | { readonly kind: "add" | "unstack" | "keep" | "dispose"; readonly of: number }
  | {
      readonly kind: "tidy";
      readonly steps: readonly Step[];
      readonly returns: "nothing" | "one" | "several" | "nested";
    };

const { steps } = fc.letrec<{ step: Step; steps: Step[] }>((tie) => ({
  step: fc.oneof(
    { depthSize: "small" },
    fc.record({
      kind: fc.constantFrom("add" as const, "unstack" as const, "keep" as const, "dispose" as const),
      of: fc.nat(20),
    }),
    fc.record({
      kind: fc.constant("tidy" as const),
      steps: tie("steps"),
      returns: fc.constantFrom("nothing" as const, "one" as const, "several" as const, "nested" as const),
    }),
  ),
  steps: fc.array(tie("step"), { maxLength: 6 }),
}));

/** Runs a program; what can be seen of it: numbers of tensors after every step, and which live on at the end. */
function trace(program: readonly Step[]): unknown {
  const all: tf.Tensor[] = [tf.keep(tf.tensor1d([1, 2]))];
  const before = tf.memory();
  const seen: number[] = [];
  const living = () => all.filter((tensor) => !tensor.isDisposed);
  const run = (list: readonly Step[]): void => {
    for (const step of list) {
      const some = living();
      if (step.kind === "tidy") {
        tf.tidy(() => {
          run(step.steps);
          const last = living().slice(-2);
          if (step.returns === "one") return last[0]!;
          if (step.returns === "several") return last;
          return step.returns === "nested" ? { a: last[0]!, b: { c: last.slice(1) } } : undefined;
        });
      } else if (some.length > 0) {
        const one = some[step.of % some.length]!;
        if (step.kind === "add") all.push(tf.add(one, 1));
        else if (step.kind === "unstack") all.push(...tf.unstack(one.reshape([-1, 1])));
        else if (step.kind === "keep") tf.keep(one);
        else one.dispose();
      }
      seen.push(tf.memory().numTensors - before.numTensors, tf.memory().numBytes - before.numBytes);
    }
  };
  run(program);
  const ends = all.map((tensor) => (tensor.isDisposed ? "gone" : [...tensor.dataSync()].join()));
  for (const tensor of living()) tensor.dispose();
  return { seen, ends, left: tf.memory().numTensors - before.numTensors };
}

describe("the short ways through tfjs's engine", () => {
  beforeAll(async () => {
    await useDevice("native");
  });
  afterEach(() => {
    tf.env().set("DEBUG", false);
    tf.env().set("IS_TEST", false);
  });

  it("are in place", () => {
    expect(short.runKernel).not.toBe(long.runKernel);
    expect(short.endScope).not.toBe(long.endScope);
  });

  it("do what the long ones do, for any nesting of ops, scopes, keep and dispose", () => {
    fc.assert(
      fc.property(steps, (program) => {
        expect(by(short, () => trace(program))).toEqual(by(long, () => trace(program)));
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("leave tapes as they are: gradients, also of functions with scopes and of second order", () => {
    const cubed = (x: tf.Tensor) => tf.tidy(() => x.mul(x).mul(x).sum() as tf.Scalar);
    const second = tf.grad((x: tf.Tensor) => tf.grad(cubed)(x).sum());
    const values = () => [...second(tf.tensor1d([1, 2, 3])).dataSync()];
    expect(by(short, values)).toEqual([6, 12, 18]);
    expect(by(long, values)).toEqual([6, 12, 18]);
  });

  it("let a profiler see every kernel", async () => {
    const { kernels } = await tf.profile(() => tf.tidy(() => tf.tensor1d([1]).add(1).mul(2)));
    expect(kernels.map(({ name }) => name)).toEqual(["Add", "Multiply"]);
  });

  it("let debug mode and the check for leaks look", () => {
    const x = tf.tensor1d([1]);
    tf.registerKernel({
      kernelName: "Leaks",
      backendName: "native",
      kernelFunc: ({ backend }) => {
        const { write } = backend as { write: (...of: unknown[]) => object };
        write.call(backend, null, [1], "float32");
        return { dataId: write.call(backend, null, [1], "float32"), shape: [1], dtype: "float32" };
      },
    });
    const leak = () => tf.engine().runKernel("Leaks", { x });
    expect(leak).not.toThrow();
    tf.env().set("IS_TEST", true);
    expect(leak).toThrow("Backend 'native' has an internal memory leak (1 data ids) after running 'Leaks'");
    tf.unregisterKernel("Leaks", "native");
  });

  it("leave the engine as it was when a kernel or a function in a scope throws", () => {
    const { state } = engine as unknown as { state: { kernelDepth: number; scopeStack: unknown[] } };
    const before = [state.kernelDepth, state.scopeStack.length, tf.memory().numTensors];
    const [a, b] = [tf.ones([2, 3]), tf.ones([4])];
    expect(() => tf.tidy(() => tf.add(a.mul(2), b))).toThrow("could not be broadcast");
    tf.dispose([a, b]);
    expect([state.kernelDepth, state.scopeStack.length, tf.memory().numTensors]).toEqual(before);
  });

  it("use a kernel that was registered anew", () => {
    const x = tf.tensor1d([1]);
    const answer = (value: number) => () => tf.scalar(value);
    for (const value of [1, 2]) {
      tf.registerKernel({ kernelName: "Anew", backendName: "native", kernelFunc: answer(value) });
      expect((tf.engine().runKernel("Anew", { x }) as tf.Tensor).dataSync()[0]).toBe(value);
      tf.unregisterKernel("Anew", "native");
    }
  });
});
