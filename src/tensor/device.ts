/**
 * Which hardware runs the tensors: `await useDevice("auto")` picks the fastest backend that works here and says why,
 * `device()` tells what is in use.
 *
 * Importing this file registers our backends with tfjs; "native" (or "wasm", where the addon is not built) is what
 * runs when nobody picks a device.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, totalmem } from "node:os";
import { EngineBackend } from "./backend.ts";
import { addonPath, type NativeEngine, nativeEngine } from "./backend-native.ts";
import { wasmEngine } from "./backend-wasm.ts";
import "./kernels/all.ts";
import "./tensor-display.ts";
import { tf } from "./tf.ts";
import { openWebgpu, type WebgpuDevice } from "./webgpu/open.ts";

/** Of matrix products on native: "bf16" rounds their inputs to bf16 and sums in float32 (relative error 2^-7 a term at most). */
export type Precision = "float32" | "bf16";
export type DeviceName = "native" | "wasm" | "webgpu" | "tensorflow" | "cpu";

export interface Device {
  readonly backend: DeviceName;
  /** One line: what was picked, and why. */
  readonly why: string;
  /** Threads that ops run on; 1 on cpu, and where the backend decides itself its own default. */
  readonly threads: number;
  /** Memory tensors can use at most, bytes. */
  readonly memoryBytes: number;
}

// tfjs prints the whole error of a factory that throws, so a tree without a compiler registers none.
if (existsSync(addonPath)) tf.registerBackend("native", () => new EngineBackend(nativeEngine()), 10);
tf.registerBackend("wasm", () => new EngineBackend(wasmEngine()), 9);

let current: Device | undefined;
let inUse: Precision = "float32";

/** Reasons why the faster devices were passed over, for the line that explains the pick. */
type Attempt = { device: Device } | { reason: string };

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split("\n")[0]!;

function runsBf16({ engine }: EngineBackend): boolean {
  return engine.name === "native" && (engine as NativeEngine).hasBf16 && engine.isa === "avx512";
}

function applyPrecision(backend: EngineBackend, precision: Precision): void {
  const { engine } = backend;
  if (precision === "bf16" && !runsBf16(backend)) {
    throw new Error(
      `Cannot use precision bf16 as the CPU must have AVX512_BF16 and run the native engine: got ${engine.name}, ${engine.isa}. ` +
        "Leave the precision at float32.",
    );
  }
  backend.call("set_precision", 0, precision === "bf16");
  backend.precision = precision;
  inUse = precision;
}

async function tryEngine(name: "native" | "wasm", precision: Precision): Promise<Attempt> {
  try {
    if (!(name in tf.engine().registry)) {
      const engine = name === "native" ? nativeEngine() : wasmEngine();
      tf.removeBackend(name);
      tf.registerBackend(name, () => new EngineBackend(engine), name === "native" ? 10 : 9);
    }
    await tf.setBackend(name);
  } catch (error) {
    return {
      reason:
        name === "native"
          ? `the addon does not load (${reasonOf(error)}); run \`npm run build\``
          : reasonOf(error),
    };
  }
  const backend = tf.backend() as EngineBackend;
  const { engine } = backend;
  applyPrecision(backend, precision);
  const what = name === "native" ? `own kernels, ${engine.isa}` : "own kernels as WebAssembly";
  return {
    device: {
      backend: name,
      why: `${what}${precision === "bf16" ? ", bf16 products" : ""}, ${engine.threads} thread${engine.threads === 1 ? "" : "s"}`,
      threads: engine.threads,
      memoryBytes: name === "native" ? totalmem() : 2 ** 32,
    },
  };
}

async function tryTensorflow(mustHaveGpu: boolean): Promise<Attempt> {
  const require = createRequire(import.meta.url);
  let failure = "@tensorflow/tfjs-node-gpu is not installed";
  for (const name of ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"]) {
    try {
      // The name tfjs-node may be an alias of the plain union package.
      if (require(`${name}/package.json`).name !== name) continue;
      require(name);
      await tf.setBackend("tensorflow");
      const gpu = (tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;
      if (mustHaveGpu && !gpu) {
        failure = `${name} found no CUDA GPU`;
        continue;
      }
      return {
        device: {
          backend: "tensorflow",
          why: `${name} on ${gpu ? "a CUDA GPU" : "the CPU"}`,
          threads: availableParallelism(),
          memoryBytes: totalmem(),
        },
      };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND")) {
        failure = `${name} does not load (${reasonOf(error)})`;
      }
    }
  }
  return { reason: failure };
}

async function tryWebgpu(mustBeHardware: boolean): Promise<Attempt> {
  let opened: WebgpuDevice;
  try {
    opened = await openWebgpu({ mustBeHardware });
  } catch (error) {
    return { reason: reasonOf(error) };
  }
  if (!(await tf.setBackend("webgpu"))) return { reason: `tfjs does not start on ${opened.adapter}` };
  return {
    device: {
      backend: "webgpu",
      why: `WebGPU on ${opened.adapter}${opened.isSoftware ? " (software: correct, slow)" : ""}`,
      threads: 1,
      memoryBytes: opened.maxBufferBytes,
    },
  };
}

