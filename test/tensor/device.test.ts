import { afterAll, describe, expect, it } from "vitest";
import { type DeviceName, device, setThreads, useDevice } from "../../src/tensor/device.ts";
import { tf } from "../../src/tensor/tf.ts";

describe("devices", () => {
  afterAll(async () => {
    await useDevice("native");
    setThreads(2);
  });

  it("run tensors on the native engine when nobody picks", () => {
    expect(tf.add(1, 2).dataSync()[0]).toBe(3);
    expect(device().backend).toBe("native");
    expect(String(device())).toMatch(
      /^native: own kernels, \w+, \d+ threads \(nobody picked a device\); [\d.]+ GiB$/,
    );
  });

  it("explain the choice in one line", async () => {
    const auto = await useDevice("auto");
    expect(["tensorflow", "webgpu", "native"]).toContain(auto.backend);
    if (auto.backend === "native") expect(auto.why).toMatch(/no tensorflow: .*; no webgpu: /);
    expect(auto.memoryBytes).toBeGreaterThan(2 ** 28);
    expect(String(auto)).not.toContain("\n");
    const shown = (auto as unknown as Record<symbol, () => Record<string, string>>)[
      Symbol.for("Jupyter.display")
    ]!();
    expect(shown["text/plain"]).toBe(String(auto));
    expect(device()).toBe(auto);
  });

  it("switch", async () => {
    for (const name of ["wasm", "cpu", "native"] as const) {
      expect((await useDevice(name)).backend).toBe(name);
      expect(tf.getBackend()).toBe(name);
      expect(tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).dataSync()[0]).toBe(2);
    }
  });

  it("set the number of threads", async () => {
    await useDevice("native");
    setThreads(3);
    expect(device().threads).toBe(3);
    expect(() => setThreads(0)).toThrow(
      "Cannot use 0 threads as the number must be an integer from 1 to 64. Pass one of those.",
    );
    await useDevice("cpu");
    expect(() => setThreads(2)).toThrow("Cannot set the threads of cpu as only native and wasm let us.");
  });

  it("refuse what does not exist, and keep what was in use", async () => {
    await useDevice("native");
    await expect(useDevice("cuda" as DeviceName)).rejects.toThrow(
      'Cannot use device "cuda" as it must be "auto" or one of tensorflow, webgpu, native, wasm, cpu.',
    );
    expect(tf.getBackend()).toBe("native");
  });

  it("name the op and who has it when a kernel is missing", async () => {
    await useDevice("cpu");
    tf.registerKernel({ kernelName: "OnlyElsewhere", backendName: "native", kernelFunc: () => [] });
    expect(() => tf.engine().runKernel("OnlyElsewhere", {})).toThrow(
      "Cannot run the op OnlyElsewhere as the backend cpu has no kernel for it: backends that have one: native. Switch with `await useDevice(...)`.",
    );
  });
});