async function tryCpu(): Promise<Attempt> {
  await tf.setBackend("cpu");
  return {
    device: {
      backend: "cpu",
      why: "plain JavaScript, the slow reference",
      threads: 1,
      memoryBytes: totalmem(),
    },
  };
}

const attempts: Record<DeviceName, (auto: boolean, precision: Precision) => Promise<Attempt>> = {
  tensorflow: tryTensorflow,
  webgpu: tryWebgpu,
  native: (_auto, precision) => tryEngine("native", precision),
  wasm: (_auto, precision) => tryEngine("wasm", precision),
  cpu: tryCpu,
};

function present(device: Device): Device {
  const text = `${device.backend}: ${device.why}; ${(device.memoryBytes / 2 ** 30).toFixed(1)} GiB`;
  const value = { ...device };
  Object.defineProperties(value, {
    toString: { value: () => text },
    [Symbol.for("Jupyter.display")]: { value: () => ({ "text/plain": text }) },
  });
  return Object.freeze(value);
}

/**
 * Uses a backend for all tensors from now on; tensors made earlier move over when they are next used.
 * "auto" tries, in this order: tensorflow with a CUDA GPU, webgpu on a real GPU, native, wasm, cpu.
 * `precision` "bf16" (native on a CPU with AVX512_BF16 only) rounds the inputs of matrix products; default "float32".
 * @throws Error naming the reason, when the device asked for does not work here; the one in use then stays.
 */
export async function useDevice(
  name: DeviceName | "auto" = "auto",
  { precision = "float32" }: { precision?: Precision } = {},
): Promise<Device> {
  if (name !== "auto" && !Object.hasOwn(attempts, name)) {
    throw new RangeError(
      `Cannot use device ${JSON.stringify(name)} as it must be "auto" or one of ` +
        `${Object.keys(attempts).join(", ")}. Pass one of those.`,
    );
  }
  const before = tf.engine().backendName;
  const passed: string[] = [];
  for (const candidate of name === "auto" ? (Object.keys(attempts) as DeviceName[]) : [name]) {
    const attempt = await attempts[candidate](name === "auto", precision);
    if ("device" in attempt) {
      if (!(tf.backend() instanceof EngineBackend)) inUse = "float32";
      const why = passed.length > 0 ? `${attempt.device.why} (${passed.join("; ")})` : attempt.device.why;
      current = present({ ...attempt.device, why });
      return current;
    }
    passed.push(`no ${candidate}: ${attempt.reason}`);
  }
  if (before) await tf.setBackend(before);
  throw new Error(
    `Cannot use device ${name} as it does not work here: ${passed.join("; ")}. Try useDevice("auto").`,
  );
}

/** The device in use. */
export function device(): Device {
  const mine = tf.backend(); // makes tfjs pick one, if nobody did
  const backend = tf.getBackend() as DeviceName;
  if (current?.backend === backend) return current;
  const threads = mine instanceof EngineBackend ? mine.engine.threads : 1;
  const isa =
    mine instanceof EngineBackend
      ? `own kernels, ${mine.engine.isa}, ${threads} threads`
      : "set through tf.setBackend";
  return present({ backend, why: `${isa} (nobody picked a device)`, threads, memoryBytes: totalmem() });
}

/** Whether products in bf16 work here, on the device in use. */
export function hasBf16(): boolean {
  const backend = tf.backend();
  return backend instanceof EngineBackend && runsBf16(backend);
}

/**
 * Changes the precision of matrix products from now on, e.g. for the steps of a training.
 * @returns the one before
 * @throws Error where "bf16" does not work (`hasBf16`); nothing has changed then
 */
export function setPrecision(wanted: Precision): Precision {
  const before = inUse;
  if (wanted === before) return before;
  const backend = tf.backend();
  if (backend instanceof EngineBackend) applyPrecision(backend, wanted);
  else if (wanted === "bf16")
    throw new Error(
      `Cannot use precision bf16 as the CPU must have AVX512_BF16 and run the native engine: got ${tf.getBackend()}. ` +
        "Leave the precision at float32.",
    );
  return before;
}

/**
 * Threads that ops use on native and wasm (1 to 64). Results do not depend on it.
 * @throws Error on other backends.
 */
export function setThreads(count: number): void {
  const backend = tf.backend();
  if (!(Number.isInteger(count) && count >= 1 && count <= 64)) {
    throw new RangeError(
      `Cannot use ${count} threads as the number must be an integer from 1 to 64. Pass one of those.`,
    );
  }
  if (!(backend instanceof EngineBackend)) {
    throw new Error(
      `Cannot set the threads of ${tf.getBackend()} as only native and wasm let us. Call \`await useDevice("native")\` first.`,
    );
  }
  backend.engine.setThreads(count);
  if (current !== undefined) current = present({ ...current, threads: count });
}
